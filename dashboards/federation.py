"""The dashboard "Vigie: federation": what came in, what moved, what was done, and did it help."""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

from dashboards import palette, panels, queries, sql

UID = "vigie-federation"

OUTCOMES = {
    0: ("insufficient evidence", palette.GREY),
    1: ("stable", palette.SKY),
    2: ("warning", palette.ORANGE),
    3: ("drift", palette.VERMILION),
}
SUBJECTS = {
    "^log_loss": palette.BLUE,
    "^error_rate": palette.VERMILION,
    "^label": palette.ORANGE,
    "^score": palette.SKY,
    "^prediction": palette.PURPLE,
    "^feature": palette.GREEN,
}
CHAMPION = {"champion now": palette.BLUE}

Panel = Builder[models.Panel]


def dashboard() -> models.Dashboard:
    """The dashboard, ready to be written as JSON."""
    made = builders.Dashboard("Vigie: federation").uid(UID).tags(["vigie"]).readonly()
    made = made.description("One federation: rounds, drift, incidents, retraining, promotion.")
    made = made.time("now-30d", "now").timezone("utc").refresh("1m")
    made = made.tooltip(models.DashboardCursorSync.CROSSHAIR).variables(_variables())
    made = made.annotations(_annotations())
    for panel in _numbered([*_now(), *_rounds(), *_drift(), *_metrics(), _incidents()]):
        made = made.with_panel(panel)
    return made.build()


class _Numbered(Builder[models.Panel]):
    """A panel with an id: its place in the dashboard, from 1 on."""

    def __init__(self, panel: Panel, number: int) -> None:
        self._panel = panel.build()
        self._panel.id_val = number

    def build(self) -> models.Panel:
        return self._panel


def _numbered(made: list[Panel]) -> list[_Numbered]:
    return [_Numbered(panel, number) for number, panel in enumerate(made, start=1)]


def _variables() -> list[Builder[models.VariableModel]]:
    federation = sql.variable("federation", "Federation", queries.FEDERATIONS)
    model = sql.variable("model", "Model", queries.MODELS.strip()).multi(True).include_all(True)
    everything = models.VariableOption(selected=True, text=["All"], value=["$__all"])
    return [federation, model.current(everything)]


def _annotations() -> list[Builder[models.AnnotationQuery]]:
    return [
        sql.annotation("Retrain requests", palette.PURPLE, queries.RETRAIN_REQUESTS),
        sql.annotation("Promotions", palette.GREEN, queries.PROMOTIONS),
    ]


def _now() -> list[Panel]:
    counts = [(None, palette.SKY), (1, palette.VERMILION)]
    incidents = panels.number(
        "Open incidents",
        "Incidents that are open or acknowledged now. Count; 0 is quiet.",
        queries.OPEN_INCIDENTS,
        counts,
        "short",
    )
    rounds = panels.number(
        "Rounds received",
        "Rounds accepted in the time range, all phases and attempts. Count.",
        queries.ROUNDS_RECEIVED,
        [(None, palette.SKY)],
        "short",
    )
    refused = panels.number(
        "Client records refused",
        "Share of client records that were refused in accepted rounds. Above 5 % something at the"
        " clients does not follow the wire format; the receipts name the fields.",
        queries.REFUSED_SHARE,
        [(None, palette.SKY), (0.05, palette.VERMILION)],
        "percentunit",
    )
    age = panels.number(
        "Newest round",
        "Time since the newest round came in. Seconds; compare it with your usual time between"
        " rounds.",
        queries.NEWEST_ROUND_AGE,
        [(None, palette.SKY)],
        "s",
    )
    return [panel.height(4).span(6) for panel in (incidents, rounds, refused, age)]


def _rounds() -> list[Panel]:
    ingest = panels.bars(
        "Rounds received and records refused",
        "Counts in each interval of the time axis. Refusals are client records, or whole pushes.",
        queries.INGEST,
        {"rounds received": palette.BLUE, "records refused": palette.VERMILION},
    )
    outcomes = panels.ribbon(
        "Verdicts by subject",
        "The worst verdict on each subject in each round, for the federation as a whole. Grey is"
        " too little evidence to say anything, which is not stable.",
        queries.OUTCOMES,
        OUTCOMES,
    )
    return [ingest.height(9).span(12), outcomes.height(9).span(12)]


def _drift() -> list[Panel]:
    effects = panels.lines(
        "Effect over threshold by subject",
        "How far a subject moved from its reference, divided by the smallest effect that the policy"
        " calls practical. No unit: 1 is the threshold (dashed), 2 is twice it. Drift needs an"
        " effect above 1 and a small p-value, so a point above the line alone is no drift."
        " Rounds of fewer clients than the minimum cohort size are left out.",
        queries.EFFECTS,
        "short",
    )
    effects = panels.with_limit(panels.colored(effects, SUBJECTS), 1).min(0).axis_soft_max(2)
    return [effects.height(9).span(24)]


def _metrics() -> list[Panel]:
    loss = panels.lines(
        "Log loss by version",
        "Mean log loss of a round over all its examples, nats per example; lower is better. Blue"
        " is today's champion, orange every other version. Canary points are of the candidate and"
        " the champion on the same examples.",
        queries.round_metric("log_loss"),
        "suffix: nats",
    )
    errors = panels.lines(
        "Error rate by version",
        "Share of a round's examples that the version gets wrong; lower is better. Blue is today's"
        " champion, orange every other version.",
        queries.round_metric("error_rate"),
        "percentunit",
    )
    return [panels.colored(panel, CHAMPION).height(9).span(12) for panel in (loss, errors)]


def _incidents() -> Panel:
    table = panels.rows(
        "Open incidents",
        "One row a cause, the most serious first. Steps are the FL server's global steps: onset is"
        " the first of the rounds in a row that drifted. Incidents about one client are in the"
        " console only.",
        queries.INCIDENTS,
    )
    return table.height(8).span(24)
