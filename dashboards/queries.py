"""The SQL of the dashboard "Vigie: federation"; `$__...` are Grafana's macros.

`received_at`, the service's own clock, is the time axis everywhere, so that rounds, verdicts,
retraining and promotions line up.
"""
# ruff: noqa: S608 - every part of every query is a constant of this module

from typing import Literal

FEDERATIONS = "SELECT federation FROM grafana_federations ORDER BY 1"

MODELS = """
SELECT model FROM grafana_models WHERE federation = ${federation:sqlstring} ORDER BY 1
"""

# An array, since no model chosen would leave `IN ()`, which is no SQL.
_CHOSEN = "federation = ${federation:sqlstring} AND model = ANY (ARRAY[${model:sqlstring}]::text[])"
# A push refused as a whole belongs to no model.
_CHOSEN_OR_NONE = (
    "federation = ${federation:sqlstring}"
    " AND (model IS NULL OR model = ANY (ARRAY[${model:sqlstring}]::text[]))"
)

OPEN_INCIDENTS = f"""
SELECT count(*) AS "open incidents" FROM grafana_incidents
WHERE state <> 'resolved' AND {_CHOSEN}
"""

ROUNDS_RECEIVED = f"""
SELECT count(*) AS rounds FROM grafana_rounds
WHERE $__timeFilter(received_at) AND {_CHOSEN}
"""

REFUSED_SHARE = f"""
SELECT sum(quarantined)::float8 / nullif(sum(accepted + quarantined), 0) AS "refused share"
FROM grafana_rounds WHERE $__timeFilter(received_at) AND {_CHOSEN}
"""

NEWEST_ROUND_AGE = f"""
SELECT extract(epoch FROM now() - max(received_at))::float8 AS "newest round"
FROM grafana_rounds WHERE {_CHOSEN}
"""

INGEST = f"""
SELECT $__timeGroupAlias(received_at, $__interval), 'rounds received' AS metric,
       count(*)::float8 AS value
FROM grafana_rounds WHERE $__timeFilter(received_at) AND {_CHOSEN}
GROUP BY 1, 2
UNION ALL
SELECT $__timeGroupAlias(at, $__interval), 'records refused', count(*)::float8
FROM grafana_refusals WHERE $__timeFilter(at) AND {_CHOSEN_OR_NONE}
GROUP BY 1, 2
ORDER BY 1, 2
"""

# The worst answer counts where several detectors looked at one subject.
OUTCOMES = f"""
SELECT received_at AS time, model || ' ' || version || ': ' || subject AS metric,
       max(CASE outcome WHEN 'drift' THEN 3 WHEN 'warning' THEN 2 WHEN 'stable' THEN 1 ELSE 0 END)
         AS value
FROM grafana_verdicts
WHERE scope = 'federation' AND $__timeFilter(received_at) AND {_CHOSEN}
GROUP BY 1, 2
ORDER BY 1, 2
"""

EFFECTS = f"""
SELECT received_at AS time, subject || ' (' || model || ' ' || version || ')' AS metric,
       max(abs(effect_ratio)) AS value
FROM grafana_verdicts
WHERE scope = 'federation' AND effect_ratio IS NOT NULL
  AND $__timeFilter(received_at) AND {_CHOSEN}
GROUP BY 1, 2
ORDER BY 1, 2
"""


def round_metric(column: Literal["log_loss", "error_rate"]) -> str:
    """The metric of each version on rounds that were not for training."""
    return f"""
SELECT received_at AS time,
       model || ' ' || version || ', ' || phase
         || CASE WHEN version = champion THEN ' (champion now)' ELSE '' END AS metric,
       {column} AS value
FROM grafana_round_metrics JOIN grafana_models USING (federation, model)
WHERE phase <> 'fit' AND {column} IS NOT NULL AND $__timeFilter(received_at) AND {_CHOSEN}
ORDER BY 1, 2
"""


INCIDENTS = f"""
SELECT severity, state, title, model || ' ' || version AS model, scope,
       nullif(scope_key, '') AS cohort, subject, onset_step AS "onset (step)",
       last_step AS "last evidence (step)", opened_at AS opened
FROM grafana_incidents WHERE state <> 'resolved' AND {_CHOSEN}
ORDER BY CASE severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, opened_at
"""

RETRAIN_REQUESTS = f"""
SELECT created_at AS time,
       'Retraining of ' || model || ' ' || base_version || ' asked for: now ' || state AS text,
       'retraining' AS tags
FROM grafana_retrain_requests WHERE $__timeFilter(created_at) AND {_CHOSEN}
ORDER BY 1
"""

PROMOTIONS = f"""
SELECT applied_at AS time,
       model || ' ' || candidate || ' became champion in place of ' || champion AS text,
       'promotion' AS tags
FROM grafana_promotions WHERE $__timeFilter(applied_at) AND {_CHOSEN}
ORDER BY 1
"""
