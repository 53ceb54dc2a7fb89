"""The rows of `python -m benchmarks.detectors`, one file for each kind of detector."""
