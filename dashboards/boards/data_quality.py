"""The dashboard Data quality."""
# ruff: noqa: S608 - every part of every query is a constant of this package

from dashboards import chosen, palette, panels, wording
from dashboards.frame import Board, Row
from dashboards.panels import Column
from dashboards.sources import DATABASE

MODELS, WITHIN, BUCKET = chosen.MODELS, chosen.within(), chosen.bucket()
AT = chosen.within("at")

REFUSED = f"""
SELECT sum(quarantined)::float8 / nullif(sum(accepted + quarantined), 0) AS "refused"
FROM grafana_rounds WHERE {WITHIN} AND {MODELS}
"""
WHOLE_PUSHES = f"""
SELECT count(*) AS "refused pushes" FROM grafana_refusals
WHERE {AT} AND {chosen.FEDERATION} AND model IS NULL
"""
WAITING = f"""
SELECT count(*) AS "incomplete" FROM grafana_rounds WHERE state = 'receiving' AND {MODELS}
"""
LATE = f"""
SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY late_seconds) AS "late"
FROM grafana_rounds WHERE {WITHIN} AND {MODELS}
"""
REASONS = f"""
SELECT {chosen.bucket("at")}, code AS metric, count(*)::float8 AS value
FROM grafana_refusals WHERE {AT} AND {chosen.MODELS_OR_NONE}
GROUP BY 1, 2 ORDER BY 1, 2
"""
BY_REASON = f"""
SELECT code AS reason, count(*) AS records, count(DISTINCT (run, number, phase)) AS rounds,
       max(at) AS newest
FROM grafana_refusals WHERE {AT} AND {chosen.MODELS_OR_NONE}
GROUP BY 1 ORDER BY 2 DESC LIMIT 50
"""
QUARANTINE = f"""
SELECT {BUCKET}, told.metric, avg(told.value) AS value
FROM grafana_subjects
CROSS JOIN LATERAL (VALUES (model || ': ' || subject, abs(effect)), ('threshold', threshold))
    AS told (metric, value)
WHERE {WITHIN} AND {MODELS} AND {chosen.WHOLE}
  AND subject IN ('rejected_functional', 'rejected_technical') AND told.value IS NOT NULL
GROUP BY 1, 2
UNION ALL
SELECT {BUCKET}, model || ': quarantined',
       sum(quarantined)::float8 / nullif(sum(accepted + quarantined), 0)
FROM grafana_rounds WHERE {WITHIN} AND {MODELS} AND accepted + quarantined > 0
GROUP BY 1, 2 ORDER BY 1, 2
"""
MISSING = f"""
SELECT {BUCKET}, told.metric, avg(told.value) AS value
FROM grafana_rounds
CROSS JOIN LATERAL (VALUES ('not sampled', (available - sampled)::float8),
    ('timed out', timed_out::float8),
    ('no reply', (sampled - replied - coalesce(timed_out, 0))::float8)) AS told (metric, value)
WHERE {WITHIN} AND {MODELS} AND told.value IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""
TAKING_PART = f"""
SELECT {BUCKET}, told.metric, avg(told.value) AS value
FROM grafana_subjects
CROSS JOIN LATERAL (VALUES (model || ': lost', greatest(-effect, 0)), ('threshold', threshold))
    AS told (metric, value)
WHERE {WITHIN} AND {MODELS} AND {chosen.WHOLE} AND subject = 'participation'
  AND told.value IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""
LATENESS = f"""
SELECT {BUCKET}, model || ', ' || phase AS metric, max(late_seconds) AS value
FROM grafana_rounds WHERE {WITHIN} AND {MODELS}
GROUP BY 1, 2 ORDER BY 1, 2
"""
CLIENT_LATENCY = f"""
SELECT {BUCKET}, told.metric, avg(told.value) AS value
FROM grafana_rounds
CROSS JOIN LATERAL (VALUES ('median', latency_p50_ms), ('95 of 100 clients', latency_p95_ms))
    AS told (metric, value)
WHERE {WITHIN} AND {MODELS} AND told.value IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""
ROUNDS = f"""
SELECT received_at AS received, model, phase, run, number AS round, accepted,
       quarantined AS refused, withdrawn, late_seconds AS late, state
