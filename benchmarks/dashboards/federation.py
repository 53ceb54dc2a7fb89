"""A federation of 200 clients, 20 subjects and 5,000 rounds, an hour apart, made by PostgreSQL.

The rows are those that the service would have stored: 5 cohorts, 8 subjects that are rates and 12
that are distributions of 10 bins, each judged by the detectors that usually judge it. What clients
said one by one is packed and read by no dashboard, so it is left out.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from dashboards.expanding import View

CLIENTS, SUBJECTS, RATES, ROUNDS, COHORTS = 200, 20, 8, 5000, 5
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = BEGIN + timedelta(hours=ROUNDS + 1)
CHOSEN = {
    "federation": ["large"],
    "model": ["watched"],
    "version": ["1", "2"],
    "cohort": ["everyone"],
    "subject": ["feature:f12"],
}
VIEW = View(BEGIN, END, chosen=CHOSEN)

# Ids follow from numbers, so that rows can name each other without being looked up.
FUNCTION = """
CREATE FUNCTION uid(kind text, number bigint) RETURNS uuid IMMUTABLE LANGUAGE sql
AS $$ SELECT md5(kind || number)::uuid $$
"""
FOUND = """
INSERT INTO federations (id, name, title, min_cohort_size, cohort_tags, policy, policy_version,
                         created_at, salt)
VALUES (uid('f', 1), 'large', 'Large', 3, '{}', '{}', 1, %(begin)s, '00');
INSERT INTO models (id, federation_id, name, champion, canary, created_at)
VALUES (uid('m', 1), uid('f', 1), 'watched', '2', NULL, %(begin)s);
INSERT INTO bin_specs (federation_id, id, document, created_at)
SELECT uid('f', 1), 'bs_1', jsonb_build_object('labels', '["no", "yes"]'::jsonb, 'score',
       jsonb_build_object('edges', '[0, 0.5, 1]'::jsonb), 'features',
       jsonb_object_agg('f' || n, jsonb_build_object('kind', 'numeric', 'unit', 'h', 'edges',
           '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]'::jsonb))), %(begin)s
FROM generate_series(%(rates)s + 1, %(subjects)s) n;
INSERT INTO drift_references (id, federation_id, model, version, number, round_ids, last_step,
                              sha256, frozen_at, frozen_by, withdrawn, shards)
SELECT uid('ref', v), uid('f', 1), 'watched', v::text, 1,
       (SELECT jsonb_agg(uid('r', n + (v - 1) * 2500)) FROM generate_series(1, 8) n),
       8 + (v - 1) * 2500, repeat('0', 64), %(begin)s, 'benchmark', 0, 1
FROM generate_series(1, 2) v;
"""
STORED = """
INSERT INTO rounds (id, federation_id, run, number, phase, attempt, global_step, model, version,
                    canary_version, bin_spec, started_at, ended_at, envelope, body_sha256, accepted,
                    quarantined, state, received_at, evaluated_at, withdrawn)
SELECT uid('r', n), uid('f', 1), 'run', n, CASE WHEN n %% 100 < 5 THEN 'canary' ELSE 'evaluate' END,
       1, n, 'watched', CASE WHEN n <= 2500 THEN '1' ELSE '2' END,
       CASE WHEN n %% 100 < 5 THEN CASE WHEN n <= 2500 THEN '2' ELSE '1' END END, 'bs_1',
       at, at, jsonb_build_object('participation', jsonb_build_object('available', 220, 'sampled',
           210, 'replied', 200, 'timed_out', 5, 'latency_p50_ms', 800, 'latency_p95_ms', 2000)),
       repeat('0', 64), %(clients)s, n %% 3, 'evaluated', at + interval '30 s',
       at + interval '45 s', 0
FROM generate_series(1, %(rounds)s) n
CROSS JOIN LATERAL (SELECT %(begin)s + n * interval '1 h' AS at) t;
INSERT INTO round_aggregates (round_id, measured, scope, scope_key, clients, examples, loss_clients,
                              loss_examples, loss_sum, correct_clients, correct_examples,
                              correct_count, counts)
SELECT uid('r', n), measured, CASE c WHEN 0 THEN 'federation' ELSE 'cohort' END,
       CASE c WHEN 0 THEN '' ELSE 'site=' || c END, 200, 20000, 200, 20000,
       6000 + 500 * random(), 200, 20000, 18000 + 500 * random(), counts
