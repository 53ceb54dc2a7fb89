"""Beijing's air, March 2013 to December 2014: stations as clients, weeks (or days) as rounds.

A logistic model, trained by federated averaging on the months until it serves (March to August
2013, unless told otherwise), says from the weather of the last three days whether an hour has more
than 80 ug/m3 of NO2. It is never retrained. NO2 is what cars emit: with the weather accounted for,
the ten days of emission controls (3 to 12 November 2014: every second car off the road) lie lower
than any other ten days. Of PM2.5 that is not so: one window in a hundred lies lower by itself.

Known besides: the heating seasons (15 November to 15 March: coal, so SO2), and that on 31 October
2014 at 20:00 the pressure changes its source: whole hPa from then on, hourly jitter of 2.7 hPa
instead of 0.5, and other offsets between stations, Shunyi's the largest fall.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from benchmarks.streams.readers import DATA
from benchmarks.worlds.model import Logistic, train
from benchmarks.worlds.world import Change, Examples, Setting, WorldRound
from detectors.arrays import FloatArray

FILE = DATA / "beijing_air" / "hourly_2013-03_2014-12.csv.gz"
MUCH_NO2 = 80.0  # ug/m3, China's daily limit for cities (GB 3095-2012)
START, END = "2013-09-02", pd.Timestamp("2014-12-29")  # Mondays
YEAR = pd.Timedelta(weeks=52)
RURAL = ("Changping", "Dingling", "Huairou", "Shunyi")
COAL, PRESSURE = ("feature:SO2", "feature:TEMP"), ("feature:PRES",)
LESS = ("calibration", "log_loss", "error_rate", "label")
SEASONAL = ("feature", "score", "prediction", "label", "log_loss", "error_rate")
WINDS = ["N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE"]
WINDS += ["S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW"]
WEATHER = ["TEMP", "DEWP", "east", "north", "speed"]
HOURS_BACK = (12, 24, 48, 72)
NUMERIC: Mapping[str, tuple[FloatArray, str]] = {
    "TEMP": (np.arange(-20.0, 43.0, 2.0), "degrees C"),
    "PRES": (np.arange(980.0, 1046.0, 1.0), "hPa"),
    "DEWP": (np.arange(-36.0, 31.0, 2.0), "degrees C"),
    "WSPM": (np.array([0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 14.0]), "m/s"),
    "SO2": (np.array([0, 2, 4, 6, 8, 10, 15, 20, 30, 40, 60, 80, 120, 200, 500.0]), "ug/m3"),
}


@dataclass(frozen=True)
class Beijing:
    """The air from the day on which the model begins to serve, in rounds of so many days."""

    start: str = START
    days: int = 7

    @property
    def setting(self) -> Setting:
        """Stations in the city, and around it, are the two cohorts; single ones matter as well."""
        features: dict[str, object] = {
            name: {"kind": "numeric", "edges": edges.tolist(), "unit": unit}
            for name, (edges, unit) in NUMERIC.items()
        }
        features["wd"] = {"kind": "categorical", "categories": WINDS}
        scores = {"edges": [step / 20 for step in range(21)]}
        return Setting(
            name="beijing",
            bin_spec={"labels": ["less", "much"], "score": scores, "features": features},
            cohort_tags={"area": ["city", "country"]},
            policy={
                "incidents": {"scopes": ["federation", "cohort", "client"]},
                "drift": {"subjects": self._seasons},
            },
        )

    @property
    def _knows_seasons(self) -> bool:
        """Whether a year comes round while the model serves."""
        return bool(pd.Timestamp(self.start) + YEAR < END)

    @property
    def _seasons(self) -> Mapping[str, object]:
        """What has seasons is judged by last year's once there is one.

        What the model promises allows for the weather, so calibration has none.
        """
        rounds = YEAR.days // self.days
        return {kind: {"season_rounds": rounds} for kind in SEASONAL if self._knows_seasons}

    @property
    def changes(self) -> Sequence[Change]:
        """What is known, and in which scope and subjects it has to show.

        A second heating season is no change to who knows the first.
        """
        shunyi = Change(
            "Shunyi's pressure", "2014-10-31", None, "client", "virtual", PRESSURE, ("Shunyi",)
        )
        every = [
            Change("heating 2013", "2013-11-15", "2014-03-15", "federation", "virtual", COAL),
            shunyi,
            Change("emission controls", "2014-11-03", "2014-11-12", "federation", "real", LESS),
            Change("heating 2014", "2014-11-15", None, "federation", "virtual", COAL),
        ]
        if self._knows_seasons:
            every.pop()
        else:  # one model for all, trained on a year and a half: rural hours with much NO2 are rare
            rural = ("calibration_ratio",), ("area=country",)
            what = "less NO2 in the country than promised"
            every.append(Change(what, f"{self.start} on", None, "cohort", "real", *rural))
        return [change for change in every if change.first > self.start]

    def rounds(self) -> Iterator[WorldRound]:
        """The rounds until the end of 2014."""
        table, first = _table(), pd.Timestamp(self.start)
        model = _model(first)
        served = table[(table["ts"] >= first) & (table["ts"] < END)]
        for number, hours in served.groupby((served["ts"] - first).dt.days // self.days):
            start = (first + pd.Timedelta(days=self.days * int(number))).tz_localize("UTC")
            end = start + pd.Timedelta(days=self.days)
            stations = [_examples(group, model) for _, group in hours.groupby("station")]
            name = str(start.date())
            yield WorldRound(name, start.to_pydatetime(), end.to_pydatetime(), stations)


@cache
def _table() -> "pd.DataFrame":
    """The hours in which a station measured what is used, with the model's inputs."""
    columns = ["ts", "station", "NO2", "wd", *NUMERIC]
    table = pd.read_csv(FILE, usecols=columns, parse_dates=["ts"]).sort_values(["station", "ts"])
    wind = 2 * np.pi * table["wd"].map({name: at for at, name in enumerate(WINDS)}) / len(WINDS)
    table["east"], table["north"] = (table["WSPM"] * part for part in (np.sin(wind), np.cos(wind)))
    table["speed"] = np.log1p(table["WSPM"])
    before = table.groupby("station")[WEATHER]
    for hours in HOURS_BACK:
        means = before.rolling(hours, min_periods=hours // 2).mean().droplevel(0)
        table = table.join(means.add_suffix(f" {hours} h"))
    return table.dropna()


@cache
def _model(until: "pd.Timestamp") -> Logistic:
    table = _table()
    known = table[table["ts"] < until]
    return train([(_inputs(own), _label(own)) for _, own in known.groupby("station")])


def _inputs(hours: "pd.DataFrame") -> FloatArray:
    """The weather now and before, some of it squared, and the hour of the day: (n, 34)."""
    past = [f"{name} {back} h" for back in HOURS_BACK for name in WEATHER]
    weather = hours[[*WEATHER, *past]].to_numpy(np.float64)
    pairs = [("TEMP", "TEMP"), ("DEWP", "DEWP"), ("TEMP", "DEWP")]
    pairs += [("TEMP 24 h", "TEMP 24 h"), ("DEWP 24 h", "DEWP 24 h")]
    curved = np.column_stack([hours[one] * hours[other] for one, other in pairs])
    angle = 2 * np.pi * hours["ts"].dt.hour.to_numpy(np.float64) / 24
    clock = [turn(times * angle) for times in (1, 2) for turn in (np.sin, np.cos)]
    return np.column_stack((weather, curved, *clock))


def _label(hours: "pd.DataFrame") -> FloatArray:
    return np.asarray(hours["NO2"] > MUCH_NO2, dtype=np.float64)


def _examples(hours: "pd.DataFrame", model: Logistic) -> Examples:
    station = str(hours["station"].iloc[0])
    features = {name: hours[name].to_numpy() for name in (*NUMERIC, "wd")}
    return Examples(
        client=station,
        cohorts={"area": "country" if station in RURAL else "city"},
        probability=model.probability(_inputs(hours)),
        label=_label(hours).astype(np.int64),
        features=features,
    )
