"""dashboards: what they read of rounds, in columns, and the views over it

Grafana's role may read these views and no table. They hold no row about a single client, and no
scope that may not be shown: `round_aggregates` and `round_subjects` have none (ADR 0011). Rounds
that a later attempt replaced are left out of whatever was found in rounds: two attempts that differ
by one client would give that client away. A view runs with the rights of its owner;
`security_barrier` keeps a cheap function in someone's WHERE from seeing rows that a view leaves out.

Views are for PostgreSQL only: the embedded profile's SQLite has no Grafana to serve.

Revision ID: 0014
Revises: 0006
"""

import sqlalchemy as sa
from alembic import context, op

from app.core.database import Json, Utc


revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Everyone, or a cohort such as "hub=EWR", which is what people choose from.
COHORT = "CASE scope_key WHEN '' THEN 'everyone' ELSE scope_key END AS cohort"

FEDERATIONS = """
SELECT name AS federation, title, min_cohort_size FROM federations
"""

MODELS = """
SELECT f.name AS federation, m.name AS model, m.champion, m.canary, m.created_at
FROM models m JOIN federations f ON f.id = m.federation_id
"""

VERSIONS = """
SELECT f.name AS federation, m.name AS model, v.version, v.parent_version, v.run, v.created_at,
       v.retrain_request_id IS NOT NULL AS retrained,
       CASE v.version WHEN m.champion THEN 'champion' WHEN m.canary THEN 'canary' ELSE '' END AS role
FROM model_versions v
JOIN models m ON m.id = v.model_id
JOIN federations f ON f.id = v.federation_id
"""

ROUNDS = """
SELECT f.name AS federation, r.id, r.model, r.version, r.canary_version, r.run, r.number, r.phase,
       r.attempt, r.global_step, r.started_at, r.ended_at, r.received_at, r.evaluated_at, r.accepted,
       r.quarantined, r.state, r.withdrawn,
       (r.envelope #>> '{participation,available}')::bigint AS available,
       (r.envelope #>> '{participation,sampled}')::bigint AS sampled,
       (r.envelope #>> '{participation,replied}')::bigint AS replied,
       (r.envelope #>> '{participation,timed_out}')::bigint AS timed_out,
       (r.envelope #>> '{participation,latency_p50_ms}')::float8 AS latency_p50_ms,
       (r.envelope #>> '{participation,latency_p95_ms}')::float8 AS latency_p95_ms,
       extract(epoch FROM r.received_at - r.ended_at)::float8 AS late_seconds,
       extract(epoch FROM r.evaluated_at - r.received_at)::float8 AS evaluation_seconds
FROM rounds r JOIN federations f ON f.id = r.federation_id
"""

# Where in a push a record stood is left out: it could tell clients apart.
REFUSALS = """
SELECT f.name AS federation, r.model, x.run, x.number, x.phase, x.code, x.at
FROM refusals x
JOIN federations f ON f.id = x.federation_id
LEFT JOIN rounds r ON r.id = x.round_id
"""

MEASURES = f"""
SELECT f.name AS federation, r.model,
       CASE a.measured WHEN 'canary' THEN r.canary_version ELSE r.version END AS version,
       r.version AS beside, a.measured, r.phase, r.global_step, r.received_at, {COHORT}, a.clients,
       a.examples, a.loss_sum / nullif(a.loss_examples, 0) AS log_loss,
       1 - a.correct_count / nullif(a.correct_examples, 0) AS error_rate
FROM rounds r
JOIN federations f ON f.id = r.federation_id
JOIN round_aggregates a ON a.round_id = r.id
WHERE r.state <> 'superseded'
"""

NOT_SUPERSEDED = """NOT EXISTS (
    SELECT FROM rounds r WHERE r.id = s.round_id AND r.state = 'superseded'
)"""

SUBJECTS = f"""
SELECT f.name AS federation, s.round_id, s.model, s.version, s.global_step, s.received_at, s.subject,
       s.family, {COHORT}, s.scope_key, s.outcome, s.detector, s.statistic, s.effect, s.effect_unit,
       s.effect_ratio, s.threshold, s.q_value, s.minimum_detectable_effect, s.within_client,
       s.participation_mix, s.clients_judged, s.clients_moved, s.clients_drifting
FROM round_subjects s JOIN federations f ON f.id = s.federation_id
WHERE {NOT_SUPERSEDED}
"""

