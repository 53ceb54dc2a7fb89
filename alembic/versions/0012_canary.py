"""canary: a champion for each cohort, approvals, comments, expiry

Revision ID: 0012
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

from app.core.database import Json, Utc


revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("promotions") as batch_op:
        batch_op.add_column(
            sa.Column("kind", sa.String(), server_default="promotion", nullable=False)
        )
        batch_op.add_column(sa.Column("cohort", sa.String(), server_default=sa.text("''"), nullable=False))
        batch_op.add_column(sa.Column("why", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("criticality", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("required", Json, server_default="[]", nullable=False))
        batch_op.add_column(sa.Column("expires_at", Utc(), nullable=True))
        batch_op.create_check_constraint(
            op.f("ck_promotions_kind"), "kind IN ('promotion', 'split', 'merge', 'rollback')"
        )
    # What waits already needs what it needed when it was submitted.
    op.execute("""UPDATE promotions SET required = '["validator"]' WHERE state <> 'draft'""")
    _create_cohort_champions()
    _create_words()


def _create_cohort_champions() -> None:
    op.create_table(
        "cohort_champions",
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("cohort", sa.String(), nullable=False),
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.String(), nullable=True),
        sa.Column("since", Utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["federation_id"],
            ["federations.id"],
            name=op.f("fk_cohort_champions_federation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_cohort_champions_model_id")
        ),
        sa.PrimaryKeyConstraint("model_id", "cohort", name=op.f("pk_cohort_champions")),
    )
    with op.batch_alter_table("cohort_champions") as batch_op:
        batch_op.create_index(op.f("ix_cohort_champions_federation_id"), ["federation_id"])


def _create_words() -> None:
    """What people say of a promotion: approvals and comments."""
    op.create_table(
        "promotion_approvals",
        *_of_a_promotion("promotion_approvals"),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("evidence_sha256", sa.String(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.UniqueConstraint("promotion_id", "actor", name="uq_promotion_approvals"),
    )
    op.create_table(
        "promotion_comments",
        *_of_a_promotion("promotion_comments"),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
    )
    with op.batch_alter_table("promotion_approvals") as batch_op:
        batch_op.create_index(op.f("ix_promotion_approvals_federation_id"), ["federation_id"])
    with op.batch_alter_table("promotion_comments") as batch_op:
        batch_op.create_index(op.f("ix_promotion_comments_federation_id"), ["federation_id"])
        batch_op.create_index(op.f("ix_promotion_comments_promotion_id"), ["promotion_id"])


def _of_a_promotion(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("promotion_id", sa.Uuid(), nullable=False),
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["promotion_id"], ["promotions.id"], name=op.f(f"fk_{table}_promotion_id")
        ),
        sa.ForeignKeyConstraint(
            ["federation_id"],
            ["federations.id"],
            name=op.f(f"fk_{table}_federation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def downgrade() -> None:
    for table in ("promotion_comments", "promotion_approvals", "cohort_champions"):
        op.drop_table(table)
    # The old schema knows promotions of all clients alone, one open for each model.
    op.execute("DELETE FROM promotions WHERE cohort <> ''")
    with op.batch_alter_table("promotions") as batch_op:
        batch_op.drop_constraint(op.f("ck_promotions_kind"), type_="check")
        for name in ("expires_at", "required", "criticality", "why", "cohort", "kind"):
            batch_op.drop_column(name)
