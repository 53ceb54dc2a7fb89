"""evaluation: judgings of a round, their shards, and the state of streams

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from app.core.database import Utc


revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "drift_references", sa.Column("shards", sa.Integer(), server_default="1", nullable=False)
    )
    op.create_table(
        "evaluations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.Column("reference_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("global_step", sa.Integer(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("inputs_sha256", sa.String(), nullable=False),
        sa.Column("shards", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("began_at", Utc(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("superseded_at", Utc(), nullable=True),
        sa.CheckConstraint(
            "state IN ('evaluating', 'evaluated', 'partial')", name=op.f("ck_evaluations_state")
        ),
        sa.ForeignKeyConstraint(
            ["federation_id"], ["federations.id"], name=op.f("fk_evaluations_federation_id")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_evaluations_round_id")),
        sa.ForeignKeyConstraint(
            ["reference_id"], ["drift_references.id"], name=op.f("fk_evaluations_reference_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluations")),
    )
    op.create_index(
        "uq_evaluations_round",
        "evaluations",
        ["round_id"],
        unique=True,
        sqlite_where=sa.text("superseded_at IS NULL"),
        postgresql_where=sa.text("superseded_at IS NULL"),
    )
    op.create_index("ix_evaluations_model", "evaluations", ["federation_id", "model", "state"])
    op.create_table(
        "evaluation_shards",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("evaluation_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'judged', 'quarantined')", name=op.f("ck_evaluation_shards_state")
        ),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluations.id"], name=op.f("fk_evaluation_shards_evaluation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluation_shards")),
        sa.UniqueConstraint("evaluation_id", "number", name="uq_evaluation_shards_number"),
    )
    op.create_table(
        "stream_states",
        sa.Column("reference_id", sa.Uuid(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.Column("global_step", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reference_id"], ["drift_references.id"], name=op.f("fk_stream_states_reference_id")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["rounds.id"], name=op.f("fk_stream_states_round_id")
        ),
        sa.PrimaryKeyConstraint(
            "reference_id", "shard", "round_id", name=op.f("pk_stream_states")
        ),
    )


def downgrade() -> None:
    for table in ("stream_states", "evaluation_shards", "evaluations"):
        op.drop_table(table)
    op.drop_column("drift_references", "shards")
