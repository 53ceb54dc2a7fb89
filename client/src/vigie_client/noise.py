"""``Noise``: what a client adds to its record, so that no single example shows in it.

The mechanisms are OpenDP's (``pip install vigie-client[dp]``): discrete, or on a grid of its own,
so that no floating-point digit betrays a value (Mironov 2012, CCS).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Path = tuple[str, ...]

SUMS = ("loss_sum", "loss_sumsq")
# Losses count in steps of this, as parts of the bound: float64 adds such parts without rounding.
_STEP = 2.0**-20
_ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class Noise:
    """Differential privacy of one record, for adding or removing one example.

    An example adds 1 to one cell of each histogram, matrix and count of the record (a projection
    histogram is one for every direction), and at most ``loss_bound`` to the sum of losses and its
    square to that of squares: larger losses are clipped. In units of those bounds an example
    touches k numbers by at most 1 each. ``epsilon`` and ``delta`` are for the record as a whole,
    all its histograms composed: that is the sensitivity of them as one vector, k in L1 and sqrt(k)
    in L2, and so every number gets the same noise:

    ``geometric``
        Two-sided geometric (discrete Laplace) of scale b = k / epsilon on counts, Laplace of the
        same scale, times the bound, on sums (Ghosh, Roughgarden & Sundararajan 2012, SIAM J.
        Comput. 41, 1673-1693). Pure: delta is 0.
    ``gaussian``
        Discrete Gaussian of sigma = sqrt(2 ln(1.25 / delta) k) / epsilon on counts, Gaussian of the
        same sigma, times the bound, on sums (Dwork & Roth 2014, theorem A.1; Canonne, Kamath &
        Steinke 2020, NeurIPS). Grows with sqrt(k) only: better for many features or directions.

    The sensitivity as declared is k or sqrt(k), so that its ratio to epsilon is the noise on every
    count. Records of later rounds, or a second record of the same examples, cost epsilon anew.
    """

    mechanism: Literal["geometric", "gaussian"]
    epsilon: float
    delta: float
    loss_bound: float

    @classmethod
    def geometric(cls, epsilon: float, *, loss_bound: float) -> "Noise":
        """Return pure noise; ``ValueError`` unless both are finite and above 0."""
        return cls("geometric", epsilon, 0.0, loss_bound)

    @classmethod
    def gaussian(cls, epsilon: float, delta: float, *, loss_bound: float) -> "Noise":
        """Return Gaussian noise; ``ValueError`` unless ``0 < delta < 1`` and the rest above 0."""
        return cls("gaussian", epsilon, delta, loss_bound)

    def __post_init__(self) -> None:
        for name, value in (("epsilon", self.epsilon), ("loss_bound", self.loss_bound)):
            if not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}; expected a finite number above 0.")
        if self.mechanism == "gaussian" and not 0 < self.delta < 1:
            raise ValueError(f"delta is {self.delta}; expected more than 0 and less than 1.")

    def parts(self, losses: Array) -> dict[str, Array]:
        """Return the sums of clipped losses and of their squares, as parts of their bounds."""
        parts = np.minimum(losses, self.loss_bound) / self.loss_bound
        rounded = (np.round(each / _STEP) * _STEP for each in (parts, np.square(parts)))
        return {name: np.asarray(each.sum()) for name, each in zip(SUMS, rounded, strict=True)}

    def sensitivity(self, touched: int) -> float:
        """Return the sensitivity of numbers of which an example touches so many, by 1 each."""
        return float(touched) if self.mechanism == "geometric" else math.sqrt(touched)

    def scale(self, touched: int) -> float:
        """Return the noise's scale: b of the geometric, sigma of the Gaussian mechanism."""
        scale = self.sensitivity(touched) / self.epsilon
        if self.mechanism == "gaussian":
            scale *= math.sqrt(2 * math.log(1.25 / self.delta))
        return scale

    def released(self, sums: Mapping[Path, Array]) -> dict[Path, Array]:
        """Return the numbers of a record with noise on each; every call spends epsilon.

        Sums are parts of their bounds, as ``parts`` returns them, and come back in nats. Raises
        ``ImportError`` without OpenDP, and ``ValueError`` where the Gaussian's sigma is not enough
        for an epsilon so large.
        """
        draw = _Draw(self, _touched(sums))
        released = {}
        for path, values in sums.items():
            if path[-1] in SUMS:
                bound = self.loss_bound ** (1 + SUMS.index(path[-1]))
                released[path] = bound * draw.reals(values)
            else:
                released[path] = draw.counts(values)
        return released

    def declared(self, sums: Mapping[Path, Array]) -> dict[str, Any]:
        """Return the envelope's ``privacy`` for a record of these numbers.

        ``clip_norm`` is the bound of a single loss, in nats.
        """
        said: dict[str, Any] = {
            "mechanism": self.mechanism,
            "epsilon": self.epsilon,
            "sensitivity": self.sensitivity(_touched(sums)),
            "unit": "example",
            "clip_norm": self.loss_bound,
        }
        return {**said, "delta": self.delta} if self.delta else said