# Each detector's own answer.
ANSWERED = f"""
SELECT f.name AS federation, s.model, s.version, s.global_step, s.received_at, s.subject,
       {COHORT}, s.scope_key, s.error_budget, a.detector, a.outcome, a.statistic, a.p_value, a.q_value
FROM round_subjects s
JOIN federations f ON f.id = s.federation_id
CROSS JOIN LATERAL jsonb_to_recordset(s.answers) AS a (
    detector text, outcome text, statistic float8, p_value float8, q_value float8
)
WHERE {NOT_SUPERSEDED}
"""

# One row a judged round, with the number of the reference that it was judged against.
JUDGED = """
SELECT f.name AS federation, e.round_id, e.model, e.version, e.global_step, r.received_at, e.worst,
       d.number AS reference
FROM evaluations e
JOIN federations f ON f.id = e.federation_id
JOIN rounds r ON r.id = e.round_id AND r.state <> 'superseded'
JOIN drift_references d ON d.id = e.reference_id
WHERE e.superseded_at IS NULL AND e.ended_at IS NOT NULL
"""

# A subject's counts with what its bins are called: categories by name, numbers from edge to edge.
BINS = """
CROSS JOIN LATERAL jsonb_each(a.counts) AS told (name, counted)
CROSS JOIN LATERAL (
    SELECT CASE told.name WHEN 'label_counts' THEN 'label' WHEN 'prediction_counts' THEN 'prediction'
                WHEN 'score_histogram' THEN 'score' ELSE told.name END AS subject,
           CASE WHEN told.name IN ('label_counts', 'prediction_counts') THEN
                     jsonb_build_object('names', spec.document -> 'labels')
                WHEN told.name = 'score_histogram' THEN spec.document -> 'score'
                ELSE spec.document -> 'features' -> substr(told.name, length('feature:') + 1)
           END AS bins
) AS named
CROSS JOIN LATERAL jsonb_array_elements_text(told.counted -> 'sum') WITH ORDINALITY
     AS counted (examples, bin)
"""
BIN = """
coalesce(
    coalesce(bins -> 'names', bins -> 'categories') ->> (counted.bin::int - 1),
    (bins -> 'edges' ->> (counted.bin::int - 1)) || ' to ' || (bins -> 'edges' ->> counted.bin::int)
        || coalesce(' ' || (bins ->> 'unit'), ''),
    'other'
) AS bin_name
"""

DISTRIBUTIONS = f"""
SELECT f.name AS federation, r.id AS round_id, r.model, r.version, {COHORT}, named.subject,
       counted.bin, {BIN}, greatest(counted.examples::float8, 0) AS examples
FROM rounds r
JOIN federations f ON f.id = r.federation_id
JOIN round_aggregates a ON a.round_id = r.id AND a.measured = 'model'
LEFT JOIN bin_specs spec ON spec.federation_id = r.federation_id AND spec.id = r.bin_spec
{BINS}
WHERE r.state <> 'superseded' AND told.name <> 'confusion'
"""

# Shown rounds together are as fine as each of them alone: what is hidden in one is in none.
REFERENCES = f"""
SELECT f.name AS federation, d.model, d.version, d.number, d.last_step, d.frozen_at, {COHORT},
       named.subject, counted.bin, {BIN}, sum(greatest(counted.examples::float8, 0)) AS examples
FROM drift_references d
JOIN federations f ON f.id = d.federation_id
CROSS JOIN LATERAL jsonb_array_elements_text(d.round_ids) AS part (round_id)
JOIN rounds r ON r.id = part.round_id::uuid AND r.state <> 'superseded'
JOIN round_aggregates a ON a.round_id = r.id AND a.measured = 'model'
LEFT JOIN bin_specs spec ON spec.federation_id = r.federation_id AND spec.id = r.bin_spec
{BINS}
WHERE told.name <> 'confusion'
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
"""

