"""The dashboard Federation overview."""
# ruff: noqa: S608 - every part of every query is a constant of this package

from dashboards import chosen, palette, panels, wording
from dashboards.frame import HERE, Board, Row
from dashboards.panels import Column
from dashboards.sources import DATABASE

MODELS, WITHIN, BUCKET = chosen.MODELS, chosen.within(), chosen.bucket()

HEALTH = f"""
SELECT max(worst) AS health FROM grafana_judged
WHERE {MODELS} AND round_id = ANY (ARRAY(
    SELECT DISTINCT ON (model) round_id FROM grafana_judged WHERE {MODELS}
    ORDER BY model, received_at DESC
))
"""
OPEN = f"""
SELECT count(*) AS "open incidents" FROM grafana_incidents
WHERE state <> 'resolved' AND {MODELS}
"""
NEWEST = f"""
SELECT extract(epoch FROM now() - max(received_at))::float8 AS "newest round"
FROM grafana_rounds WHERE {MODELS}
"""
REPLIED = f"""
SELECT sum(replied)::float8 / nullif(sum(available), 0) AS "replied"
FROM grafana_rounds
WHERE {WITHIN} AND {MODELS} AND replied IS NOT NULL AND available IS NOT NULL
"""
REFUSED = f"""
SELECT sum(quarantined)::float8 / nullif(sum(accepted + quarantined), 0) AS "refused"
FROM grafana_rounds WHERE {WITHIN} AND {MODELS}
"""
SPENT = f"""
SELECT worst_epsilon / epsilon_budget AS "budget spent" FROM grafana_privacy
WHERE {chosen.FEDERATION} AND {WITHIN} ORDER BY received_at DESC LIMIT 1
"""
RIBBON = f"""
SELECT {BUCKET}, model AS metric, max(worst) AS value
FROM grafana_judged WHERE {WITHIN} AND {MODELS}
GROUP BY 1, 2 ORDER BY 1, 2
"""
INCIDENTS = f"""
SELECT severity, state, title, subject, model, cohort, opened_at AS opened, id
FROM grafana_incidents WHERE state <> 'resolved' AND {MODELS}
ORDER BY CASE severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, opened_at
"""
OPENED = f"""
SELECT {chosen.bucket("opened_at")}, severity AS metric, count(*)::float8 AS value
FROM grafana_incidents WHERE {chosen.within("opened_at")} AND {MODELS}
GROUP BY 1, 2 ORDER BY 1, 2
"""
ERRORS = f"""
SELECT {BUCKET}, model AS metric, sum(error_rate * examples) / nullif(sum(examples), 0) AS value
FROM grafana_measures
WHERE {WITHIN} AND {MODELS} AND measured = 'model' AND phase <> 'fit' AND cohort = 'everyone'
  AND error_rate IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""
TAKING_PART = f"""
SELECT {BUCKET}, told.metric, avg(told.value) AS value
FROM grafana_rounds
CROSS JOIN LATERAL (VALUES ('available', available::float8), ('replied', replied::float8),
    ('accepted', accepted::float8)) AS told (metric, value)
