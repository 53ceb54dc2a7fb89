"""reports: of incidents, candidates and periods, by the evidence that they are made from

Reports are copies of what the database knows, and are built again when somebody asks. So the old
table is dropped with its rows, and their files become useless; work that was asked for on them
finds nothing to do.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

from app.core.database import Utc

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STATES = "state IN ('building', 'ready', 'failed')"
KINDS = "kind IN ('round', 'incident', 'candidate', 'promotion', 'period')"
EVIDENCE = ("federation_id", "kind", "subject_id", "period", "evidence_sha256")


def upgrade() -> None:
    op.drop_table("reports")
    _create(
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("first_step", sa.Integer(), nullable=True),
        sa.Column("last_step", sa.Integer(), nullable=True),
        sa.Column("of_client", sa.Boolean(), nullable=False),
        sa.Column("evidence_sha256", sa.String(), nullable=False),
        sa.CheckConstraint(KINDS, name=op.f("ck_reports_kind")),
        sa.UniqueConstraint(*EVIDENCE, name="uq_reports_evidence"),
    )
    op.create_index("ix_reports_newest", "reports", ["federation_id", "asked_at"])


def downgrade() -> None:
    op.drop_table("reports")
    _create(
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_reports_round_id")),
        sa.UniqueConstraint("round_id", name=op.f("uq_reports_round_id")),
    )


def _create(*more: sa.schema.SchemaItem) -> None:
    op.create_table(
        "reports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("asked_at", Utc(), nullable=False),
        sa.Column("built_at", Utc(), nullable=True),
        *more,
        sa.CheckConstraint(STATES, name=op.f("ck_reports_state")),
        sa.ForeignKeyConstraint(
            ["federation_id"], ["federations.id"], name=op.f("fk_reports_federation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
    )
