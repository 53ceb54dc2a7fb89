"""The SQL of the dashboard Model lifecycle."""
# ruff: noqa: S608 - every part of every query is a constant of this package

from typing import Literal

from dashboards import chosen

MODELS, WITHIN, BUCKET = chosen.MODELS, chosen.within(), chosen.bucket()


def measure(column: Literal["log_loss", "error_rate"]) -> str:
    """The metric of each version on rounds that were not for training."""
    return f"""
SELECT {BUCKET},
       model || ' ' || version || ', ' || phase
         || CASE WHEN version = champion THEN ' (champion now)' ELSE '' END AS metric,
       sum({column} * examples) / nullif(sum(examples), 0) AS value
FROM grafana_measures JOIN grafana_models USING (federation, model)
WHERE phase <> 'fit' AND {column} IS NOT NULL AND {WITHIN} AND {chosen.VERSIONS}
  AND {chosen.COHORT}
GROUP BY 1, 2 ORDER BY 1, 2
"""


CANARY = f"""
SELECT received_at AS time, told.metric, told.value
FROM grafana_canary_looks
CROSS JOIN LATERAL (VALUES
    ('difference (' || model || ' ' || candidate || ' - ' || champion || ')', difference),
    ('lower', lower), ('upper', upper), ('threshold', margin)) AS told (metric, value)
WHERE {WITHIN} AND {MODELS} AND NOT shadow AND told.value IS NOT NULL
ORDER BY 1, 2
"""
CANARY_COHORTS = f"""
WITH looks AS (
    SELECT model, received_at FROM grafana_canary_looks WHERE {WITHIN} AND {MODELS} AND NOT shadow
)
SELECT candidate.cohort || ' (' || candidate.version || ')' AS cohort,
       sum((candidate.log_loss - beside.log_loss) * candidate.examples)
         / nullif(sum(candidate.examples), 0) AS difference
FROM (SELECT * FROM grafana_measures
      WHERE {WITHIN} AND {MODELS} AND measured = 'canary') candidate
JOIN (SELECT * FROM grafana_measures
      WHERE {WITHIN} AND {MODELS} AND measured = 'model' AND phase = 'canary') beside
  ON beside.federation = candidate.federation AND beside.model = candidate.model
     AND beside.received_at = candidate.received_at AND beside.cohort = candidate.cohort
     AND beside.version = candidate.beside
JOIN looks ON looks.model = candidate.model AND looks.received_at = candidate.received_at
GROUP BY 1 ORDER BY 1
"""
REGRET = f"""
SELECT received_at AS time, told.metric, told.value
FROM grafana_canary_looks
CROSS JOIN LATERAL (VALUES
    ('regret (' || model || ' ' || champion || ' - ' || candidate || ')', -difference),
    ('lower', -upper), ('upper', -lower)) AS told (metric, value)
WHERE {WITHIN} AND {MODELS} AND shadow AND told.value IS NOT NULL
ORDER BY 1, 2
"""
FORGETTING = f"""
SELECT {BUCKET}, told.metric, max(told.value) AS value
FROM grafana_subjects
CROSS JOIN LATERAL (VALUES (model || ' ' || version || ': forgotten', effect),
    ('threshold', threshold)) AS told (metric, value)
WHERE {WITHIN} AND {MODELS} AND {chosen.COHORT_KEY} AND subject = 'forgetting'
  AND told.value IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""
# Of each version the rounds in which it was what the federation used, and no candidate.
HELPED = f"""
WITH measured AS MATERIALIZED (
    SELECT model, version, received_at, log_loss FROM grafana_measures
    WHERE {MODELS} AND {chosen.COHORT} AND measured = 'model' AND phase <> 'fit'
      AND log_loss IS NOT NULL
),
promoted AS (
    SELECT * FROM grafana_promotions WHERE {chosen.within("applied_at")} AND {MODELS}
    ORDER BY applied_at DESC LIMIT 10
)
SELECT applied_at AS promoted, p.model, champion AS "from", candidate AS "to", before, after,
       after - before AS change
FROM promoted p
CROSS JOIN LATERAL (
    SELECT avg(log_loss) AS before FROM (
        SELECT log_loss FROM measured m
        WHERE m.model = p.model AND m.version = p.champion AND m.received_at <= p.applied_at
        ORDER BY m.received_at DESC LIMIT 5
    ) five
) then_there
CROSS JOIN LATERAL (
    SELECT avg(log_loss) AS after FROM (
        SELECT log_loss FROM measured m
        WHERE m.model = p.model AND m.version = p.candidate AND m.received_at > p.applied_at
        ORDER BY m.received_at LIMIT 5
    ) five
) now_there
ORDER BY 1 DESC
"""
VERSIONS = f"""
SELECT model, version, role, parent_version AS parent, run, retrained, created_at AS registered
FROM grafana_versions WHERE {MODELS}
ORDER BY created_at DESC LIMIT 50
"""
PROMOTIONS = f"""
SELECT model, candidate, champion, state, created_at AS asked, decided_at AS decided,
       applied_at AS "in force", id
FROM grafana_promotions WHERE {MODELS}
ORDER BY created_at DESC LIMIT 50
"""
REQUESTS = f"""
SELECT created_at AS asked, model, base_version AS "from", state, result_version AS "to",
       extract(epoch FROM ended_at - created_at)::float8 AS took
FROM grafana_retrain_requests WHERE {chosen.within("created_at")} AND {MODELS}
ORDER BY created_at DESC LIMIT 50
"""
