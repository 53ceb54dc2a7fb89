"""What tests on ordered bins share: gaps between distribution functions, and what bins hide.

Between two inner edges the distribution functions of the values are only known to rise from one
edge's share to the next one's. So the gap there lies between `least` and `largest` of an
`Envelope`, and those are reached: whatever follows from them is a hard bound. Values outside the
edges count as lying in the first or last bin.
"""

from dataclasses import dataclass

import numpy as np

from detectors.arrays import FloatArray
from detectors.errors import NotOrderedError
from detectors.histogram import Histogram
from detectors.two_sample.noise import Null
from detectors.two_sample.quadratic import QuadraticForm


@dataclass(frozen=True)
class Envelope:
    """For each bin the least and the largest |F - G| that values in it can have."""

    least: FloatArray
    largest: FloatArray


def require_ordered(reference: Histogram, current: Histogram, detector: str) -> None:
    """Raise EdgesDifferError for different bins, NotOrderedError for categories."""
    reference.require_same_bins(current)
    if reference.categorical:
        raise NotOrderedError(detector)


def gaps(reference: Histogram, current: Histogram) -> FloatArray:
    """Return F_current - F_reference at the inner edges."""
    return np.asarray((current.cdf() - reference.cdf())[:-1], dtype=np.float64)


def envelope(reference: Histogram, current: Histogram) -> Envelope:
    """Return what |F - G| can be inside each bin."""
    f, g = (np.maximum.accumulate(np.clip(h.cdf(), 0.0, 1.0)) for h in (reference, current))
    f_before, g_before = np.append(0.0, f[:-1]), np.append(0.0, g[:-1])
    return Envelope(
        least=np.maximum(np.maximum(f_before - g, g_before - f), 0.0),
        largest=np.maximum(np.maximum(f - g_before, g - f_before), 0.0),
    )


def edge_weights(shares: FloatArray) -> FloatArray:
    """Return for each inner edge the mean of the shares on both sides: the mass that sees its gap.

    Lockhart, Spinelli & Stephens (2007), Canadian Journal of Statistics 35, 125-133.
    """
    return (shares[1:] + shares[:-1]) / 2


def shift_direction(shares: FloatArray, steps: FloatArray) -> FloatArray:
    """Return the gaps that a small shift of the whole distribution makes, up to a factor.

    They are the density at each inner edge; where two mid-points are one number there is none.
    """
    positive = steps > 0
    return np.where(positive, edge_weights(shares) / np.where(positive, steps, 1.0), 0.0)


def scaled_steps(histogram: Histogram) -> tuple[FloatArray, float]:
    """Return the steps between mid-points in units of the range of the edges, and that range."""
    unit = float(histogram.edges[-1] - histogram.edges[0])
    return np.asarray(np.diff(histogram.mid_points) / unit, dtype=np.float64), unit


def rms_form(
    null: Null, weight: FloatArray, mass: FloatArray, histogram: Histogram
) -> QuadraticForm:
    """Return the form sum of weight * gap^2, whose effect is the root of the sum of mass * gap^2.

    The change it looks for is a shift of the whole distribution.
    """
    steps, _ = scaled_steps(histogram)
    shift = shift_direction(null.shares, steps)
    norm = float(np.sqrt(mass @ shift**2))
    root = np.sqrt(weight)
    rows = root[:, np.newaxis] * np.tri(null.shares.size)[:-1]
    return QuadraticForm(null, rows, root * shift / norm if norm > 0 else 0 * shift)