INCIDENTS = """
SELECT i.id, f.name AS federation, i.model, i.version, i.family, i.scope, i.scope_key,
       CASE i.scope_key WHEN '' THEN 'everyone' ELSE i.scope_key END AS cohort, i.subject,
       i.title, i.state, i.severity, i.onset_step, i.opened_step, i.last_step, i.opened_at,
       i.acknowledged_at, i.resolved_at, i.resolution, s.received_at AS onset_at,
       (i.evidence ->> 'clients_moved')::int AS clients_moved,
       (i.evidence ->> 'clients_judged')::int AS clients_judged,
       (i.evidence ->> 'within_client')::float8 AS within_client,
       (i.evidence ->> 'participation_mix')::float8 AS participation_mix,
       extract(epoch FROM i.acknowledged_at - i.opened_at)::float8 AS acknowledge_seconds,
       extract(epoch FROM i.resolved_at - i.opened_at)::float8 AS resolve_seconds
FROM incidents i
JOIN federations f ON f.id = i.federation_id
JOIN round_aggregates a ON a.round_id = i.opened_round AND a.measured = 'model'
     AND a.scope = i.scope AND a.scope_key = i.scope_key
LEFT JOIN LATERAL (
    SELECT min(r.received_at) AS received_at FROM rounds r
    WHERE r.federation_id = i.federation_id AND r.model = i.model AND r.version = i.version
      AND r.phase IN ('evaluate', 'canary', 'serve') AND r.global_step = i.onset_step
      AND r.state <> 'superseded'
) s ON true
WHERE i.scope <> 'client'
"""

# Reasons are left out here and in promotions: people write them, and may name a client.
RETRAIN_REQUESTS = """
SELECT q.id, f.name AS federation, q.model, q.base_version, q.state, q.requested_step,
       q.result_version, q.created_at, q.ended_at
FROM retrain_requests q JOIN federations f ON f.id = q.federation_id
"""

PROMOTIONS = """
SELECT p.id, f.name AS federation, m.name AS model, p.candidate, p.champion, p.state, p.created_at,
       p.submitted_at, p.decided_at, p.applied_at
FROM promotions p
JOIN federations f ON f.id = p.federation_id
JOIN models m ON m.id = p.model_id
"""

CANARY_LOOKS = f"""
SELECT f.name AS federation, s.model, s.champion, s.candidate, s.shadow, s.received_at, s.rounds,
       s.clients, s.examples, s.difference, s.lower, s.upper, s.margin, s.confidence, s.action
FROM canary_looks s JOIN federations f ON f.id = s.federation_id
WHERE {NOT_SUPERSEDED}
"""

PRIVACY = """
SELECT f.name AS federation, s.received_at, s.clients, s.worst_epsilon, s.near, s.exhausted,
       s.epsilon_budget, s.delta
FROM privacy_spent s JOIN federations f ON f.id = s.federation_id
"""

# What a message failed of is left out: errors of channels may quote their addresses.
NOTICES = """
SELECT f.name AS federation, n.announcement_id, n.event, n.channel, n.state, n.at, n.sent_at,
       n.attempts, i.model, i.severity
FROM notices n
JOIN federations f ON f.id = n.federation_id
LEFT JOIN incidents i ON i.id = n.incident_id
"""

VIEWS = {
    "grafana_federations": FEDERATIONS,
    "grafana_models": MODELS,
    "grafana_versions": VERSIONS,
    "grafana_rounds": ROUNDS,
    "grafana_refusals": REFUSALS,
    "grafana_measures": MEASURES,
    "grafana_subjects": SUBJECTS,
    "grafana_answers": ANSWERED,
    "grafana_judged": JUDGED,
    "grafana_distributions": DISTRIBUTIONS,
    "grafana_references": REFERENCES,
    "grafana_incidents": INCIDENTS,
    "grafana_retrain_requests": RETRAIN_REQUESTS,
    "grafana_promotions": PROMOTIONS,
    "grafana_canary_looks": CANARY_LOOKS,
    "grafana_privacy": PRIVACY,
    "grafana_notices": NOTICES,
}

# The role of deploy/postgres/grafana_reader.sql, where there is one already.
GRANT = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'vigie_grafana') THEN
        GRANT SELECT ON {name} TO vigie_grafana;
    END IF;
END $$
"""

# What was judged before: the answers on each subject, as `app/drift/subject_rows.py` has it.
FILL = """
INSERT INTO round_subjects (
    round_id, scope, scope_key, subject, federation_id, model, version, global_step, received_at,
    family, outcome, detector, statistic, effect, effect_unit, effect_ratio, threshold, q_value,
    minimum_detectable_effect, within_client, participation_mix, clients_judged, clients_moved,
    clients_drifting, error_budget, answers
)
SELECT v.round_id, v.scope, v.scope_key, v.subject, v.federation_id, v.model, v.version,
       v.global_step, r.received_at, v.family, v.worst, v.detector, v.statistic, v.effect,
       v.effect_unit, v.ratio, v.threshold, v.q_value, v.minimum_detectable_effect,
       {numbers}, v.error_budget, {answers}
