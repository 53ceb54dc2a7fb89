"""What the stations have: readings of their own, cut into windows of time.

With a folder, station n has ``<folder>/site-<n>.npz`` with ``x`` of shape (windows, examples,
features) and ``y`` (windows, examples). Without one, the readings are made up, the same each time:
from window 5 on, the link between them and smog is another, as after a sensor was replaced.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

FEATURES = ("PM10", "SO2", "NO2", "CO", "TEMP", "DEWP", "WSPM")
WINDOWS, CALM, EXAMPLES = 7, 5, 600

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

_TRUTH = np.array([2.0, 0.3, 0.5, 0.8, -0.3, 0.4, -0.2])


def readings(folder: str, station: int, window: int) -> tuple[Floats, Labels]:
    """Return a station's features, (examples, features), and labels of one window."""
    if not folder:
        return _made_up(station, window)
    with np.load(Path(folder) / f"site-{station}.npz") as data:
        return data["x"][window], data["y"][window]


def champion(folder: str, name: str) -> Floats:
    """Return the model to start from: one weight a feature, then the intercept."""
    if not folder:
        return np.append(_TRUTH, 0.0)
    weights: Floats = np.load(Path(folder) / name)
    return weights


def _made_up(station: int, window: int) -> tuple[Floats, Labels]:
    rng = np.random.default_rng([station, window])
    x = rng.normal(size=(EXAMPLES, len(FEATURES)))
    truth = _TRUTH if window < CALM else -_TRUTH
    y = rng.random(EXAMPLES) < 1 / (1 + np.exp(-x @ truth))
    return x, y.astype(np.int64)
