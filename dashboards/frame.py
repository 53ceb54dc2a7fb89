"""What all dashboards have alike: variables, marks on the time axis, links, and rows of panels."""
# ruff: noqa: S608 - every part of every query is a constant of this package

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

from dashboards import chosen, palette
from dashboards.sources import annotation, variable

TAG = "vigie"
CONSOLE = "http://127.0.0.1:8000"  # where `docker compose up` has it; a variable, so it can be set
HERE = "${console:raw}/f/${federation}"
WIDTH = 24

FEDERATIONS = "SELECT federation FROM grafana_federations ORDER BY 1"
MODELS = f"SELECT model FROM grafana_models WHERE {chosen.FEDERATION} ORDER BY 1"
VERSIONS = f"SELECT DISTINCT version FROM grafana_versions WHERE {chosen.MODELS} ORDER BY 1"
# Of the newest judged round of each version: scanning all of them for names would take too long.
NEWEST = f"""(
    SELECT DISTINCT ON (model, version) round_id FROM grafana_judged
    WHERE {chosen.within()} AND {chosen.MODELS} ORDER BY model, version, received_at DESC
)"""
COHORTS = f"""
SELECT cohort FROM (
    SELECT DISTINCT cohort FROM grafana_subjects
    WHERE {chosen.MODELS} AND round_id = ANY (ARRAY{NEWEST})
) found ORDER BY cohort <> '{chosen.EVERYONE}', cohort
"""
SUBJECTS = f"""
SELECT DISTINCT subject FROM grafana_subjects
WHERE {chosen.MODELS} AND {chosen.WHOLE} AND round_id = ANY (ARRAY{NEWEST}) ORDER BY 1
"""

RETRAINED = f"""
SELECT created_at AS time,
       'Retraining of ' || model || ' ' || base_version || ' asked for: now ' || state AS text,
       'retraining' AS tags
FROM grafana_retrain_requests WHERE {chosen.within("created_at")} AND {chosen.MODELS} ORDER BY 1
"""
PROMOTED = f"""
SELECT applied_at AS time,
       model || ' ' || candidate || ' became champion in place of ' || champion AS text,
       'promotion' AS tags
FROM grafana_promotions WHERE {chosen.within("applied_at")} AND {chosen.MODELS} ORDER BY 1
"""
OPENED = f"""
SELECT opened_at AS time, severity || ': ' || title AS text, 'incident' AS tags
FROM grafana_incidents WHERE {chosen.within("opened_at")} AND {chosen.MODELS} ORDER BY 1
"""


class Panel(Protocol):
    """What the builders of all kinds of panel can do."""

    def build(self) -> models.Panel:
        """The panel."""


@dataclass(frozen=True)
class Row:
    """Panels beside each other under a heading; `widths` add up to 24 for each line of them."""

    title: str
    height: int
    widths: Sequence[int]
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Board:
    """A dashboard: the question it answers, and its rows from the top down."""

    uid: str
    title: str
    question: str
    variables: Sequence[str]
    rows: Sequence[Row]
    marked: bool = True

    def build(self, console: str = CONSOLE) -> models.Dashboard:
        """The dashboard; its links lead to the console at this address."""
        made = builders.Dashboard(f"Vigie: {self.title}").uid(self.uid).tags([TAG]).readonly()
        made = made.description(self.question).time("now-30d", "now").timezone("utc").refresh("1m")
        made = made.tooltip(models.DashboardCursorSync.CROSSHAIR).links(_links(self.variables))
        made = made.variables(list(_variables(self.variables, console)))
        if self.marked:
            made = made.annotations(_marks())
        found = made.build()
        found.panels = list(_placed(self.rows))
        return found


def _links(variables: Sequence[str]) -> list[Builder[models.DashboardLink]]:
    """To the other dashboards and to the console, with the time range and what was chosen."""
    others = builders.DashboardLink("Vigie").type(models.DashboardLinkType.DASHBOARDS)
    others = others.tags([TAG]).include_vars(True).keep_time(True).as_dropdown(False)
    address = HERE if "federation" in variables else "${console:raw}"
    console = builders.DashboardLink("Console").type(models.DashboardLinkType.LINK)
    return [others, console.url(address).icon("external link").target_blank(True)]


def _variables(names: Iterable[str], console: str) -> Iterator[Builder[models.VariableModel]]:
    everything = models.VariableOption(selected=True, text=["All"], value=["$__all"])
    made = {
        "federation": variable("federation", "Federation", FEDERATIONS),
        "model": variable("model", "Model", MODELS).multi(True).include_all(True),
        "version": variable("version", "Version", VERSIONS).multi(True).include_all(True),
        "cohort": variable("cohort", "Cohort", COHORTS),
        "subject": variable("subject", "Subject", SUBJECTS),
    }
    for name in names:
        yield made[name].current(everything) if name in {"model", "version"} else made[name]
    address = models.VariableOption(selected=True, text=console, value=console)
    box = builders.TextBoxVariable("console").label("Console").default_value(console)
    yield box.current(address)


def _marks() -> list[Builder[models.AnnotationQuery]]:
    return [
        annotation("Incidents", palette.VERMILION, OPENED),
        annotation("Retrain requests", palette.PURPLE, RETRAINED),
        annotation("Promotions", palette.GREEN, PROMOTED),
    ]


def _placed(rows: Iterable[Row]) -> Iterator[models.Panel | models.RowPanel]:
    """Every heading and panel with its place on the grid, and its number as its id."""
    number, top = 0, 0
    for row in rows:
        number += 1
        yield _heading(row.title, number, top)
        top, left = top + 1, 0
        for builder, width in zip(row.panels, row.widths, strict=True):
            number += 1
            panel = builder.build()
            panel.id_val = number
            panel.grid_pos = models.GridPos(h=row.height, w=width, x=left, y=top)
            yield panel
            left += width
            if left >= WIDTH:
                left, top = 0, top + row.height


def _heading(title: str, number: int, top: int) -> models.RowPanel:
    place = models.GridPos(h=1, w=WIDTH, x=0, y=top)
    return models.RowPanel(title=title, id_val=number, grid_pos=place, collapsed=False)