FROM grafana_rounds
WHERE {WITHIN} AND {MODELS} AND (quarantined > 0 OR withdrawn > 0 OR state <> 'evaluated')
ORDER BY received_at DESC LIMIT 50
"""

NOW = [
    panels.number(
        "Client records refused",
        "Share of client records that were refused in accepted rounds of the time range. Percent;"
        " the rest of each round was taken.",
        DATABASE,
        REFUSED,
        steps=[(None, palette.SKY), (0.05, palette.VERMILION)],
        unit="percentunit",
    ),
    panels.number(
        "Pushes refused as a whole",
        "Pushes of the time range of which nothing could be used, such as bodies that are no JSON."
        " Count; they belong to no model.",
        DATABASE,
        WHOLE_PUSHES,
        steps=wording.ANY_IS_BAD,
    ),
    panels.number(
        "Incomplete rounds",
        "Rounds of which chunks are still awaited. Count; after the policy's time they are judged"
        " as they are.",
        DATABASE,
        WAITING,
        steps=wording.QUIET,
    ),
    panels.number(
        "Late: 95 of 100 rounds within",
        "Time from a round's end at the FL server to its receipt here, the 95th percentile of the"
        " time range. Seconds; minutes mean a spool that waits, or a clock that is wrong.",
        DATABASE,
        LATE,
        steps=wording.QUIET,
        unit="s",
    ),
]
WHY = [
    panels.bars(
        "Refused, by reason",
        "Client records and whole pushes that were refused in each interval, by the code on their"
        " receipt. Count; docs/how-to/refused-pushes.md says what to do about each.",
        DATABASE,
        REASONS,
    ),
    panels.rows(
        "Reasons",
        "The same over the time range, the most frequent first, and in how many rounds.",
        DATABASE,
        BY_REASON,
        {
            "reason": Column(),
            "records": Column(),
            "rounds": Column(),
            "newest": Column(unit="dateTimeAsIso"),
        },
    ),
]
SHARE = [
    panels.colored(
        panels.lines(
            "Quarantine",
            "Share of a round's records that was refused, and how far that moved from the"
            " reference for what records say (functional) and how they are written (technical)."
            " Percent; dashed is the smallest move that the policy calls practical.",
            DATABASE,
            QUARANTINE,
            unit="percentunit",
        ),
        {"quarantined$": palette.BLUE, "functional$": palette.ORANGE, "technical$": palette.PURPLE},
    ),
    panels.colored(
        panels.bars(
            "Missing clients",
            "Clients a round that were not asked, did not reply in time, or failed, as the FL"
            " server says. Count, averaged over each interval.",
            DATABASE,
            MISSING,
        ),
        {"not sampled": palette.GREY, "timed out": palette.ORANGE, "no reply": palette.VERMILION},
    ),
    panels.colored(
        panels.lines(
            "Participation lost",
            "How much of the reference's share of available clients that replied is lost."
            " Percent; dashed is the smallest loss that the policy calls practical.",
            DATABASE,
            TAKING_PART,
            unit="percentunit",
        ),
        {"lost$": palette.BLUE},
    ),
]
WHEN = [
    panels.lines(
        "Late rounds",
        "Time from a round's end at the FL server to its receipt here, the longest of each"
        " interval. Seconds.",
        DATABASE,
        LATENESS,
        unit="s",
    ),
    panels.colored(
        panels.lines(
            "Latency of clients",
            "How long clients took to reply, as the FL server says; averaged over each interval."
            " Milliseconds.",
            DATABASE,
            CLIENT_LATENCY,
            unit="ms",
        ),
        {"median": palette.BLUE, "95": palette.ORANGE},
    ),
    panels.rows(
        "Rounds to look at",
        "The newest 50 rounds of the time range with refused records, clients that withdrew since,"
        " or that are not judged (yet). Late is in seconds.",
        DATABASE,
        ROUNDS,
        {
            "received": Column(unit="dateTimeAsIso"),
            "model": Column(),
            "phase": Column(),
            "run": Column(),
            "round": Column(),
            "accepted": Column(),
            "refused": Column(),
            "withdrawn": Column(),
            "late": Column(unit="s"),
            "state": Column(),
        },
    ),
]

BOARD = Board(
    uid="vigie-data-quality",
    title="data quality",
    question="What was refused and why, who is missing, and what comes late?",
    variables=("federation", "model"),
    rows=(
        Row("In the time range", 4, (6, 6, 6, 6), NOW),
        Row("Refused", 9, (14, 10), WHY),
        Row("Shares", 8, (8, 8, 8), SHARE),
        Row("Late", 8, (8, 8, 8), WHEN),
    ),
)
