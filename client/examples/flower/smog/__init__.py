"""A Flower app that Vigie watches: four air quality stations predict smog."""
