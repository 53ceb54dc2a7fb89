"""Sequential detectors: the moment a stream of values changes."""
