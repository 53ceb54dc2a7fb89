"""explanations of what drifts, and the levels of rounds that they date it by

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

from app.core.database import Json


revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("evaluations") as batch_op:
        batch_op.add_column(sa.Column("levels", sa.LargeBinary(), nullable=True))
    op.create_table(
        "explanations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("evaluation_id", sa.Uuid(), nullable=False),
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("scope_key", sa.String(), nullable=False),
        sa.Column("sentence", sa.String(), nullable=False),
        sa.Column("explained", Json, nullable=False),
        sa.Column("clients", Json, nullable=False),
        sa.CheckConstraint(
            "scope IN ('federation', 'cohort', 'client')", name=op.f("ck_explanations_scope")
        ),
        sa.ForeignKeyConstraint(
            ["federation_id"], ["federations.id"], name=op.f("fk_explanations_federation_id")
        ),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluations.id"], name=op.f("fk_explanations_evaluation_id")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["rounds.id"], name=op.f("fk_explanations_round_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_explanations")),
        sa.UniqueConstraint(
            "evaluation_id", "subject", "scope", "scope_key", name="uq_explanations_cause"
        ),
    )
    with op.batch_alter_table("explanations") as batch_op:
        batch_op.create_index(
            op.f("ix_explanations_federation_id"), ["federation_id"], unique=False
        )


def downgrade() -> None:
    op.drop_table("explanations")
    with op.batch_alter_table("evaluations") as batch_op:
        batch_op.drop_column("levels")