FROM generate_series(1, %(rounds)s) n
CROSS JOIN generate_series(0, %(cohorts)s) c
CROSS JOIN LATERAL (
    SELECT 'model' AS measured UNION ALL SELECT 'canary' WHERE n %% 100 < 5
) m
CROSS JOIN (
    SELECT jsonb_object_agg('feature:f' || s, jsonb_build_object('clients', 200, 'sum',
               '[1000, 2000, 3000, 4000, 5000, 4000, 3000, 2000, 1000, 500]'::jsonb)) AS counts
    FROM generate_series(%(rates)s + 1, %(subjects)s) s
) k;
"""
JUDGED = """
INSERT INTO evaluations (id, federation_id, round_id, reference_id, model, version, global_step,
                         policy_version, inputs_sha256, shards, state, began_at, ended_at, worst)
SELECT uid('e', n), uid('f', 1), uid('r', n), uid('ref', v), 'watched', v::text, n, 1,
       repeat('0', 64), 1, 'evaluated', %(begin)s + n * interval '1 h',
       %(begin)s + n * interval '1 h', 1
FROM generate_series(1, %(rounds)s) n
CROSS JOIN LATERAL (SELECT CASE WHEN n <= 2500 THEN 1 ELSE 2 END AS v) t;
INSERT INTO round_subjects (round_id, scope, scope_key, subject, federation_id, model, version,
                            global_step, received_at, family, outcome, detector, statistic, effect,
                            effect_unit, effect_ratio, threshold, q_value,
                            minimum_detectable_effect, within_client, participation_mix,
                            clients_judged, clients_moved, clients_drifting, error_budget,
                            answers)
SELECT uid('r', n), CASE c WHEN 0 THEN 'federation' ELSE 'cohort' END,
       CASE c WHEN 0 THEN '' ELSE 'site=' || c END,
       CASE WHEN s <= %(rates)s THEN 'label:l' ELSE 'feature:f' END || s, uid('f', 1), 'watched',
       CASE WHEN n <= 2500 THEN '1' ELSE '2' END, n,
       %(begin)s + n * interval '1 h' + interval '30 s', 'data',
       CASE WHEN n %% 97 = s THEN 3 ELSE 1 END, 'ks', random(), random() / 10, 'probability',
       random(), 0.1, random(), 0.02, 0.01, 0.001, 200, 3, 1, 0.05,
       (SELECT jsonb_agg(jsonb_build_object('detector', d, 'outcome', 'stable', 'statistic', 0.1,
           'p_value', 0.2, 'q_value', 0.3)) FROM unnest(ARRAY['median-shift', 'ks', 'energy']) d)
FROM generate_series(1, %(rounds)s) n
CROSS JOIN generate_series(1, %(subjects)s) s
CROSS JOIN generate_series(0, %(cohorts)s) c;
"""
# As if two subjects drifted in every scope of every round, each with two groups of clients.
EXPLAINED = """
INSERT INTO explanations (id, federation_id, evaluation_id, round_id, subject, family, scope,
                          scope_key, sentence, explained, clients)
SELECT gen_random_uuid(), uid('f', 1), uid('e', n), uid('r', n), 'feature:f' || s, 'data',
       CASE c WHEN 0 THEN 'federation' ELSE 'cohort' END,
       CASE c WHEN 0 THEN '' ELSE 'site=' || c END, 'It drifts.', jsonb_build_object(
           'kind', '{"kind": "abrupt", "probabilities": {"abrupt": 0.9, "gradual": 0.1}}'::jsonb,
           'onset', jsonb_build_object('step', n, 'at', %(begin)s, 'earliest_step', n,
               'latest_step', n, 'coverage', 0.9),
           'origin', '{"origin": "virtual", "probabilities": {"virtual": 0.9}}'::jsonb,
           'clusters', '{"moved": [
               {"clients": 30, "movement": 0.1, "share": 0.7, "cohorts": ["site=1"]},
               {"clients": 12, "movement": 0.2, "share": 0.3, "cohorts": []}]}'::jsonb), '[]'
FROM generate_series(1, %(rounds)s) n
CROSS JOIN generate_series(%(rates)s + 1, %(rates)s + 2) s
CROSS JOIN generate_series(0, %(cohorts)s) c;
"""
FOLLOWED = """
INSERT INTO incidents (id, federation_id, model, version, cause, family, scope, scope_key, subject,
                       title, state, severity, opened_round, opened_step, onset_step, last_step,
                       quiet_rounds, evidence, opened_at, acknowledged_at, resolved_at, resolution)
SELECT uid('i', n), uid('f', 1), 'watched', '1', 'cause' || n, 'data', 'federation', '',
       'feature:f12', 'Drift', CASE WHEN n > 495 THEN 'open' ELSE 'resolved' END, 'warning',
       uid('r', n * 10), n * 10, n * 10, n * 10, 0, '{"clients_moved": 3, "clients_judged": 200}',
       at, at + interval '5 min', CASE WHEN n <= 495 THEN at + interval '3 h' END,
       CASE WHEN n <= 495 THEN 'subsided' END
