"""The dashboard On-call."""
# ruff: noqa: S608 - every part of every query is a constant of this package

from dashboards import chosen, palette, panels, wording
from dashboards.frame import HERE, Board, Row
from dashboards.panels import Column
from dashboards.sources import DATABASE

MODELS = chosen.MODELS
OPENED, SENT = chosen.within("opened_at"), chosen.within("at")

# The log is written to and nobody is waken by it; a page is one step that reached somebody.
PAGED = "state = 'sent' AND channel <> 'log'"

OPEN = f"""
SELECT count(*) AS "open" FROM grafana_incidents WHERE state <> 'resolved' AND {MODELS}
"""
UNTAKEN = f"""
SELECT count(*) AS "not acknowledged" FROM grafana_incidents WHERE state = 'open' AND {MODELS}
"""
MTTA = f"""
SELECT avg(acknowledge_seconds) AS "mean time to acknowledge"
FROM grafana_incidents WHERE {OPENED} AND {MODELS}
"""
MTTR = f"""
SELECT avg(resolve_seconds) AS "mean time to resolve"
FROM grafana_incidents WHERE {OPENED} AND {MODELS}
"""
PAGES = f"""
SELECT count(DISTINCT announcement_id) / greatest(
    extract(epoch FROM $__timeTo()::timestamptz - $__timeFrom()::timestamptz)::float8 / 604800, 1
) AS "pages a week"
FROM grafana_notices WHERE {SENT} AND {chosen.MODELS_OR_NONE} AND {PAGED}
"""
FAILED = f"""
SELECT count(*) AS "failed" FROM grafana_notices
WHERE {SENT} AND {chosen.MODELS_OR_NONE} AND state = 'failed'
"""
INCIDENTS = f"""
SELECT severity, state, title, family AS runbook, model, cohort, opened_at AS opened,
       acknowledged_at AS acknowledged, extract(epoch FROM now() - opened_at)::float8 AS age, id
FROM grafana_incidents WHERE state <> 'resolved' AND {MODELS}
ORDER BY CASE severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, opened_at
"""
PAGES_BY_WEEK = f"""
SELECT date_trunc('week', at) AS time, event AS metric,
       count(DISTINCT announcement_id)::float8 AS value
FROM grafana_notices WHERE {SENT} AND {chosen.MODELS_OR_NONE} AND {PAGED}
GROUP BY 1, 2 ORDER BY 1, 2
"""
TIMES = f"""
SELECT date_trunc('week', opened_at) AS time, told.metric, avg(told.value) AS value
FROM grafana_incidents
CROSS JOIN LATERAL (VALUES ('to acknowledge', acknowledge_seconds),
    ('to resolve', resolve_seconds)) AS told (metric, value)
WHERE {OPENED} AND {MODELS} AND told.value IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""
ENDED = f"""
SELECT resolution, count(*) AS incidents FROM grafana_incidents
WHERE {OPENED} AND {MODELS} AND resolution IS NOT NULL
GROUP BY 1 ORDER BY 2 DESC
"""
CHANNELS = f"""
SELECT channel, count(*) FILTER (WHERE state = 'sent') AS sent,
       count(*) FILTER (WHERE state = 'pending') AS pending,
       count(*) FILTER (WHERE state = 'failed') AS failed,
       count(*) FILTER (WHERE state NOT IN ('sent', 'pending', 'failed')) AS "held back",
       avg(extract(epoch FROM sent_at - at))::float8 AS "took", max(attempts) AS attempts
FROM grafana_notices WHERE {SENT} AND {chosen.MODELS_OR_NONE}
GROUP BY 1 ORDER BY failed DESC, channel
"""
DELIVERY = f"""
SELECT {chosen.bucket("at")}, state AS metric, count(*)::float8 AS value
FROM grafana_notices WHERE {SENT} AND {chosen.MODELS_OR_NONE}
GROUP BY 1, 2 ORDER BY 1, 2
"""

THIS = ("Open it in the console", f"{HERE}/incidents/${{__data.fields.id}}")
RUNBOOK = ("Open the runbook", f"{wording.RUNBOOKS}/${{__value.text}}.md")
GUIDES = f"""
| kind | what it means | first step |
|---|---|---|
| [concept]({wording.RUNBOOKS}/concept.md) | the same inputs mean something else | confirm it on \
labels, then retrain |
| [data]({wording.RUNBOOKS}/data.md) | the inputs changed | look for a fault at the source first |
| [participation]({wording.RUNBOOKS}/participation.md) | others take part | ask who is missing |
| [drill]({wording.RUNBOOKS}/drill.md) | practice | nothing has happened |

