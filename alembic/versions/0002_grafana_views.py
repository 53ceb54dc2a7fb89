"""the views that Grafana reads

Grafana's role may read these views and no table. They hold no row about a single client. What few
clients stand behind, or would show by subtraction, is not in `round_aggregates`; so a cohort that
has no row there is left out. A view runs with the rights of its owner, so that the role needs none on the tables; `security_barrier` keeps a
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
       CASE a.measured WHEN 'canary' THEN r.canary_version ELSE r.version END AS version,
       a.measured, r.phase, r.global_step, r.ended_at, r.received_at, a.clients, a.examples,
       a.loss_sum / nullif(a.loss_examples, 0) AS log_loss,
       1 - a.correct_count / nullif(a.correct_examples, 0) AS error_rate
FROM rounds r
JOIN federations f ON f.id = r.federation_id
JOIN round_aggregates a ON a.round_id = r.id AND a.scope = 'federation'
WHERE r.state <> 'superseded'
"""

VERDICTS = """
SELECT f.name AS federation, v.model, v.version, v.global_step, r.phase, r.ended_at, r.received_at,
       v.subject, v.family, v.scope, v.scope_key, v.detector, v.outcome, v.statistic, v.effect,
       v.effect_unit, v.threshold, v.effect / nullif(v.threshold, 0) AS effect_ratio,
       v.p_value, v.q_value, v.error_budget, v.minimum_detectable_effect, s.clients, v.at
FROM verdicts v
JOIN federations f ON f.id = v.federation_id
JOIN rounds r ON r.id = v.round_id
JOIN round_aggregates s ON s.round_id = v.round_id AND s.measured = 'model'
     AND s.scope = v.scope AND s.scope_key = v.scope_key
WHERE v.scope <> 'client' AND v.superseded_at IS NULL AND r.state <> 'superseded'
"""

INCIDENTS = """
SELECT i.id, f.name AS federation, i.model, i.version, i.family, i.scope, i.scope_key, i.subject,
       i.title, i.state, i.severity, i.onset_step, i.opened_step, i.last_step, i.opened_at,
       i.acknowledged_at, i.resolved_at, i.resolution
FROM incidents i
JOIN federations f ON f.id = i.federation_id
JOIN round_aggregates s ON s.round_id = i.opened_round AND s.measured = 'model'
     AND s.scope = i.scope AND s.scope_key = i.scope_key
WHERE i.scope <> 'client'
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

VIEWS = {
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
