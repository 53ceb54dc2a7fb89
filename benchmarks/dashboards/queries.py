"""Every query of every dashboard, as Grafana sends it for the whole time of the federation."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from benchmarks.dashboards.federation import VIEW
from dashboards import commands, expanding, frame


@dataclass(frozen=True)
class Query:
    """A query and the panel, mark or variable that asks it."""

    name: str
    text: str


@cache
def queries() -> tuple[Query, ...]:
    """All of them, each expanded."""
    return (
        *_variables(),
        *(query for made in commands.documents().values() for query in _of(made)),
    )


def _of(document: dict[str, Any]) -> Iterator[Query]:
    for panel in document["panels"]:
        for target in panel.get("targets", ()):
            if "rawSql" in target:
                name = f"{document['uid']}: {panel['title']}"
                seen = replace(VIEW, points=panel.get("maxDataPoints", VIEW.points))
                yield Query(name, expanding.sql(target["rawSql"], seen))
    if document["uid"] == "vigie-overview":  # the marks are the same on all
        for mark in document["annotations"]["list"]:
            yield Query(f"mark: {mark['name']}", expanding.sql(mark["target"]["rawSql"], VIEW))


def _variables() -> Iterator[Query]:
    for name in ("FEDERATIONS", "MODELS", "VERSIONS", "COHORTS", "SUBJECTS"):
        yield Query(f"variable: {name.lower()}", expanding.sql(getattr(frame, name), VIEW))
