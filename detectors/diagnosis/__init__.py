"""What a drift is once it is found: its kind, since when, where it comes from, and back to what."""
