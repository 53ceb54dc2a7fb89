"""Many tests, one error budget."""
