"""Colours that people with any colour vision can tell apart.

Source: M. Okabe and K. Ito, "Color Universal Design" (2008). Grey and the names are ours.
"""

ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
BLUE = "#0072B2"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#8C8C8C"
YELLOW = "#F0E442"
CLEAR = "transparent"  # what lies below shows
