"""What only a federation has: clients who come and go, differ, and may not tell the truth."""
