"""What a dashboard must hold to, checked without Grafana: `vigie dashboards check`, and in CI."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from dashboards import palette
from dashboards.sources import DATABASE, METRICS

GRID_WIDTH = 24
# Of Grafana itself, in every version from 10 on; no plugin has to be installed.
PANEL_TYPES = frozenset(
    {"barchart", "row", "stat", "state-timeline", "table", "text", "timeseries"}
)
# Classic dashboards of Grafana 10 to 13.
SCHEMA_VERSIONS = (41, 42)
PROVISIONED = frozenset({(one.plugin, one.uid) for one in (DATABASE, METRICS)})
COLORS = frozenset(value for name, value in vars(palette).items() if name.isupper())

Json = Mapping[str, Any]


def faults_of(document: Json) -> Iterator[str]:
    """What is wrong with a dashboard, each in a sentence that names it."""
    for fault in (
        *_numbering(document),
        *_layout(document["panels"]),
        *(fault for panel in document["panels"] for fault in _panel(panel)),
        *_sources(document),
        *_colors(document),
    ):
        yield f"{document['uid']}: {fault}"


def _numbering(document: Json) -> Iterator[str]:
    ids = [panel["id"] for panel in document["panels"]]
    if len(set(ids)) < len(ids) or min(ids) < 1:
        yield "panels need ids of their own, from 1 on"
    if document["schemaVersion"] not in SCHEMA_VERSIONS:
        yield f"schema version {document['schemaVersion']} is not one of {SCHEMA_VERSIONS}"
    if "id" in document:
        yield "the id is Grafana's own number, and another in each Grafana"


def _layout(panels: Sequence[Json]) -> Iterator[str]:
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] + place["w"] > GRID_WIDTH:
            yield f"{panel['title']!r} reaches over the right edge"
    for one, other in combinations(panels, 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            yield f"{one['title']!r} lies over {other['title']!r}"


def _overlap(a: Mapping[str, int], b: Mapping[str, int]) -> bool:
    beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
    above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    return not beside and not above


def _panel(panel: Json) -> Iterator[str]:
    title = panel["title"]
    if panel["type"] not in PANEL_TYPES:
        yield f"{title!r} is a {panel['type']}, which not every Grafana has"
    if panel["type"] == "row":
        return
    if not panel.get("description", "").endswith("."):
        yield f"{title!r} does not say how to read it"
    references = [target.get("refId") for target in panel.get("targets", ())]
    if not all(references) or len(set(references)) < len(references):
        yield f"{title!r} has queries without names of their own"
    if not references and panel["type"] != "text":
        yield f"{title!r} asks nothing"


def _sources(document: Json) -> Iterator[str]:
    askers = [
        *document.get("templating", {}).get("list", ()),
        *document.get("annotations", {}).get("list", ()),
        *(panel for panel in document["panels"]),
        *(target for panel in document["panels"] for target in panel.get("targets", ())),
    ]
    for asker in askers:
        source = asker.get("datasource")
        if source and (source.get("type"), source.get("uid")) not in PROVISIONED:
            yield f"{source} is no data source that is provisioned"


def _colors(document: Json) -> Iterator[str]:
    used = {text for text in _texts(document) if text.startswith("#")}
    for color in sorted(used - COLORS):
        yield f"{color} is not of the palette that all eyes can tell apart"


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _texts(inner)