FROM (
    SELECT ranked.*, row_number() OVER (
        PARTITION BY round_id, scope, scope_key, subject
        ORDER BY threshold > 0 DESC, answer DESC, coalesce(ratio, 0) DESC, detector DESC
    ) AS place, max(answer) OVER (PARTITION BY round_id, scope, scope_key, subject) AS worst
    FROM (
        SELECT verdicts.*, abs(effect) / nullif(threshold, 0) AS ratio,
               CASE outcome WHEN 'drift' THEN 3 WHEN 'warning' THEN 2 WHEN 'stable' THEN 1 ELSE 0
               END AS answer
        FROM verdicts WHERE scope <> 'client' AND superseded_at IS NULL
    ) ranked
) v
JOIN rounds r ON r.id = v.round_id
JOIN round_aggregates a ON a.round_id = v.round_id AND a.measured = 'model'
     AND a.scope = v.scope AND a.scope_key = v.scope_key
WHERE v.place = 1 AND r.state <> 'superseded'
"""
# Every detector's answer on the subject, as one list.
ANSWERS = {
    "postgresql": """(
        SELECT jsonb_agg(jsonb_build_object('detector', o.detector, 'outcome', o.outcome,
            'statistic', o.statistic, 'p_value', o.p_value, 'q_value', o.q_value))
        FROM verdicts o WHERE o.round_id = v.round_id AND o.scope = v.scope
            AND o.scope_key = v.scope_key AND o.subject = v.subject AND o.superseded_at IS NULL
    )""",
    "sqlite": """(
        SELECT json_group_array(json_object('detector', o.detector, 'outcome', o.outcome,
            'statistic', o.statistic, 'p_value', o.p_value, 'q_value', o.q_value))
        FROM verdicts o WHERE o.round_id = v.round_id AND o.scope = v.scope
            AND o.scope_key = v.scope_key AND o.subject = v.subject AND o.superseded_at IS NULL
    )""",
}
WORST = """
UPDATE evaluations SET worst = coalesce((
    SELECT max(outcome) FROM round_subjects s
    WHERE s.round_id = evaluations.round_id AND s.scope = 'federation'
), 0) WHERE superseded_at IS NULL AND ended_at IS NOT NULL
"""
EXPLAINED = {
    "within_client": "float8",
    "participation_mix": "float8",
    "clients_judged": "int",
    "clients_moved": "int",
    "clients_drifting": "int",
}


def upgrade() -> None:
    _create_tables()
    _create_indexes()
    op.add_column("evaluations", sa.Column("worst", sa.SmallInteger(), nullable=True))
    op.execute(FILL.format(numbers=_numbers(), answers=ANSWERS[op.get_context().dialect.name]))
    op.execute(WORST)
    if not _on_postgres():
        return
    _drop(_old_views())
    for name, query in VIEWS.items():
        op.execute(f"CREATE VIEW {name} WITH (security_barrier) AS {query}")
        op.execute(GRANT.format(name=name))


def _numbers() -> str:
    """The numbers that a verdict's explanation tells, in the dialect's own words."""
    said = {
        "postgresql": "(v.explanation ->> '{name}')::{kind}",
        "sqlite": "json_extract(v.explanation, '$.{name}')",
    }[op.get_context().dialect.name]
    return ", ".join(said.format(name=name, kind=kind) for name, kind in EXPLAINED.items())


def _create_tables() -> None:
    op.create_table(
        "round_subjects",
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("scope_key", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("global_step", sa.Integer(), nullable=False),
        sa.Column("received_at", Utc(), nullable=False),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("outcome", sa.SmallInteger(), nullable=False),
        sa.Column("detector", sa.String(), nullable=False),
        sa.Column("statistic", sa.Float(), nullable=True),
        sa.Column("effect", sa.Float(), nullable=True),
        sa.Column("effect_unit", sa.String(), nullable=False),
        sa.Column("effect_ratio", sa.Float(), nullable=True),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("q_value", sa.Float(), nullable=True),
        sa.Column("minimum_detectable_effect", sa.Float(), nullable=True),
        sa.Column("within_client", sa.Float(), nullable=True),
        sa.Column("participation_mix", sa.Float(), nullable=True),
        sa.Column("clients_judged", sa.Integer(), nullable=True),
        sa.Column("clients_moved", sa.Integer(), nullable=True),
        sa.Column("clients_drifting", sa.Integer(), nullable=True),
        sa.Column("error_budget", sa.Float(), nullable=False),
        sa.Column("answers", Json, nullable=False),
        sa.CheckConstraint(
            "scope IN ('federation', 'cohort')", name=op.f("ck_round_subjects_scope")
        ),
        sa.CheckConstraint("outcome BETWEEN 0 AND 3", name=op.f("ck_round_subjects_outcome")),
        _to("round_subjects", "federation_id", "federations"),
        _to("round_subjects", "round_id", "rounds"),
        sa.PrimaryKeyConstraint(
            "round_id", "scope", "scope_key", "subject", name=op.f("pk_round_subjects")
        ),
    )
    op.create_table(
        "privacy_spent",
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", Utc(), nullable=False),
        sa.Column("clients", sa.Integer(), nullable=False),
        sa.Column("worst_epsilon", sa.Float(), nullable=True),
        sa.Column("near", sa.Integer(), nullable=False),
        sa.Column("exhausted", sa.Integer(), nullable=False),
        sa.Column("epsilon_budget", sa.Float(), nullable=True),
        sa.Column("delta", sa.Float(), nullable=False),
        _to("privacy_spent", "federation_id", "federations"),
        _to("privacy_spent", "round_id", "rounds"),
        sa.PrimaryKeyConstraint("round_id", name=op.f("pk_privacy_spent")),
    )
    op.create_table(
        "canary_looks",
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("champion", sa.String(), nullable=False),
        sa.Column("candidate", sa.String(), nullable=False),
        sa.Column("shadow", sa.Boolean(), nullable=False),
        sa.Column("received_at", Utc(), nullable=False),
        sa.Column("rounds", sa.Integer(), nullable=False),
        sa.Column("clients", sa.Integer(), nullable=False),
        sa.Column("examples", sa.BigInteger(), nullable=False),
        sa.Column("difference", sa.Float(), nullable=True),
        sa.Column("lower", sa.Float(), nullable=True),
        sa.Column("upper", sa.Float(), nullable=True),
        sa.Column("margin", sa.Float(), nullable=True),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        _to("canary_looks", "federation_id", "federations"),
        _to("canary_looks", "round_id", "rounds"),
        sa.PrimaryKeyConstraint("round_id", name=op.f("pk_canary_looks")),
    )


def _create_indexes() -> None:
    op.create_index(
        "ix_round_subjects_series",
        "round_subjects",
        ["federation_id", "model", "subject", "scope_key", "received_at"],
        postgresql_include=["round_id", "version", "effect"],
    )
    op.create_index(
        "ix_round_subjects_time",
        "round_subjects",
        ["federation_id", "model", "scope_key", "received_at"],
        postgresql_include=["round_id", "subject", "version", "outcome"],
    )
    op.create_index("ix_privacy_spent_series", "privacy_spent", ["federation_id", "received_at"])
    op.create_index(
        "ix_canary_looks_series", "canary_looks", ["federation_id", "model", "received_at"]
    )
    op.create_index("ix_rounds_received", "rounds", ["federation_id", "model", "received_at"])
    superseded = sa.text("state = 'superseded'")
    op.create_index(
        "ix_rounds_superseded",
        "rounds",
        ["id"],
        sqlite_where=superseded,
        postgresql_where=superseded,
    )
    op.create_index("ix_refusals_series", "refusals", ["federation_id", "at"])
    op.create_index("ix_notices_series", "notices", ["federation_id", "at"])


def _to(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}"))


def downgrade() -> None:
    if _on_postgres():
        _drop(VIEWS)
    op.drop_index("ix_notices_series", table_name="notices")
    op.drop_index("ix_refusals_series", table_name="refusals")
    op.drop_index("ix_rounds_superseded", table_name="rounds")
    op.drop_index("ix_rounds_received", table_name="rounds")
    with op.batch_alter_table("evaluations") as batch_op:
        batch_op.drop_column("worst")
    for table in ("canary_looks", "privacy_spent", "round_subjects"):
        op.drop_table(table)
    if _on_postgres():
        for name, query in _old_views().items():
            op.execute(f"CREATE VIEW {name} WITH (security_barrier) AS {query}")
            op.execute(GRANT.format(name=name))


def _on_postgres() -> bool:
    return op.get_context().dialect.name == "postgresql"


def _old_views() -> dict[str, str]:
    """The views before this migration, by name."""
    found: dict[str, str] = context.script.get_revision("0002").module.VIEWS
    return found


def _drop(views: dict[str, str]) -> None:
    for name in reversed(views):
        op.execute(f"DROP VIEW {name}")
