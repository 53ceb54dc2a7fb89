"""The dashboard Drift explorer."""

from dashboards import palette, panels, wording
from dashboards.boards import drift_queries as sql
from dashboards.frame import HERE, Board, Row
from dashboards.panels import Column
from dashboards.sources import DATABASE

THIS = ("Open it in the console", f"{HERE}/incidents/${{__data.fields.id}}")
ROUND = ("Open the round: with the right to read clients, each of them is there", sql.ROUND_PAGE)
WHERE = "Of the chosen subject and cohort"

MAP = [
    panels.stepped(
        panels.matrix(
            "Effect over threshold by subject and cohort",
            "How far each subject moved from its reference in the newest judged round of the time"
            " range, over the smallest effect that the policy calls practical. No unit: 1 is the"
            " threshold (orange), 2 twice it (red). Drift also needs a small p-value. An empty cell"
            " was not judged, or may not be shown: fewer clients than the minimum cohort size.",
            DATABASE,
            sql.MAP,
            shape=("subject", "cohort", "ratio"),
        ),
        wording.RATIOS,
    ),
    panels.ribbon(
        "Verdicts by subject",
        "The worst verdict on each subject in each interval, in the chosen cohort. Grey is too"
        " little evidence to say anything, which is not stable.",
        DATABASE,
        sql.RIBBON,
        wording.OUTCOMES,
    ),
]
COMPARED = [
    panels.compared(
        "Reference and current distribution",
        "Share of examples in each bin: of the reference that the newest round of the time range"
        " was judged against, and of that round, in the chosen cohort. Percent of examples. A rate"
        " such as the error rate has no distribution.",
        DATABASE,
        sql.DISTRIBUTION,
        by="bin",
        unit="percentunit",
    ).override_by_name("reference", panels.color(palette.GREY)),
    panels.colored(
        panels.lines(
            "Effect and threshold",
            f"{WHERE}: how far it moved from the reference, in its own unit, without its sign;"
            " dashed is the smallest effect that the policy calls practical, grey the smallest that"
            " could have been seen. Above the dashed line it matters.",
            DATABASE,
            sql.EFFECT,
        ),
        {"effect$": palette.BLUE, "could be seen$": palette.GREY},
    ),
]
SURE = [
    panels.lines(
        "Statistic by detector",
        f"{WHERE}: what each detector's test came to, in its own scale: compare a detector with"
        " itself over time, never with another.",
        DATABASE,
        sql.STATISTIC,
    ),
    panels.colored(
        panels.lines(
            "How sure: q-value",
            f"{WHERE}: the p-value adjusted for all tests of the round. Probability; below the"
            " dashed error budget at most that share of all drifts is false.",
            DATABASE,
            sql.SURE,
            unit="percentunit",
        ),
        {"q-value$": palette.BLUE},
    ),
]
WHY = [
    panels.colored(
        panels.lines(
            "Clients moved, or others took part",
            f"{WHERE}: the change of the pooled value split in two, in the subject's unit: what"
            " clients changed themselves (blue), and what changed because others took part"
            " (purple). Only the blue part is drift. Told of rates alone.",
            DATABASE,
            sql.SPLIT,
        ),
        {"within clients$": palette.BLUE, "participation mix$": palette.PURPLE},
    ),
    panels.colored(
        panels.lines(
            "Clients behind it",
            "Of the chosen subject in the whole federation: how many clients were judged, how many"
            " moved the same way by a practical effect, and in how many it is a drift of its own."
            " Count. Which clients they are is in the console, for those who may read clients.",
            DATABASE,
            sql.BREADTH,
        ),
        {"judged$": palette.GREY, "moved$": palette.ORANGE, "drifting$": palette.VERMILION},
    ),
    panels.lines(
        "Effect by cohort: who moves together",
        "Of the chosen subject: the signed effect in each cohort, in the subject's unit. Cohorts"
        " whose lines run together moved together; one that leaves the others is where to look.",
        DATABASE,
        sql.COHORTS,
    ),
]
CAUSES = [
    panels.rows(
        "Causes and onset",
        "One row an incident that was open in the time range, of the chosen models: the kind of"
        " drift (concept: what inputs mean changed; data: inputs changed; participation: who takes"
        " part changed), the first of the rounds in a row that drifted, and what carried it.",
        DATABASE,
        sql.CAUSES,
        {
            "title": Column(link=THIS),
            "kind": Column(),
            "subject": Column(),
            "cohort": Column(),
            "onset step": Column(),
            "onset": Column(unit="dateTimeAsIso"),
            "opened": Column(unit="dateTimeAsIso"),
            "carried by": Column(),
            "clients": Column(),
            "state": Column(),
            "id": Column(),
        },
    ),
    panels.rows(
        "Rounds that drifted",
        f"{WHERE}: the newest 50 judged rounds of the time range in which it is a warning or a"
        " drift; effects in the subject's unit. The step opens the round in the console.",
        DATABASE,
        sql.ROUNDS,
        {
            "step": Column(link=ROUND),
            "received": Column(unit="dateTimeAsIso"),
            "model": Column(),
            "version": Column(),
            "detector": Column(),
            "effect": Column(),
            "unit": Column(),
            "ratio": Column(steps=wording.RATIOS),
            "round": Column(),
        },
    ),
]
EXPLAINED = [
    panels.rows(
        "Kind, onset and origin",
        "What explains each drift in the newest 300 judged rounds of the time range, newest first,"
        " of all subjects and cohorts. Kind: abrupt, incremental, gradual, recurring or outlier,"
        " with its probability. Onset: the first different round, and between which steps it was."
        " Moved: virtual is inputs, label how often each label is, real the concept, or what"
        " is needed to tell. The step opens the round in the console.",
        DATABASE,
        sql.EXPLAINED,
        {
            "subject": Column(),
            "cohort": Column(),
            "kind": Column(),
            "kind is": Column(unit="percentunit"),
            "onset step": Column(),
            "onset": Column(unit="dateTimeAsIso"),
            "between steps": Column(),
            "moved": Column(),
            "moved is": Column(unit="percentunit"),
            "sentence": Column(),
            "step": Column(link=ROUND),
            "round": Column(),
        },
    ),
    panels.rows(
        "Clusters: clients that moved alike",
        "One row a group of clients that moved the same way, of the strongest drift of each family"
        " and scope in the newest 300 judged rounds, newest first. Movement is in the subject's"
        " unit, of distributions the share of examples; share is the group's part of the drift."
        " Groups below the minimum cohort size are not shown; who is in one is in the console, for"
        " those who may read clients.",
        DATABASE,
        sql.CLUSTERS,
        {
            "subject": Column(),
            "cohort": Column(),
            "clients": Column(),
            "movement": Column(),
            "share": Column(unit="percentunit"),
            "mostly": Column(),
            "step": Column(link=ROUND),
            "round": Column(),
        },
    ),
]

BOARD = Board(
    uid="vigie-drift",
    title="drift explorer",
    question="What moved, where, since when, how sure is that, and why?",
    variables=("federation", "model", "version", "cohort", "subject"),
    rows=(
        Row("What and where", 10, (10, 14), MAP),
        Row("How far", 9, (12, 12), COMPARED),
        Row("How sure", 8, (12, 12), SURE),
        Row("Why", 9, (8, 8, 8), WHY),
        Row("Explained", 9, (15, 9), EXPLAINED),
        Row("Since when", 8, (12, 12), CAUSES),
    ),
)
