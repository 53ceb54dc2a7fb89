"""The adapters, each tested in its framework's own environment."""
