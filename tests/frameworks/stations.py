"""Four stations of `beijing_air` as the sites of a federation, with a sensor that goes wrong.

Each predicts from the other readings whether PM2.5 is above 75 ug/m3. The hours are shuffled into
windows, so that seasons are no drift; from window `CALM` on, every PM10 sensor reads 40%. Where the
data set is not beside the repository, made-up readings of the same kind stand in for it.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

STATIONS = ("Aotizhongxin", "Changping", "Dongsi", "Shunyi")
FEATURES = ("PM10", "SO2", "NO2", "CO", "TEMP", "DEWP", "WSPM")
CALM, DRIFTED, EXAMPLES = 5, 2, 600
PM10_READS, SMOG = 0.4, 75.0
EDGES = [-4.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 4.0]
BIN_SPEC: dict[str, Any] = {
    "labels": ["clear", "smog"],
    "score": {"edges": [step / 10 for step in range(11)]},
    "features": {name: {"kind": "numeric", "edges": EDGES, "unit": "sd"} for name in FEATURES},
}


def prepare(source: Path, folder: Path) -> None:
    """Write what the sites have to `folder`: their data, the bin spec, the champion's weights."""
    readings = _measured(source) if source.exists() else _made_up()
    center, scale = readings[[*FEATURES]].mean(), readings[[*FEATURES]].std()
    folder.mkdir()
    (folder / "bins.json").write_text(json.dumps(BIN_SPEC))
    for number, station in enumerate(STATIONS, start=1):
        own = readings[readings["station"] == station].sample(frac=1, random_state=number)
        _write_site(folder / f"site-{number}.npz", own, center, scale)
    np.save(folder / "champion.npy", _champion(folder))


def _measured(source: Path) -> pd.DataFrame:
    readings = pd.read_csv(source, usecols=["station", "PM2.5", *FEATURES]).dropna()
    return readings[readings["station"].isin(STATIONS)]


def _made_up() -> pd.DataFrame:
    """Pollutants that rise and fall together, log-normally, and weather that does not matter."""
    rng = np.random.default_rng(2014)
    hours = len(STATIONS) * (CALM + DRIFTED) * EXAMPLES
    haze = rng.standard_normal(hours)
    levels = {"PM2.5": 65.0, "PM10": 90.0, "SO2": 15.0, "NO2": 45.0, "CO": 1000.0}
    own = {"PM2.5": 0.2, "PM10": 0.1, "SO2": 0.6, "NO2": 0.6, "CO": 0.6}
    columns = {
        name: level * np.exp(0.7 * haze + own[name] * rng.standard_normal(hours))
        for name, level in levels.items()
    }
    columns |= {name: rng.standard_normal(hours) for name in ("TEMP", "DEWP", "WSPM")}
    return pd.DataFrame({"station": np.tile(STATIONS, hours // len(STATIONS)), **columns})


def _write_site(path: Path, own: pd.DataFrame, center: pd.Series, scale: pd.Series) -> None:
    windows = CALM + DRIFTED
    own = own.head(windows * EXAMPLES).reset_index(drop=True)
    own.loc[CALM * EXAMPLES :, "PM10"] *= PM10_READS
    x = ((own[[*FEATURES]] - center) / scale).to_numpy()
    y = (own["PM2.5"] > SMOG).to_numpy(dtype=np.int64)
    np.savez(path, x=x.reshape(windows, EXAMPLES, -1), y=y.reshape(windows, EXAMPLES))


def _champion(folder: Path) -> np.ndarray[Any, Any]:
    """Logistic regression on the first window of all sites, by gradient descent."""
    sites = [np.load(folder / f"site-{number}.npz") for number in range(1, len(STATIONS) + 1)]
    x, y = (np.concatenate([site[name][0] for site in sites]) for name in ("x", "y"))
    x = np.column_stack((x, np.ones(len(x))))
    weights = np.zeros(x.shape[1])
    for _ in range(500):
        weights -= 0.5 * x.T @ (1 / (1 + np.exp(-x @ weights)) - y) / len(y)
    return weights