WHERE {WITHIN} AND {MODELS} AND told.value IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""
PRIVACY = f"""
SELECT {BUCKET}, told.metric, max(told.value) AS value
FROM grafana_privacy
CROSS JOIN LATERAL (VALUES ('most spent', worst_epsilon), ('threshold', epsilon_budget))
    AS told (metric, value)
WHERE {WITHIN} AND {chosen.FEDERATION} AND told.value IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""
RETRAINING = f"""
SELECT created_at AS asked, model, base_version AS "from", state, result_version AS "to"
FROM grafana_retrain_requests WHERE {chosen.within("created_at")} AND {MODELS}
ORDER BY created_at DESC LIMIT 50
"""

EXPLORE = (
    "Explore the subject",
    "/d/vigie-drift?${__url_time_range}&${federation:queryparam}"
    "&var-model=${__data.fields.model:percentencode}&var-subject=${__value.text:percentencode}"
    "&var-cohort=${__data.fields.cohort:percentencode}",
)
THIS = ("Open it in the console", f"{HERE}/incidents/${{__data.fields.id}}")

NOW = [
    panels.word(
        "Health now",
        "The worst verdict on the newest judged round of the chosen models, for the whole"
        " federation. Grey is too little evidence to say anything, which is not stable.",
        DATABASE,
        HEALTH,
        wording.OUTCOMES,
    ),
    panels.number(
        "Open incidents",
        "Incidents that are open or acknowledged now. Count; 0 is quiet.",
        DATABASE,
        OPEN,
        steps=wording.ANY_IS_BAD,
    ),
    panels.number(
        "Newest round",
        "Time since the newest round came in. Seconds; compare it with your usual time between"
        " rounds.",
        DATABASE,
        NEWEST,
        steps=wording.QUIET,
        unit="s",
    ),
    panels.number(
        "Clients that replied",
        "Share of the available clients that replied, over the rounds of the time range whose FL"
        " server said so. Percent; the more the better.",
        DATABASE,
        REPLIED,
        steps=[(None, palette.ORANGE), (0.5, palette.SKY)],
        unit="percentunit",
    ),
    panels.number(
        "Client records refused",
        "Share of client records that were refused in accepted rounds. Percent; the receipts name"
        " the fields, the dashboard Data quality the reasons.",
        DATABASE,
        REFUSED,
        steps=[(None, palette.SKY), (0.05, palette.VERMILION)],
        unit="percentunit",
    ),
    panels.number(
        "Privacy budget spent",
        "Epsilon of the client that spent most, over the policy's budget. Percent; at 100 % its"
        " records are refused. Empty without a budget or without declared noise.",
        DATABASE,
        SPENT,
        steps=[(None, palette.SKY), (0.8, palette.ORANGE), (1, palette.VERMILION)],
        unit="percentunit",
    ),
]
MOVED = [
    panels.ribbon(
        "Drift by model",
        "The worst verdict on any subject of each model in each interval, for the whole"
        " federation. Grey is too little evidence to say anything, which is not stable.",
        DATABASE,
        RIBBON,
        wording.OUTCOMES,
    ),
    panels.lines(
        "Error rate by model",
        "Share of examples that the model in use got wrong, all clients together; lower is better."
        " Probability, averaged over each interval by examples.",
        DATABASE,
        ERRORS,
        unit="percentunit",
    ),
]
CAUSES = [
    panels.rows(
        "Open incidents",
        "One row a cause, the most serious first. The title opens it in the console, the subject in"
        " the drift explorer. Incidents about one client are in the console only.",
        DATABASE,
        INCIDENTS,
        {
            "severity": Column(),
            "state": Column(),
            "title": Column(link=THIS),
            "subject": Column(link=EXPLORE),
            "model": Column(),
            "cohort": Column(),
            "opened": Column(unit="dateTimeAsIso"),
            "id": Column(),
        },
    ),
    panels.colored(
        panels.bars(
            "Incidents opened",
            "How many incidents were opened in each interval, by severity. Count.",
            DATABASE,
            OPENED,
        ),
        wording.SEVERITIES,
    ),
]
DONE = [
    panels.colored(
        panels.lines(
            "Who takes part",
            "Clients a round: available and replied as the FL server says, accepted as Vigie"
            " counted their records. Count, averaged over each interval.",
            DATABASE,
            TAKING_PART,
        ),
        {"available": palette.GREY, "replied": palette.SKY, "accepted": palette.BLUE},
    ),
    panels.colored(
        panels.lines(
            "Privacy budget",
            "Epsilon of the client that spent most, at the policy's delta, as its records declare"
            " their noise; dashed is the policy's budget. No unit; it only grows.",
            DATABASE,
            PRIVACY,
        ),
        {"most spent": palette.BLUE},
    ),
    panels.rows(
        "Retraining",
        "What drift asked of the FL server in the time range, the newest first, and the version"
        " that came of it.",
        DATABASE,
        RETRAINING,
        {
            "asked": Column(unit="dateTimeAsIso"),
            "model": Column(),
            "from": Column(),
            "state": Column(),
            "to": Column(),
        },
    ),
]

BOARD = Board(
    uid="vigie-overview",
    title="federation overview",
    question="Is anything drifting, who takes part, and what was done about it?",
    variables=("federation", "model"),
    rows=(
        Row("Now", 4, (4, 4, 4, 4, 4, 4), NOW),
        Row("What moved", 9, (12, 12), MOVED),
        Row("Incidents", 8, (16, 8), CAUSES),
        Row("Taking part, privacy, retraining", 8, (8, 8, 8), DONE),
    ),
)
