"""Standardised numbers of few rounds as Gaussian ones, which is what mixtures and kinds ask for."""

import numpy as np
import scipy.special

from app.drift.measurements import Floats

# Further out is no more certain, and would only be a matter of the tails.
MOST = 8.0


def gaussian(statistics: Floats, degrees: Floats | float) -> Floats:
    """Student's t values as the Gaussian ones that are as unlikely, within 8 either way.

    NaN stays NaN.

    >>> gaussian(np.array([-2.0, 0.0, 2.0]), 7.0).round(2).tolist()
    [-1.73, 0.0, 1.73]
    """
    tails = scipy.special.stdtr(degrees, -np.abs(statistics))
    sizes = np.minimum(-scipy.special.ndtri(tails), MOST)
    values: Floats = np.sign(statistics) * sizes
    return values