An incident's own page in the console has its evidence, and the buttons to acknowledge, silence and
resolve it.
"""

NOW = [
    panels.number(
        "Open incidents",
        "Incidents that are open or acknowledged now. Count.",
        DATABASE,
        OPEN,
        steps=wording.ANY_IS_BAD,
    ),
    panels.number(
        "Not acknowledged",
        "Open incidents that nobody has taken on. Count; 0 is what it should be.",
        DATABASE,
        UNTAKEN,
        steps=wording.ANY_IS_BAD,
    ),
    panels.number(
        "MTTA",
        "Mean time from opening to acknowledgement, of incidents opened in the time range that"
        " were acknowledged. Seconds, shown in the largest unit that fits.",
        DATABASE,
        MTTA,
        steps=wording.QUIET,
        unit="s",
    ),
    panels.number(
        "MTTR",
        "Mean time from opening to resolution, of incidents opened in the time range that are"
        " resolved. Seconds, shown in the largest unit that fits.",
        DATABASE,
        MTTR,
        steps=wording.QUIET,
        unit="s",
    ),
    panels.number(
        "Pages a week",
        "Steps of incidents that reached a channel other than the log, over the weeks of the time"
        " range (at least one). Count; from about two a day on, people stop reading them.",
        DATABASE,
        PAGES,
        steps=[(None, palette.SKY), (14, palette.ORANGE)],
    ),
    panels.number(
        "Deliveries that failed",
        "Messages of the time range that were given up after all attempts. Count; each is somebody"
        " who was not told.",
        DATABASE,
        FAILED,
        steps=wording.ANY_IS_BAD,
    ),
]
TO_DO = [
    panels.rows(
        "Open incidents",
        "One row a cause, the most serious first, with its age in seconds. The title opens it in"
        " the console, the kind its runbook.",
        DATABASE,
        INCIDENTS,
        {
            "severity": Column(),
            "state": Column(),
            "title": Column(link=THIS),
            "runbook": Column(link=RUNBOOK),
            "model": Column(),
            "cohort": Column(),
            "opened": Column(unit="dateTimeAsIso"),
            "acknowledged": Column(unit="dateTimeAsIso"),
            "age": Column(unit="s"),
            "id": Column(),
        },
    ),
    panels.words(
        "Runbooks",
        "What to do first for each kind of incident, with a link to the whole runbook.",
        GUIDES,
    ),
]
LOAD = [
    panels.bars(
        "Pages by week",
        "Steps of incidents that reached a channel other than the log, by kind of step and week"
        " (from Monday, UTC). Count.",
        DATABASE,
        PAGES_BY_WEEK,
    ),
    panels.colored(
        panels.lines(
            "Time to acknowledge and to resolve",
            "Means over the incidents opened in each week (from Monday, UTC). Seconds; lower is"
            " better.",
            DATABASE,
            TIMES,
            unit="s",
        ),
        {"to acknowledge": palette.ORANGE, "to resolve": palette.BLUE},
    ),
    panels.compared(
        "How incidents ended",
        "Resolutions of the incidents opened in the time range. Count; many false alarms are a"
        " reason to change the policy.",
        DATABASE,
        ENDED,
        by="resolution",
        unit="short",
    ),
]
ARRIVED = [
    panels.rows(
        "Deliveries by channel",
        "Messages of the time range: sent, still tried, given up, and held back (silenced, dropped,"
        " kept for a digest); the mean time until they were sent, in seconds, and the most attempts"
        " that one took.",
        DATABASE,
        CHANNELS,
        {
            "channel": Column(),
            "sent": Column(),
            "pending": Column(),
            "failed": Column(steps=wording.ANY_IS_BAD),
            "held back": Column(),
            "took": Column(unit="s"),
            "attempts": Column(),
        },
    ),
    panels.colored(
        panels.bars(
            "Deliveries by state",
            "Messages in each interval by what became of them. Count.",
            DATABASE,
            DELIVERY,
        ),
        {
            "sent": palette.BLUE,
            "pending": palette.ORANGE,
            "failed": palette.VERMILION,
            "silenced|dropped|held|digested": palette.GREY,
        },
    ),
]

BOARD = Board(
    uid="vigie-on-call",
    title="on-call",
    question="What is open, how fast were we, and did every message arrive?",
    variables=("federation", "model"),
    rows=(
        Row("Now", 4, (4, 4, 4, 4, 4, 4), NOW),
        Row("To do", 9, (16, 8), TO_DO),
        Row("Load", 8, (8, 8, 8), LOAD),
        Row("Delivery", 8, (12, 12), ARRIVED),
    ),
)
