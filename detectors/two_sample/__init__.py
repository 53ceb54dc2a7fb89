"""Two-sample tests: a distribution now against a reference."""
