"""The SQL of the drift explorer."""
# ruff: noqa: S608 - every part of every query is a constant of this package

from dashboards import chosen
from dashboards.frame import HERE

VERSIONS, WITHIN, BUCKET = chosen.VERSIONS, chosen.within(), chosen.bucket()
THERE = f"{VERSIONS} AND {chosen.COHORT_KEY}"
OF_SUBJECT = f"{WITHIN} AND {THERE} AND {chosen.SUBJECT}"
SERIES = "model || ' ' || version"
ROUND_PAGE = f"{HERE}/rounds/${{__data.fields.round}}"

# Looked up first and named as values, not joined: PostgreSQL takes into a view only what it knows
# before it reads the view.
NEWEST = f"""newest AS MATERIALIZED (
    SELECT round_id, model, version, reference FROM grafana_judged WHERE {WITHIN} AND {VERSIONS}
    ORDER BY received_at DESC LIMIT 1
)"""
MAP = f"""
WITH {NEWEST}
SELECT subject, cohort, effect_ratio AS ratio FROM grafana_subjects
WHERE {chosen.FEDERATION} AND round_id = (SELECT round_id FROM newest)
ORDER BY scope_key, effect_ratio DESC NULLS LAST
"""
RIBBON = f"""
SELECT {BUCKET}, subject AS metric, max(outcome) AS value
FROM grafana_subjects WHERE {WITHIN} AND {THERE}
GROUP BY 1, 2 ORDER BY 1, 2
"""
DISTRIBUTION = f"""
WITH {NEWEST},
now_there AS (
    SELECT bin, bin_name, examples / nullif(sum(examples) OVER (), 0) AS share
    FROM grafana_distributions
    WHERE {chosen.FEDERATION} AND round_id = (SELECT round_id FROM newest)
      AND {chosen.COHORT} AND {chosen.DISTRIBUTION}
),
before AS (
    SELECT bin, bin_name, examples / nullif(sum(examples) OVER (), 0) AS share
    FROM grafana_references
    WHERE {chosen.FEDERATION} AND model = (SELECT model FROM newest)
      AND version = (SELECT version FROM newest) AND number = (SELECT reference FROM newest)
      AND {chosen.COHORT} AND {chosen.DISTRIBUTION}
)
SELECT coalesce(now_there.bin_name, before.bin_name) AS bin, before.share AS reference,
       now_there.share AS current
FROM now_there FULL JOIN before USING (bin) ORDER BY before.bin, now_there.bin
"""
EFFECT = f"""
SELECT {BUCKET}, {SERIES} || told.what AS metric, max(told.value) AS value
FROM grafana_subjects
CROSS JOIN LATERAL (VALUES (': effect', abs(effect)), (': threshold', threshold),
    (': could be seen', minimum_detectable_effect)) AS told (what, value)
WHERE {OF_SUBJECT} AND told.value IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""
STATISTIC = f"""
SELECT {BUCKET}, {SERIES} || ': ' || detector AS metric, max(abs(statistic)) AS value
FROM grafana_answers WHERE {OF_SUBJECT} AND statistic IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""
SURE = f"""
SELECT {BUCKET}, {SERIES} || told.what AS metric, min(told.value) AS value
FROM grafana_answers
CROSS JOIN LATERAL (VALUES (': q-value', q_value), (': threshold', error_budget))
    AS told (what, value)
WHERE {OF_SUBJECT} AND q_value IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""
SPLIT = f"""
SELECT {BUCKET}, {SERIES} || told.what AS metric, avg(told.value) AS value
FROM grafana_subjects
CROSS JOIN LATERAL (VALUES (': within clients', within_client),
    (': participation mix', participation_mix)) AS told (what, value)
WHERE {OF_SUBJECT} AND told.value IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""
BREADTH = f"""
SELECT {BUCKET}, {SERIES} || told.what AS metric, max(told.value)::float8 AS value
FROM grafana_subjects
CROSS JOIN LATERAL (VALUES (': judged', clients_judged), (': moved', clients_moved),
    (': drifting', clients_drifting)) AS told (what, value)
WHERE {WITHIN} AND {VERSIONS} AND {chosen.WHOLE} AND {chosen.SUBJECT} AND told.value IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""
COHORTS = f"""
SELECT {BUCKET}, cohort AS metric, avg(effect) AS value
FROM grafana_subjects
WHERE {WITHIN} AND {VERSIONS} AND {chosen.SUBJECT} AND effect IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2
"""
CAUSES = f"""
SELECT title, family AS kind, subject, cohort, onset_step AS "onset step", onset_at AS onset,
       opened_at AS opened,
       CASE WHEN within_client IS NULL THEN ''
            WHEN abs(within_client) >= abs(participation_mix) THEN 'clients themselves'
            ELSE 'who takes part' END AS "carried by",
       CASE WHEN clients_judged > 0 THEN clients_moved || ' of ' || clients_judged ELSE '' END
         AS clients,
       state, id
FROM grafana_incidents
WHERE opened_at <= $__timeTo()::timestamptz
  AND coalesce(resolved_at, now()) >= $__timeFrom()::timestamptz AND {chosen.MODELS}
ORDER BY opened_at DESC LIMIT 50
"""
ROUNDS = f"""
SELECT global_step AS step, received_at AS received, model, version, detector, effect,
       effect_unit AS unit, effect_ratio AS ratio, round_id AS round
FROM grafana_subjects WHERE {OF_SUBJECT} AND outcome >= 2
ORDER BY received_at DESC LIMIT 50
"""
# Rounds first, as values: a view of explanations takes them in by its index, however many it has.
LATELY = f"""round_id = ANY (ARRAY(
    SELECT round_id FROM grafana_judged WHERE {WITHIN} AND {VERSIONS}
    ORDER BY received_at DESC LIMIT 300
))"""
# Of each subject in each cohort, what the newest explanation says.
EXPLAINED = f"""
SELECT subject, cohort, kind, kind_probability AS "kind is", onset_step AS "onset step",
       onset_at AS onset,
       CASE WHEN earliest_step IS NULL THEN ''
            ELSE earliest_step || ' to ' || latest_step END AS "between steps",
       coalesce(origin, 'unknown: ' || origin_needs) AS moved, origin_probability AS "moved is",
       sentence, global_step AS step, round_id AS round
FROM (
    SELECT DISTINCT ON (subject, cohort) * FROM grafana_explanations
    WHERE {chosen.FEDERATION} AND {LATELY}
    ORDER BY subject, cohort, received_at DESC
) each
ORDER BY received_at DESC, cohort <> 'everyone', subject LIMIT 50
"""
CLUSTERS = f"""
SELECT subject, cohort, clients, movement, share, coalesce(mostly, 'no cohort alone') AS mostly,
       global_step AS step, round_id AS round
FROM grafana_clusters WHERE {chosen.FEDERATION} AND {LATELY}
ORDER BY received_at DESC, subject, cohort, share DESC LIMIT 50
"""
