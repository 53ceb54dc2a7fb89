"""The dashboard Operations, of the service itself."""

from dashboards import palette, panels, wording
from dashboards.frame import Board, Row
from dashboards.sources import METRICS

PUSHES = 'method="POST",route=~".*/rounds/.*"'
# Where a server error is a push that has to be sent again: the objective is 1 in 1,000.
BUDGET = 0.001

NOW = [
    panels.number(
        "API",
        "How many API processes answer Prometheus. Count; 0 is an outage.",
        METRICS,
        'up: sum(up{job="vigie"})',
        steps=[(None, palette.VERMILION), (1, palette.SKY)],
    ),
    panels.number(
        "Database",
        "1 if the database answers. While it does not, clients keep their rounds and send them"
        " again.",
        METRICS,
        "database: min(vigie_database_up)",
        steps=[(None, palette.VERMILION), (1, palette.SKY)],
    ),
    panels.number(
        "Pushes without a server error",
        "Share of the pushes of the last hour that were not answered with a 5xx. Percent; the"
        " objective is 99.9 %.",
        METRICS,
        "success: 1 - vigie:ingest_error_ratio:rate1h",
        steps=[(None, palette.VERMILION), (1 - BUDGET, palette.SKY)],
        unit="percentunit",
    ),
    panels.number(
        "Evaluation lag",
        "Age of the oldest round that came in whole and is not judged. Seconds; minutes mean too"
        " few workers, or none.",
        METRICS,
        "lag: max(vigie_evaluation_lag_seconds)",
        steps=[(None, palette.SKY), (300, palette.VERMILION)],
        unit="s",
    ),
    panels.number(
        "Oldest work in the outbox",
        "Age of the oldest outbox row that waits. Seconds; nothing is lost while it waits.",
        METRICS,
        "age: max(vigie_outbox_oldest_pending_seconds)",
        steps=[(None, palette.SKY), (300, palette.VERMILION)],
        unit="s",
    ),
    panels.number(
        "Work given up",
        "Outbox rows that failed for good. Count; the column last_error of the table outbox says"
        " why.",
        METRICS,
        'given up: max(vigie_outbox_rows{state="failed"})',
        steps=wording.ANY_IS_BAD,
    ),
]
INGEST = [
    panels.colored(
        panels.lines(
            "Ingest rate",
            "Pushes a second, by the class of their answer: 2xx taken, 4xx refused, 5xx to be sent"
            " again.",
            METRICS,
            *(
                f'{name}: sum(rate(vigie_http_requests_total{{{PUSHES},status=~"{status}"}}'
                "[$__rate_interval])) or vector(0)"
                for name, status in (("taken", "2.."), ("refused", "4.."), ("server error", "5.."))
            ),
            unit="reqps",
        ),
        {"taken": palette.BLUE, "refused": palette.ORANGE, "server error": palette.VERMILION},
    ),
    panels.colored(
        panels.lines(
            "Ingest latency",
            "Time from a push's arrival to the end of its answer: half of them, 95 and 99 of 100"
            " are faster. Seconds.",
            METRICS,
            *(
                f"{name}: histogram_quantile({quantile}, sum by (le)"
                " (rate(vigie_http_request_seconds_bucket{" + PUSHES + "}[$__rate_interval])))"
                for name, quantile in (("half", 0.5), ("95 of 100", 0.95), ("99 of 100", 0.99))
            ),
            unit="s",
        ),
        {"half": palette.BLUE, "95": palette.ORANGE, "99": palette.VERMILION},
    ),
    panels.colored(
        panels.lines(
            "Error budget burnt",
            "How many times faster than the objective allows (99.9 % of pushes without a server"
            " error) the budget is burnt, over 5 minutes, an hour and 6 hours. No unit; at 1 it"
            " lasts exactly 30 days, alerts page from 14.4 on (dashed).",
            METRICS,
            *(
                f"{window}: vigie:ingest_error_ratio:rate{window} / {BUDGET}"
                for window in ("5m", "1h", "6h")
            ),
            "threshold: vector(14.4)",
        ),
        {"5m": palette.SKY, "1h": palette.BLUE, "6h": palette.PURPLE},
    ),
]
WORK = [
    panels.colored(
        panels.lines(
            "Queue depth",
            "Outbox rows that wait, and rounds that wait for their judging. Count.",
            METRICS,
            'outbox: max(vigie_outbox_rows{state="pending"})',
            "rounds: max(vigie_rounds_waiting)",
        ),
        {"outbox": palette.BLUE, "rounds": palette.ORANGE},
    ),
    panels.colored(
        panels.lines(
            "Queue age",
            "Age of the oldest waiting outbox row and of the oldest round that is not judged."
            " Seconds; dashed is what the alerts allow.",
            METRICS,
            "outbox: max(vigie_outbox_oldest_pending_seconds)",
            "rounds: max(vigie_evaluation_lag_seconds)",
            "threshold: vector(300)",
            unit="s",
        ),
        {"outbox": palette.BLUE, "rounds": palette.ORANGE},
    ),
    panels.colored(
        panels.lines(
            "Work finished: are the workers alive?",
            "Outbox rows finished and rounds judged, a second. While work waits, 0 for minutes"
            " means that no worker lives; once an hour rows of a month ago are deleted, and the"
            " first line may dip.",
            METRICS,
            'outbox rows: clamp_min(max(deriv(vigie_outbox_rows{state="done"}'
            "[$__rate_interval])), 0)",
            "rounds judged: sum(rate(vigie_evaluations_total[$__rate_interval]))",
            unit="ops",
        ),
        {"outbox": palette.BLUE, "rounds": palette.ORANGE},
    ),
    panels.colored(
        panels.lines(
            "Evaluation time",
            "Mean time that judging a round took, from its begin to its end, shards included."
            " Seconds.",
            METRICS,
            "a round: sum(rate(vigie_evaluation_seconds_total[$__rate_interval]))"
            " / sum(rate(vigie_evaluations_total[$__rate_interval]))",
            unit="s",
        ),
        {"a round": palette.BLUE},
    ),
]
AROUND = [
    panels.colored(
        panels.lines(
            "Deliveries",
            "Attempts to deliver messages, a second, and messages that were given up in the last"
            " hour.",
            METRICS,
            "attempts a second: sum(rate(vigie_delivery_attempts_total[$__rate_interval]))",
            'given up in an hour: max(delta(vigie_notices{state="failed"}[1h])) > 0 or vector(0)',
        ),
        {"attempts": palette.BLUE, "given up": palette.VERMILION},
    ),
    panels.colored(
        panels.lines(
            "Database: answers",
            "How long the database took to answer all that one scrape asks of it. Seconds; it"
            " grows before anything else does.",
            METRICS,
            "a scrape: max(vigie_database_read_seconds)",
            unit="s",
        ),
        {"a scrape": palette.BLUE},
    ),
    panels.colored(
        panels.lines(
            "Database: size",
            "What the database takes on its disk. Bytes.",
            METRICS,
            "size: max(vigie_database_size_bytes)",
            unit="bytes",
        ),
        {"size": palette.BLUE},
    ),
    panels.colored(
        panels.lines(
            "Rounds and refusals",
            "Rounds taken and records refused, an hour.",
            METRICS,
            "rounds: sum(rate(vigie_rounds_total[$__rate_interval])) * 3600",
            "refusals: (sum(rate(vigie_refusals_total[$__rate_interval])) or vector(0)) * 3600",
        ),
        {"rounds": palette.BLUE, "refusals": palette.VERMILION},
    ),
]

BOARD = Board(
    uid="vigie-operations",
    title="operations",
    question="Does the service take rounds in, judge them in time, and tell people?",
    variables=(),
    rows=(
        Row("Now", 4, (4, 4, 4, 4, 4, 4), NOW),
        Row("Ingest", 8, (8, 8, 8), INGEST),
        Row("Work", 8, (6, 6, 6, 6), WORK),
        Row("Delivery and database", 8, (6, 6, 6, 6), AROUND),
    ),
    marked=False,
)
