"""For whom each piece of work was asked; views that tell dashboards why something drifts

An outbox row carries the ids of the request that asked for it, and its trace.

The views are of what explanations tell everybody, in scopes that may be shown, as those of 0014:
`explanations.clients`, which is for who may read clients, is in neither, and a group of clients
that moved alike is only there at or above the minimum cohort size of today.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import context, op

from app.core.database import Json

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# What every view of explanations is about: rounds and judgings in force, scopes that may be shown.
TOLD = """
FROM explanations x
JOIN evaluations e ON e.id = x.evaluation_id AND e.superseded_at IS NULL
JOIN federations f ON f.id = x.federation_id
JOIN rounds r ON r.id = x.round_id AND r.state <> 'superseded'
JOIN round_aggregates a ON a.round_id = x.round_id AND a.measured = 'model'
     AND a.scope = x.scope AND a.scope_key = x.scope_key
"""
PLACE = """f.name AS federation, e.model, e.version, x.round_id, e.global_step, r.received_at,
       x.scope, x.scope_key, CASE x.scope_key WHEN '' THEN 'everyone' ELSE x.scope_key END AS cohort,
       x.subject"""

EXPLANATIONS = f"""
SELECT {PLACE}, x.family, x.sentence,
       x.explained -> 'kind' ->> 'kind' AS kind,
       (x.explained -> 'kind' -> 'probabilities' ->> (x.explained -> 'kind' ->> 'kind'))::float8
           AS kind_probability,
       (x.explained -> 'onset' ->> 'step')::int AS onset_step,
       (x.explained -> 'onset' ->> 'at')::timestamptz AS onset_at,
       (x.explained -> 'onset' ->> 'earliest_step')::int AS earliest_step,
       (x.explained -> 'onset' ->> 'latest_step')::int AS latest_step,
       (x.explained -> 'onset' ->> 'coverage')::float8 AS onset_coverage,
       x.explained -> 'origin' ->> 'origin' AS origin,
       x.explained -> 'origin' ->> 'missing' AS origin_needs,
       (x.explained -> 'origin' -> 'probabilities'
           ->> (x.explained -> 'origin' ->> 'origin'))::float8 AS origin_probability,
       (x.explained -> 'split' ->> 'within_client')::float8 AS within_client_share
{TOLD}
WHERE x.scope <> 'client'
"""

CLUSTERS = f"""
SELECT {PLACE}, told.place AS cluster, (told.moved ->> 'clients')::int AS clients,
       (told.moved ->> 'movement')::float8 AS movement, (told.moved ->> 'share')::float8 AS share,
       (SELECT string_agg(one, ', ')
        FROM jsonb_array_elements_text(told.moved -> 'cohorts') AS named (one))
           AS mostly
{TOLD}
CROSS JOIN LATERAL jsonb_array_elements(
    CASE jsonb_typeof(x.explained -> 'clusters') WHEN 'object'
    THEN x.explained -> 'clusters' -> 'moved' ELSE '[]'::jsonb END
) WITH ORDINALITY AS told (moved, place)
WHERE x.scope <> 'client' AND (told.moved ->> 'clients')::int >= f.min_cohort_size
"""

VIEWS = {"grafana_explanations": EXPLANATIONS, "grafana_clusters": CLUSTERS}


def upgrade() -> None:
    op.add_column("outbox", sa.Column("context", Json, nullable=True))
    op.create_index("ix_explanations_round_id", "explanations", ["round_id"])
    if not _on_postgres():
        return
    for name, query in VIEWS.items():
        op.execute(f"CREATE VIEW {name} WITH (security_barrier) AS {query}")
        op.execute(_grant(name))


def downgrade() -> None:
    if _on_postgres():
        for name in VIEWS:
            op.execute(f"DROP VIEW {name}")
    op.drop_index("ix_explanations_round_id", table_name="explanations")
    with op.batch_alter_table("outbox") as batch_op:
        batch_op.drop_column("context")


def _on_postgres() -> bool:
    return op.get_context().dialect.name == "postgresql"


def _grant(name: str) -> str:
    """What gives Grafana's role a view, where there is the role already."""
    told: str = context.script.get_revision("0014").module.GRANT
    return told.format(name=name)
