"""The files of `../shared/data` as arrays; a machine without them has no such rows to show."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from detectors.arrays import FloatArray

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
SEA_CHANGES = (12_500, 25_000, 37_500)
RBF_EVERY = 3_000
ELEC2_CHANGE = 17_424
SKAB_TRAIN = 400


@dataclass(frozen=True, eq=False)
class Labelled:
    """Rows of features and their classes (whole numbers from 0), in order of time."""

    features: FloatArray
    labels: NDArray[np.int64]

    def rows(self, start: int, stop: int) -> "Labelled":
        """Return the rows from `start` up to `stop`."""
        return Labelled(self.features[start:stop], self.labels[start:stop])


@dataclass(frozen=True, eq=False)
class Run:
    """One SKAB experiment: seconds, 8 sensors, and the seconds of its labelled change points."""

    seconds: FloatArray
    sensors: FloatArray
    changes: FloatArray


def absent() -> str | None:
    """Say why nothing can be read, or None where it can."""
    return None if DATA.is_dir() else f"the data of {DATA.name}/ is not on this machine"


def sea() -> Labelled:
    """SEA: 50,000 rows, 3 features, 2 classes, changes at `SEA_CHANGES`, 10% label noise."""
    table = pd.read_csv(DATA / "sea_concepts" / "sea.csv.gz")
    return _labelled(table, ["x1", "x2", "x3"], "label")


def rbf() -> Labelled:
    """Interchanging RBF: 200,000 rows, 2 features, 15 classes, a change every `RBF_EVERY` rows."""
    table = pd.read_csv(DATA / "interchanging_rbf" / "interchanging_rbf.csv.gz")
    return _labelled(table, ["x1", "x2"], "label")


def elec2() -> Labelled:
    """Elec2: 45,312 half-hours, whether the price rose; the market changed at `ELEC2_CHANGE`."""
    table = pd.read_csv(DATA / "elec2" / "elec2.csv.gz")
    columns = ["period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]
    return _labelled(table, columns, "class")


def skab() -> Iterator[Run]:
    """SKAB's 34 runs with anomalies, 129 change points between them."""
    table = pd.read_csv(DATA / "skab" / "skab.csv.gz", parse_dates=["datetime"])
    for name, run in table.groupby("run"):
        if str(name).startswith("anomaly-free"):
            continue
        seconds = (run["datetime"] - run["datetime"].iloc[0]).dt.total_seconds().to_numpy()
        sensors = run.iloc[:, 2:10].to_numpy(dtype=np.float64)
        yield Run(seconds, sensors, seconds[run["changepoint"].to_numpy() == 1])


def _labelled(table: "pd.DataFrame", columns: list[str], label: str) -> Labelled:
    classes, _ = pd.factorize(table[label], sort=True)
    return Labelled(table[columns].to_numpy(dtype=np.float64), np.asarray(classes, dtype=np.int64))