class _Draw:
    """OpenDP's mechanisms for a record of which an example touches ``touched`` numbers."""

    def __init__(self, noise: Noise, touched: int) -> None:
        try:
            import opendp.prelude as dp  # noqa: PLC0415 - optional, and 0.2 s to import
        except ImportError as error:
            raise ImportError("Noise needs OpenDP: pip install vigie-client[dp]") from error
        dp.enable_features("contrib")
        whole, real = dp.atom_domain(T="i64"), dp.atom_domain(T="f64", nan=False)
        scale = noise.scale(touched)
        if noise.mechanism == "geometric":
            make, of_whole, of_real = (
                dp.m.make_laplace,
                dp.l1_distance("i64"),
                dp.l1_distance("f64"),
            )
        else:
            make, of_whole, of_real = (
                dp.m.make_gaussian,
                dp.l2_distance("f64"),
                dp.l2_distance("f64"),
            )
        self._whole = make(dp.vector_domain(whole), of_whole, scale)
        self._real = make(dp.vector_domain(real), of_real, scale)
        self._check(noise, touched)

    def _check(self, noise: Noise, touched: int) -> None:
        """Ask OpenDP what the record spends, all its numbers being one vector."""
        import opendp.prelude as dp  # noqa: PLC0415 - as above

        if noise.mechanism == "geometric":
            spent = self._real.map(float(touched))
        else:
            curve = dp.c.make_zCDP_to_approxDP(self._real).map(math.sqrt(touched))
            spent = curve.epsilon(noise.delta)
        if spent > noise.epsilon * _ROUNDING:
            raise ValueError(
                f"Gaussian noise calibrated for epsilon {noise.epsilon} and delta {noise.delta} "
                f"spends {spent:.3g}. Take a smaller epsilon, or Noise.geometric."
            )

    def counts(self, values: Array) -> Array:
        noised = self._whole([int(value) for value in values.ravel()])
        return np.asarray(noised, dtype=np.int64).reshape(values.shape)

    def reals(self, values: Array) -> Array:
        noised = self._real([float(value) for value in values.ravel()])
        return np.asarray(noised, dtype=np.float64).reshape(values.shape)


def _touched(sums: Mapping[Path, Array]) -> int:
    """How many numbers one example changes: a cell of every histogram, matrix and sum."""
    return sum(len(values) if path[-1] == "projections" else 1 for path, values in sums.items())


def common_privacy(said: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the ``privacy`` of a push from what its clients' summaries say of theirs.

    A push declares one noise for all its records; ``ValueError`` when they differ, or for none.
    """
    blocks = [dict(block) for block in said]
    if not blocks or any(block != blocks[0] for block in blocks):
        distinct = [block for at, block in enumerate(blocks) if block not in blocks[:at]]
        raise ValueError(
            f"A push declares one noise, and these records have {distinct or 'none to declare'}. "
            "Give every client the same Noise and let each count the same features."
        )
    return blocks[0]
