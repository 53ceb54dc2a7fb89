"""identities: whose a key is, and who made, asked for and approved what; policies that are tried

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

from app.core.database import Json, Utc


revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# Of what was there before, the names are all that is known.
NAMED = (
    ("model_versions", "registered_by_id", "registered_by"),
    ("promotions", "submitted_by_id", "submitted_by"),
    ("promotion_approvals", "actor_id", "actor"),
)


def upgrade() -> None:
    with op.batch_alter_table("api_keys") as batch_op:
        batch_op.add_column(sa.Column("login", sa.String(), nullable=True))
    for table, column, name in NAMED:
        with op.batch_alter_table(table) as batch_op:
            batch_op.add_column(sa.Column(column, sa.String(), server_default="", nullable=False))
        op.execute(f"UPDATE {table} SET {column} = 'name:' || lower(trim({name}))")
        with op.batch_alter_table(table) as batch_op:
            batch_op.alter_column(column, server_default=None)
    with op.batch_alter_table("promotions") as batch_op:
        batch_op.add_column(sa.Column("decided_by_id", sa.String(), nullable=True))
    op.execute(
        "UPDATE promotions SET decided_by_id = 'name:' || lower(trim(decided_by))"
        " WHERE decided_by IS NOT NULL"
    )
    with op.batch_alter_table("promotions") as batch_op:
        batch_op.drop_constraint(op.f("ck_promotions_four_eyes"), type_="check")
        batch_op.create_check_constraint(
            op.f("ck_promotions_four_eyes"),
            "decided_by_id IS NULL OR decided_by_id <> submitted_by_id",
        )
    with op.batch_alter_table("promotion_approvals") as batch_op:
        batch_op.drop_constraint("uq_promotion_approvals", type_="unique")
        batch_op.create_unique_constraint("uq_promotion_approvals", ["promotion_id", "actor_id"])
    _create_trials()


def _create_trials() -> None:
    op.create_table(
        "policy_trials",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("policy", Json, nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("asked_at", Utc(), nullable=False),
        sa.Column("result", Json, nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(
            ["federation_id"], ["federations.id"], name=op.f("fk_policy_trials_federation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_trials")),
    )
    op.create_index("ix_policy_trials_newest", "policy_trials", ["federation_id", "asked_at"])
    op.create_index(
        "uq_policy_trials_under_way",
        "policy_trials",
        ["federation_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("policy_trials")
    # The old schema tells two people of one name apart by nothing.
    op.execute(
        "DELETE FROM promotion_approvals WHERE EXISTS (SELECT 1 FROM promotion_approvals o"
        " WHERE o.promotion_id = promotion_approvals.promotion_id"
        " AND o.actor = promotion_approvals.actor AND o.actor_id < promotion_approvals.actor_id)"
    )
    op.execute(
        "UPDATE promotions SET decided_by = decided_by || ' (' || decided_by_id || ')'"
        " WHERE decided_by = submitted_by"
    )
    with op.batch_alter_table("promotion_approvals") as batch_op:
        batch_op.drop_constraint("uq_promotion_approvals", type_="unique")
        batch_op.create_unique_constraint("uq_promotion_approvals", ["promotion_id", "actor"])
    with op.batch_alter_table("promotions") as batch_op:
        batch_op.drop_constraint(op.f("ck_promotions_four_eyes"), type_="check")
        batch_op.create_check_constraint(
            op.f("ck_promotions_four_eyes"), "decided_by IS NULL OR decided_by <> submitted_by"
        )
        batch_op.drop_column("decided_by_id")
    for table, column, _ in NAMED:
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_column(column)
    with op.batch_alter_table("api_keys") as batch_op:
        batch_op.drop_column("login")
