"""A query as Grafana sends it: macros and variables replaced by its documented rules.

For checks, benchmarks and pictures without Grafana. Sources: Grafana's documentation of the
PostgreSQL data source (macros), of variable formats (`sqlstring`), and of Prometheus's
`$__rate_interval`, which is four scrapes at least.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

FEWEST_SCRAPES = 4
MACRO = re.compile(r"\$__(timeFilter|timeFrom|timeTo)\((\w*)\)")
STRINGS = re.compile(r"\$\{(\w+):sqlstring\}")


@dataclass(frozen=True)
class View:
    """What somebody looks at: the time range, how many points fit, and what they chose."""

    begin: datetime
    end: datetime
    points: int = 1000
    chosen: Mapping[str, Sequence[str]] = field(default_factory=dict)
    scrape: timedelta = timedelta(seconds=15)

    @property
    def interval(self) -> timedelta:
        """How far apart points are: the range over the points, in whole seconds."""
        return timedelta(seconds=max(1, round((self.end - self.begin) / self.points / SECOND)))


SECOND = timedelta(seconds=1)


def sql(text: str, view: View) -> str:
    """The SQL that PostgreSQL gets.

    Raises:
        ValueError: if a macro or a variable is left that this does not know.
    """
    text = text.replace("$__interval_ms", str(int(view.interval / SECOND * 1000)))
    text = MACRO.sub(lambda found: _macro(found[1], found[2], view), text)
    text = STRINGS.sub(lambda found: _strings(view.chosen.get(found[1], ())), text)
    return _whole(text)


def promql(text: str, view: View) -> str:
    """The PromQL that Prometheus gets.

    Raises:
        ValueError: if a macro or a variable is left that this does not know.
    """
    rate = max(view.interval + view.scrape, FEWEST_SCRAPES * view.scrape)
    return _whole(text.replace("$__rate_interval", f"{int(rate / SECOND)}s"))


def _macro(name: str, column: str, view: View) -> str:
    begin, end = (f"'{moment.isoformat()}'" for moment in (view.begin, view.end))
    return {"timeFilter": f"{column} BETWEEN {begin} AND {end}", "timeFrom": begin, "timeTo": end}[
        name
    ]


def _strings(values: Sequence[str]) -> str:
    return ",".join("'" + value.replace("'", "''") + "'" for value in values)


def _whole(text: str) -> str:
    if "$__" in text or "${" in text:
        raise ValueError(f"A macro or variable was left: {text}")
    return text
