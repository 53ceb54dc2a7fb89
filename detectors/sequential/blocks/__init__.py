"""The sequential detectors on many streams at once, their state in one compact block."""
