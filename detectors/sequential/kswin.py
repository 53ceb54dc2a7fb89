"""KSWIN: the newest values against a draw of the older ones, by Kolmogorov and Smirnov."""

import math
import random
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from itertools import islice

from detectors.arrays import finite, fraction
from detectors.errors import BadParameterError
from detectors.sequential.inputs import at_least

LEAST_DISTANCE = 0.1
LARGEST_STAT_SIZE = 10_000


class Kswin:
    """Kolmogorov-Smirnov windowing on one stream.

    Of the last `window_size` values, the newest `stat_size` are compared with as many drawn at
    random from the older ones; an exact two-sided p-value of at most `alpha` with a distance above
    0.1 is a drift. Every value is such a test, so `alpha` is far from the false alarms of a
    stream. The draws are those of random.Random(seed), afresh after each drift, and the alarms
    those of river.drift.KSWIN with the same seed; as there, a drift empties the whole window.
    There is no warning zone. Raises BadParameterError, and on update NotFiniteError.

    Raab, Heusinger & Schleif (2020), Neurocomputing 416, 340-351.
    """

    warning_detected = False
    window: deque[float]
    _drift: bool

    def __init__(
        self,
        *,
        alpha: float = 0.005,
        window_size: int = 100,
        stat_size: int = 30,
        seed: int = 0,
    ) -> None:
        self.stat_size = at_least(stat_size, 2, "stat_size")
        self.window_size = at_least(window_size, 2 * stat_size, "window_size")
        self.least_gap = least_gap(fraction(alpha, "alpha"), stat_size)
        self.seed = at_least(seed, 0, "seed")
        self.reset()

    @property
    def drift_detected(self) -> bool:
        """Whether the last value completed a drift."""
        return self._drift

    def update(self, value: float) -> None:
        """Take the next value; NotFiniteError for a NaN or an infinity."""
        checked = float(finite(value, "value"))
        if self._drift:
            self.reset()
        self.window.append(checked)
        if len(self.window) == self.window_size:
            self._drift = self._gap() >= self.least_gap

    def reset(self) -> None:
        """Forget everything seen, and begin the draws again."""
        self.window = deque(maxlen=self.window_size)
        self._draws = random.Random(self.seed)  # noqa: S311 - a seeded draw, no secret
        self._drift = False

    def _gap(self) -> int:
        """Return the distance between both samples' distribution functions, in observations."""
        older = self.window_size - self.stat_size
        positions = self._draws.sample(range(older), self.stat_size)
        drawn = [self.window[position] for position in positions]
        return largest_gap(drawn, islice(self.window, older, None))


def largest_gap(first: Iterable[float], second: Iterable[float]) -> int:
    """Return stat_size times the two-sample KS distance of samples of one size."""
    steps = sorted([(value, 1) for value in first] + [(value, -1) for value in second])
    gap = largest = 0
    for (value, step), (following, _) in zip(steps, [*steps[1:], (math.nan, 0)], strict=True):
        gap += step
        if value != following:  # equal values step together
            largest = max(largest, abs(gap))
    return largest


def least_gap(alpha: float, size: int) -> int:
    """Return the smallest gap that is a drift: p-value at most `alpha` and distance above 0.1.

    `size` + 1, which no gap reaches, where there is none. BadParameterError for a size above
    10,000, where the exact distribution costs too much.
    """
    if size > LARGEST_STAT_SIZE:
        raise BadParameterError("stat_size", size, f"{LARGEST_STAT_SIZE} at most")
    rare = 1 + bisect_left(range(1, size + 1), -alpha, key=lambda gap: -p_value(gap, size))
    return max(rare, next(gap for gap in range(size + 2) if gap / size > LEAST_DISTANCE))


def p_value(gap: int, size: int) -> float:
    """Return the chance of a gap this large or larger between two samples of one distribution.

    Exact for samples of one size without ties (Gnedenko & Korolyuk 1951), conservative with ties:
    2 sum_{j >= 1} (-1)^(j+1) C(2n, n - j gap) / C(2n, n).

    >>> round(p_value(3, 3), 10)
    0.1
    """
    ways = [math.comb(2 * size, size - j * gap) for j in range(1, size // gap + 1)]
    alternating = sum(way if j % 2 == 0 else -way for j, way in enumerate(ways))
    return min(1.0, 2 * alternating / math.comb(2 * size, size))
