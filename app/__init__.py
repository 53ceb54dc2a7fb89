"""The Vigie service: one folder per domain, the same file names in each."""
