"""A metric's rounds as a series: what is usual for it, and how sure that is."""
