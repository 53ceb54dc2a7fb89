"""Labelled examples under numbered concepts, and who is under which concept when.

SINE and CIRCLE are those of microsoft/FedDrift (Pesaranghader & Viktor 2016), without label noise
as there; SEA is that of Street & Kim (2001) with one label in ten wrong, as in both. FedDrift's own
SEA file has the threshold 9 for its fourth concept too, as for its second; here it is the 9.5
of the original.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

SCHEDULES = Path(__file__).resolve().parents[3] / "shared" / "data" / "feddrift_schedules"

Values = NDArray[np.float64]
Labels = NDArray[np.intp]


@dataclass(frozen=True)
class Concepts:
    """Where examples come from (n, d), and how each concept labels them."""

    features: Callable[[np.random.Generator, int], Values]
    label: Callable[[Values, int], NDArray[np.bool_]]
    noise: float = 0.0

    def draw(self, rng: np.random.Generator, n: int, concept: int) -> tuple[Values, Labels]:
        """Return n examples and their labels, 0 or 1, some of them turned around."""
        features = self.features(rng, n)
        turned = rng.random(n) < self.noise
        return features, (self.label(features, concept) ^ turned).astype(np.intp)


def _sine(features: Values, concept: int) -> NDArray[np.bool_]:
    below = features[:, 1] <= np.sin(features[:, 0])
    return np.asarray(below if concept == 0 else ~below)


def _circle(features: Values, concept: int) -> NDArray[np.bool_]:
    x, y, radius = ((0.2, 0.5, 0.15), (0.6, 0.5, 0.25))[concept]
    return np.asarray((features[:, 0] - x) ** 2 + (features[:, 1] - y) ** 2 > radius**2)


def _sea(features: Values, concept: int) -> NDArray[np.bool_]:
    return np.asarray(features[:, 0] + features[:, 1] <= (8.0, 9.0, 7.0, 9.5)[concept])


GENERATORS = MappingProxyType(
    {
        "SINE": Concepts(lambda rng, n: rng.random((n, 2)), _sine),
        "CIRCLE": Concepts(lambda rng, n: rng.random((n, 2)), _circle),
        "SEA": Concepts(lambda rng, n: 10 * rng.random((n, 3)), _sea, noise=0.1),
    }
)


def schedule(name: str) -> Labels:
    """Return FedDrift's schedule (11 steps, 10 clients) of concepts.

    FileNotFoundError where the data are not there: they are no part of the product.
    """
    file = SCHEDULES / f"{name}.cp"
    if not file.exists():
        raise FileNotFoundError(
            f"{file} is missing: copy data/changepoints of microsoft/FedDrift (MIT) there."
        )
    return np.loadtxt(file, dtype=np.intp)
