"""the views that Grafana reads

Grafana's role may read these views and no table. They hold no row about a single client, and what
fewer clients than the federation's minimum cohort size stand behind is left out. A view runs with
the rights of its owner, so that the role needs none on the tables; `security_barrier` keeps a
cheap function in someone's WHERE from seeing rows that a view leaves out.

PostgreSQL only: the embedded profile's SQLite has no roles to hold back and no Grafana to serve.

Revision ID: 0002
Revises: 0001
"""

from alembic import op


revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# How many clients answered behind each scope of a round; Grafana does not read this one.
SCOPE_SIZES = """
SELECT round_id, 'federation' AS scope, '' AS scope_key, count(*) AS clients
FROM client_reports
WHERE status = 'ok'
GROUP BY round_id
UNION ALL
SELECT r.round_id, 'cohort', tag.key || '=' || tag.value, count(*)
FROM client_reports r CROSS JOIN LATERAL jsonb_each_text(r.cohorts) AS tag
WHERE r.status = 'ok'
GROUP BY r.round_id, tag.key, tag.value
"""

# One row per client and model version that its report measures; Grafana does not read this one.
CLIENT_METRICS = """
SELECT c.round_id, m.measured, c.num_examples,
       (m.metrics ->> 'loss_sum')::float8 AS loss_sum,
       (m.metrics ->> 'correct_count')::float8 AS correct_count
FROM client_reports c
CROSS JOIN LATERAL (
    VALUES ('model', c.record -> 'metrics'), ('canary', c.record -> 'canary' -> 'metrics')
) AS m (measured, metrics)
WHERE c.status = 'ok' AND jsonb_typeof(m.metrics) = 'object'
"""

FEDERATIONS = """
SELECT name AS federation, title, min_cohort_size FROM federations
"""

MODELS = """
SELECT f.name AS federation, m.name AS model, m.champion, m.canary
FROM models m JOIN federations f ON f.id = m.federation_id
"""

ROUNDS = """
SELECT f.name AS federation, r.model, r.version, r.canary_version, r.run, r.number, r.phase,
       r.attempt, r.global_step, r.started_at, r.ended_at, r.received_at, r.evaluated_at,
       r.accepted, r.quarantined, r.state
FROM rounds r JOIN federations f ON f.id = r.federation_id
"""

# Where in a push a record stood is left out: it could tell clients apart.
REFUSALS = """
SELECT f.name AS federation, r.model, x.run, x.number, x.phase, x.code, x.at
FROM refusals x
JOIN federations f ON f.id = x.federation_id
LEFT JOIN rounds r ON r.id = x.round_id
"""

# Superseded rounds are left out: two attempts that differ by one client would give that client away.
ROUND_METRICS = """
SELECT f.name AS federation, r.model,
       CASE s.measured WHEN 'canary' THEN r.canary_version ELSE r.version END AS version,
       s.measured, r.phase, r.global_step, r.ended_at, r.received_at,
       s.clients, s.examples,
       CASE WHEN s.with_loss >= f.min_cohort_size THEN s.log_loss END AS log_loss,
       CASE WHEN s.with_errors >= f.min_cohort_size THEN s.error_rate END AS error_rate
FROM rounds r
JOIN federations f ON f.id = r.federation_id
CROSS JOIN LATERAL (
    SELECT c.measured, count(*) AS clients, sum(c.num_examples) AS examples,
           sum(c.loss_sum)
             / nullif(sum(c.num_examples) FILTER (WHERE c.loss_sum IS NOT NULL), 0) AS log_loss,
           1 - sum(c.correct_count)
             / nullif(sum(c.num_examples) FILTER (WHERE c.correct_count IS NOT NULL), 0)
             AS error_rate,
           count(c.loss_sum) AS with_loss,
           count(c.correct_count) AS with_errors
    FROM client_metrics c
    WHERE c.round_id = r.id
    GROUP BY c.measured
) AS s
WHERE r.state <> 'superseded' AND s.clients >= f.min_cohort_size
"""

VERDICTS = """
SELECT f.name AS federation, v.model, v.version, v.global_step, r.phase, r.ended_at, r.received_at,
       v.subject, v.family, v.scope, v.scope_key, v.detector, v.outcome, v.statistic, v.effect,
       v.effect_unit, v.threshold, v.effect / nullif(v.threshold, 0) AS effect_ratio,
       v.p_value, v.q_value, v.error_budget, v.minimum_detectable_effect, s.clients, v.at
FROM verdicts v
JOIN federations f ON f.id = v.federation_id
JOIN rounds r ON r.id = v.round_id
CROSS JOIN LATERAL (
    SELECT z.clients FROM scope_sizes z
    WHERE z.round_id = v.round_id AND z.scope = v.scope AND z.scope_key = v.scope_key
) AS s
WHERE v.scope <> 'client' AND r.state <> 'superseded' AND s.clients >= f.min_cohort_size
"""

INCIDENTS = """
SELECT i.id, f.name AS federation, i.model, i.version, i.family, i.scope, i.scope_key, i.subject,
       i.title, i.state, i.severity, i.onset_step, i.opened_step, i.last_step, i.opened_at,
       i.acknowledged_at, i.resolved_at, i.resolution
FROM incidents i
JOIN federations f ON f.id = i.federation_id
CROSS JOIN LATERAL (
    SELECT z.clients FROM scope_sizes z
    WHERE z.round_id = i.opened_round AND z.scope = i.scope AND z.scope_key = i.scope_key
) AS s
WHERE i.scope <> 'client' AND s.clients >= f.min_cohort_size
"""

# Reasons are left out here and in promotions: people write them, and may name a client.
RETRAIN_REQUESTS = """
SELECT f.name AS federation, q.model, q.base_version, q.state, q.requested_step, q.result_version,
       q.created_at, q.ended_at
FROM retrain_requests q JOIN federations f ON f.id = q.federation_id
"""

PROMOTIONS = """
SELECT f.name AS federation, m.name AS model, p.candidate, p.champion, p.state, p.created_at,
       p.submitted_at, p.decided_at, p.applied_at
FROM promotions p
JOIN federations f ON f.id = p.federation_id
JOIN models m ON m.id = p.model_id
"""

# In the order in which they are made: later ones read earlier ones.
VIEWS = {
    "scope_sizes": SCOPE_SIZES,
    "client_metrics": CLIENT_METRICS,
    "grafana_federations": FEDERATIONS,
    "grafana_models": MODELS,
    "grafana_rounds": ROUNDS,
    "grafana_refusals": REFUSALS,
    "grafana_round_metrics": ROUND_METRICS,
    "grafana_verdicts": VERDICTS,
    "grafana_incidents": INCIDENTS,
    "grafana_retrain_requests": RETRAIN_REQUESTS,
    "grafana_promotions": PROMOTIONS,
}


def upgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    for name, query in VIEWS.items():
        op.execute(f"CREATE VIEW {name} WITH (security_barrier) AS {query}")


def downgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    for name in reversed(VIEWS):
        op.execute(f"DROP VIEW {name}")
