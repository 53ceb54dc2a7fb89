"""The International Stroke Trial: hospitals as clients, countries as cohorts, months as rounds.

The model is the trial's own prediction of death within 14 days (`EXPD14`), the label what happened
(`ID14`): it was never trained here, and never retrained. In March 1993 the pilot became the main
trial: the form asks for atrial fibrillation and aspirin before (RATRIAL, RASP3), and heparin is
given in medium doses, not high ones (RXHEP). In March 1992 the form began to ask for heparin before
(RHEP24), so the history begins there, unless told otherwise.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.streams.readers import DATA
from benchmarks.worlds.world import Change, Examples, Setting, WorldRound

FILE = DATA / "ist_stroke" / "ist_core.csv.gz"
MISSING = "missing"
YES_NO = ["N", "Y", MISSING]
CATEGORIES: Mapping[str, list[str]] = {
    "RATRIAL": YES_NO,
    "RASP3": YES_NO,
    "RHEP24": YES_NO,
    "RXHEP": ["N", "L", "M", "H"],
    "RXASP": ["N", "Y"],
    "RCONSC": ["F", "D", "U"],
    "SEX": ["F", "M"],
    "STYPE": ["TACS", "PACS", "POCS", "LACS", "OTH"],
}
EDGES: Mapping[str, tuple[list[float], str]] = {
    "AGE": ([float(age) for age in range(15, 105, 5)], "years"),
    "RSBP": ([float(pressure) for pressure in range(70, 310, 10)], "mmHg"),
    "RDELAY": ([float(hours) for hours in range(0, 51, 3)], "h"),
}
SCORE_EDGES = [0.0, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 1.0]
# Deaths within 14 days over expected ones in the main trial: 3 standard deviations or more apart
# (Argentina 1.56, Norway 0.59, Australia 0.64, Switzerland 0.79), and less than one.
MISCALIBRATED = ("ARGE", "AUSL", "NORW", "SWIT")
CALIBRATED = ("BELG", "ITAL", "NETH", "TURK", "UK")
BREAK, LAST = "1993-03", "1996-05"


@dataclass(frozen=True)
class Stroke:
    """The trial from one month to another, both included."""

    first: str = "1992-03"
    last: str = LAST

    @property
    def setting(self) -> Setting:
        """Hospitals of a country are a cohort where three of them take part."""
        numeric = {
            name: {"kind": "numeric", "edges": edges, "unit": unit}
            for name, (edges, unit) in EDGES.items()
        }
        categorical = {
            name: {"kind": "categorical", "categories": categories}
            for name, categories in CATEGORIES.items()
        }
        return Setting(
            name="stroke",
            bin_spec={
                "labels": ["alive", "dead"],
                "score": {"edges": SCORE_EDGES},
                "features": numeric | categorical,
            },
            cohort_tags={"country": sorted(_table()["COUNTRY"].unique())},
        )

    @property
    def changes(self) -> Sequence[Change]:
        """The form of the main trial, and (should the history begin before) the one of 1992."""
        broke = ("feature:RATRIAL", "feature:RASP3", "feature:RXHEP")
        form = Change(
            "RHEP24 is asked", "1992-03", None, "federation", "virtual", ("feature:RHEP24",)
        )
        main = Change("the main trial begins", BREAK, None, "federation", "virtual", broke)
        return [change for change in (form, main) if self.first < change.first <= self.last]

    def rounds(self) -> Iterator[WorldRound]:
        """A round for each month; a hospital takes part when it has a patient."""
        table = _table()
        within = table[(table["month"] >= self.first) & (table["month"] <= self.last)]
        for month, patients in within.groupby("month"):
            start = pd.Timestamp(str(month), tz="UTC")
            hospitals = [_examples(group) for _, group in patients.groupby("HOSPNUM")]
            end = start + pd.DateOffset(months=1)
            yield WorldRound(str(month), start.to_pydatetime(), end.to_pydatetime(), hospitals)


def _table() -> "pd.DataFrame":
    columns = ["month", "HOSPNUM", "COUNTRY", "EXPD14", "ID14", *CATEGORIES, *EDGES]
    return pd.read_csv(FILE, usecols=columns)


def _examples(patients: "pd.DataFrame") -> Examples:
    told: dict[str, Any] = {name: patients[name].to_numpy(np.float64) for name in EDGES}
    for name in CATEGORIES:
        told[name] = patients[name].fillna(MISSING).to_numpy(str)
    return Examples(
        client=f"hospital {patients['HOSPNUM'].iloc[0]}",
        cohorts={"country": str(patients["COUNTRY"].iloc[0])},
        probability=patients["EXPD14"].to_numpy(np.float64),
        label=patients["ID14"].to_numpy(np.int64),
        features=told,
    )