FROM generate_series(1, %(rounds)s / 10) n
CROSS JOIN LATERAL (SELECT %(begin)s + n * interval '10 h' AS at) t;
INSERT INTO announcements (id, federation_id, incident_id, event, severity, step, detail, at)
SELECT uid('a', n), uid('f', 1), uid('i', n), 'opened', 'warning', 0, '{}',
       %(begin)s + n * interval '10 h' FROM generate_series(1, %(rounds)s / 10) n;
INSERT INTO notices (id, federation_id, announcement_id, incident_id, event, channel, state, at,
                     sent_at, attempts)
SELECT uid(channel, n), uid('f', 1), uid('a', n), uid('i', n), 'opened', channel, 'sent',
       %(begin)s + n * interval '10 h', %(begin)s + n * interval '10 h', 1
FROM generate_series(1, %(rounds)s / 10) n
CROSS JOIN unnest(ARRAY['log', 'chat', 'mail']) AS c (channel);
INSERT INTO refusals (id, federation_id, round_id, run, number, phase, field, code, message,
                      record_sha256, at)
SELECT gen_random_uuid(), uid('f', 1), uid('r', n), 'run', n, 'evaluate', 'clients', 'code' || k,
       'refused', repeat('0', 64), %(begin)s + n * interval '1 h'
FROM generate_series(1, %(rounds)s) n CROSS JOIN generate_series(1, 3) k;
INSERT INTO privacy_spent (round_id, federation_id, received_at, clients, worst_epsilon, near,
                           exhausted, epsilon_budget, delta)
SELECT uid('r', n), uid('f', 1), %(begin)s + n * interval '1 h', %(clients)s, n * 0.01, 0, 0, 100,
       1e-5 FROM generate_series(1, %(rounds)s) n;
INSERT INTO canary_looks (round_id, federation_id, model, champion, candidate, shadow, received_at,
                          rounds, clients, examples, difference, lower, upper, margin, confidence,
                          action)
SELECT uid('r', n), uid('f', 1), 'watched', CASE WHEN n <= 2500 THEN '1' ELSE '2' END,
       CASE WHEN n <= 2500 THEN '2' ELSE '1' END, n > 2500, %(begin)s + n * interval '1 h', 1,
       %(clients)s, 20000, -0.01, -0.02, 0.01, 0.005, 0.95, 'promote'
FROM generate_series(1, %(rounds)s) n WHERE n %% 100 < 5;
INSERT INTO model_versions (id, model_id, federation_id, version, run, weights_sha256, lineage,
                            registered_by, registered_by_id, created_at)
SELECT uid('v', n), uid('m', 1), uid('f', 1), n::text, 'run', repeat('0', 64), '{}', 'benchmark',
       'key:benchmark', %(begin)s FROM generate_series(1, 2) n;
INSERT INTO promotions (id, federation_id, model_id, candidate, champion, state, evidence,
                        submitted_by, submitted_by_id, created_at, decided_at, applied_at)
SELECT uid('p', n), uid('f', 1), uid('m', 1), '2', '1', 'applied', '{}', 'benchmark',
       'key:benchmark', at, at, at
FROM generate_series(1, 20) n
CROSS JOIN LATERAL (SELECT %(begin)s + n * interval '200 h' AS at) t;
INSERT INTO retrain_requests (id, federation_id, model, base_version, state, reason, plan,
                              requested_by, requested_step, created_at, expires_at, ended_at)
SELECT uid('q', n), uid('f', 1), 'watched', '1', 'completed', 'drift', '{}', 'policy', n, at, at,
       at + interval '1 h'
FROM generate_series(1, 20) n
CROSS JOIN LATERAL (SELECT %(begin)s + n * interval '200 h' AS at) t;
"""
PARAMETERS = {
    "begin": BEGIN,
    "clients": CLIENTS,
    "subjects": SUBJECTS,
    "rates": RATES,
    "cohorts": COHORTS,
}


def fill(connection: psycopg.Connection[Any], rounds: int = ROUNDS) -> None:
    """Make the federation's rows; the same each time but for the noise in them."""
    # Rows are consistent as they are made: triggers for foreign keys would check each of them.
    connection.execute("SET session_replication_role = replica")
    connection.execute(FUNCTION)
    cursor = psycopg.ClientCursor(connection)
    for script in (FOUND, STORED, JUDGED, EXPLAINED, FOLLOWED):
        cursor.execute(script, PARAMETERS | {"rounds": rounds})
    connection.execute("VACUUM ANALYZE")
