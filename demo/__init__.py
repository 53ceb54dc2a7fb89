"""The demo: a year of flights from New York, played through Vigie as a federation of carriers."""
