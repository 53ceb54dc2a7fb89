"""The dashboard Model lifecycle."""

from dashboards import palette, panels
from dashboards.boards import lifecycle_queries as sql
from dashboards.frame import HERE, Board, Row
from dashboards.panels import Column
from dashboards.sources import DATABASE

DECIDE = ("Open the evidence in the console", f"{HERE}/promotions/${{__data.fields.id}}")
NATS = "suffix: nats"
CHAMPION = {"champion now": palette.BLUE}

ERRORS = [
    panels.colored(
        panels.lines(
            "Log loss by version",
            "Mean log loss over all examples of a round, in the chosen cohort; nats per example,"
            " lower is better. Blue is today's champion. Marks on the time axis are incidents,"
            " retrain requests and promotions. Canary points are of both versions on the same"
            " examples.",
            DATABASE,
            sql.measure("log_loss"),
            unit=NATS,
        ),
        CHAMPION,
    ),
    panels.colored(
        panels.lines(
            "Error rate by version",
            "Share of a round's examples that a version gets wrong, in the chosen cohort; lower is"
            " better. Blue is today's champion.",
            DATABASE,
            sql.measure("error_rate"),
            unit="percentunit",
        ),
        CHAMPION,
    ),
]
CANARY = [
    panels.colored(
        panels.band(
            "Candidate against champion",
            "Log loss of the candidate minus that of the champion on the same examples, all canary"
            " rounds so far; nats per example, below 0 the candidate is better. The band holds at"
            " all looks together, so one may stop whenever one looks. Dashed: how much worse the"
            " policy lets a candidate be.",
            DATABASE,
            sql.CANARY,
            unit=NATS,
        ),
        {"^difference": palette.BLUE},
    ),
    panels.compared(
        "Candidate against champion by cohort",
        "The same difference for each cohort that may be shown, over the canary rounds of the time"
        " range; nats per example, below 0 the newer version is better there.",
        DATABASE,
        sql.CANARY_COHORTS,
        by="cohort",
        unit=NATS,
    ),
]
AFTERWARDS = [
    panels.colored(
        panels.band(
            "Shadow regret",
            "After a promotion the old champion goes on being measured: log loss of the new"
            " champion minus that of the old one on the same examples, all rounds so far; nats per"
            " example. Above 0, with the whole band, the promotion is regretted.",
            DATABASE,
            sql.REGRET,
            unit=NATS,
        ),
        {"^regret": palette.BLUE},
    ),
    panels.colored(
        panels.lines(
            "Forgetting",
            "How much log loss a retrained version has lost on what its parent knew: effect on the"
            " subject forgetting, nats per example, dashed the smallest that the policy calls"
            " practical. 0 is nothing forgotten.",
            DATABASE,
            sql.FORGETTING,
            unit=NATS,
        ),
        {"forgotten$": palette.BLUE},
    ),
    panels.rows(
        "Did it help?",
        "For each promotion of the time range: mean log loss of the five newest rounds of the old"
        " champion before it and of the first five of the new one after it; nats per example. A"
        " negative change is a gain, unless the world changed too.",
        DATABASE,
        sql.HELPED,
        {
            "promoted": Column(unit="dateTimeAsIso"),
            "model": Column(),
            "from": Column(),
            "to": Column(),
            "before": Column(unit=NATS),
            "after": Column(unit=NATS),
            "change": Column(
                unit=NATS, steps=[(None, palette.SKY), (0, palette.CLEAR), (0.02, palette.ORANGE)]
            ),
        },
    ),
]
RECORDS = [
    panels.rows(
        "Versions",
        "Every version of the chosen models, the newest first, with the one that it was trained"
        " from, and whether drift asked for it.",
        DATABASE,
        sql.VERSIONS,
        {
            "model": Column(),
            "version": Column(),
            "role": Column(),
            "parent": Column(),
            "run": Column(),
            "retrained": Column(),
            "registered": Column(unit="dateTimeAsIso"),
        },
    ),
    panels.rows(
        "Promotions",
        "What asked to become champion, the newest first. The candidate opens its evidence in the"
        " console, where it is decided.",
        DATABASE,
        sql.PROMOTIONS,
        {
            "model": Column(),
            "candidate": Column(link=DECIDE),
            "champion": Column(),
            "state": Column(),
            "asked": Column(unit="dateTimeAsIso"),
            "decided": Column(unit="dateTimeAsIso"),
            "in force": Column(unit="dateTimeAsIso"),
            "id": Column(),
        },
    ),
    panels.rows(
        "Retrain requests",
        "What drift asked of the FL server, the newest first; how long it took is in seconds.",
        DATABASE,
        sql.REQUESTS,
        {
            "asked": Column(unit="dateTimeAsIso"),
            "model": Column(),
            "from": Column(),
            "state": Column(),
            "to": Column(),
            "took": Column(unit="s"),
        },
    ),
]

BOARD = Board(
    uid="vigie-lifecycle",
    title="model lifecycle",
    question="Which versions are there, is the next one better, and did the last one help?",
    variables=("federation", "model", "version", "cohort"),
    rows=(
        Row("Error", 10, (12, 12), ERRORS),
        Row("Canary", 9, (14, 10), CANARY),
        Row("After a promotion", 8, (8, 8, 8), AFTERWARDS),
        Row("Records", 8, (8, 8, 8), RECORDS),
    ),
)
