"""Streams with known changes: how late, how often missed, how often for nothing, beside river's."""
