"""The law of the largest gap between two distribution functions at bin edges.

Under no drift the gaps are centred and close to normal. The chance that the largest passes D is
the sum over edges of the chance of each alone, times the mean of 1 / (how many edges pass), where
an edge is picked in proportion to its chance and its gap drawn beyond D. That mean lies between
1 / edges and 1, so that a p-value of 1e-12 is as accurate, relatively, as one of 0.05.

Owen, Maximov & Chertkov (2019), Electronic Journal of Statistics 13, 231-254, equation 2.4.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import scipy.special
from numpy.typing import NDArray

from detectors.arrays import FloatArray
from detectors.series.overdispersion import Spread
from detectors.two_sample.noise import Mixture, Null

_DRAWS, _COARSE_DRAWS, _ROUNDS = 1024, 256, 2
_ROUNDING = 1e-9
_GOLDEN = (np.sqrt(5) - 1) / 2
_NO_SAMPLING = Spread(np.zeros(1), np.ones(1))


@dataclass(frozen=True, eq=False)
class LargestGap:
    """The largest |gap| where nothing changed.

    `across` (edge, bin) makes the gaps at the inner edges of what `mixture` is the law of.
    """

    null: Null
    across: FloatArray
    mixture: Mixture

    @classmethod
    def of(cls, null: Null) -> Self:
        """Give every gap the random scale that belongs to the one which varies most."""
        across = null.centred(np.tri(null.shares.size)[:-1])
        widest = int(np.argmax(across**2 @ null.variance()))
        return cls(null, across, Mixture.of(null, across[widest]))

    @property
    def widest(self) -> float:
        """The standard deviation of the gap that varies most."""
        return float(np.sqrt(np.max(self.across**2 @ self.null.variance())))

    def tail(self, gap: float, draws: int = _DRAWS) -> float:
        """Return the chance of a largest gap of `gap` or more, to some per cent of itself."""
        if gap <= 0:
            return 1.0
        sd = np.sqrt(self.mixture.variance @ self.across.T**2)
        goal = gap / self.mixture.scale[:, np.newaxis]
        log_alone = scipy.special.log_ndtr(-goal / sd)
        alone = np.exp(log_alone)
        together = alone.sum(axis=1)
        x = self.mixture.draws(draws)
        edge, uniform = _picked(alone, x.shape[1])
        log_beyond = np.take_along_axis(log_alone, edge, axis=1) + np.log(uniform)
        reached = -scipy.special.ndtri_exp(log_beyond) * np.take_along_axis(sd, edge, axis=1)
        passing = self._passing(x, edge, reached, goal * (1 - _ROUNDING))
        chances = 2 * together * (1 / passing).mean(axis=1)
        return float(np.clip(self.mixture.weights @ chances, 0.0, 1.0))

    def critical(self, alpha: float) -> float:
        """Return the gap that the largest one passes with a chance of about alpha.

        How many times likelier that is than for the widest gap alone hardly changes with alpha.
        """
        level = alpha
        for _ in range(_ROUNDS):
            gap = -self.widest * float(scipy.special.ndtri(level / 2))
            alone = 2 * float(scipy.special.ndtr(-gap / self.widest))
            level = alpha * alone / max(self.tail(gap, _COARSE_DRAWS), alone)
        return -self.widest * float(scipy.special.ndtri(level / 2))

    def _passing(
        self, x: FloatArray, edge: NDArray[np.intp], reached: FloatArray, goal: FloatArray
    ) -> NDArray[np.intp]:
        """Count the edges that pass when x (node, draw, bin) is moved to `reached` at `edge`."""
        rows = self.across[edge]
        along = rows * self.mixture.variance[:, np.newaxis]
        short = (reached - np.vecdot(rows, x)) / np.vecdot(rows, along)
        gaps = np.abs(self.null.gaps(x + short[..., np.newaxis] * along))
        passing = np.count_nonzero(gaps >= goal[..., np.newaxis], axis=2)
        return np.asarray(np.maximum(passing, 1), dtype=np.intp)


def noise_alone(null: Null) -> Null | None:
    """Return the law of what declared noise does to the gaps; None without any."""
    if null.noise == 0:
        return None
    return replace(null, spread=_NO_SAMPLING, fourth=np.zeros(null.shares.size))


def _picked(alone: FloatArray, draws: int) -> tuple[NDArray[np.intp], FloatArray]:
    """Return edges (node, draw) in proportion to `alone` (node, edge), and uniforms beside them.

    Both lie evenly, as points of a golden-ratio lattice, which chance would not do.
    """
    share = np.cumsum(alone, axis=1)
    place = (np.arange(draws) + 0.5) / draws
    edge = np.count_nonzero(
        share[:, np.newaxis] < place[:, np.newaxis] * share[:, np.newaxis, -1:], axis=2
    )
    uniform = (np.arange(draws) + 0.5) * _GOLDEN % 1.0
    return edge, np.broadcast_to(uniform, edge.shape)
