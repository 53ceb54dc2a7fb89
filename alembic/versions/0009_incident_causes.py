"""incident causes: series, recurrence, lineage of references, proposals

Revision ID: 0009
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

from app.core.database import Json, Utc


revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE incidents RENAME COLUMN previous_incident TO recurs_of")
    op.add_column("incidents", sa.Column("resolved_step", sa.Integer(), nullable=True))
    op.execute("UPDATE incidents SET resolved_step = last_step WHERE state = 'resolved'")
    op.create_table(
        "incident_series",
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("scope_key", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("onset_step", sa.Integer(), nullable=False),
        sa.Column("last_step", sa.Integer(), nullable=False),
        sa.Column("direction", sa.Integer(), nullable=False),
        sa.Column("level", sa.Float(), nullable=True),
        sa.Column("newest", Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_incident_series_incident_id")
        ),
        sa.PrimaryKeyConstraint(
            "incident_id", "scope", "scope_key", "subject", name=op.f("pk_incident_series")
        ),
    )
    _series_of_what_was_opened()
    _create_proposals()
    for column in (
        sa.Column("parent", sa.Uuid(), nullable=True),
        sa.Column("incident_id", sa.Uuid(), nullable=True),
        sa.Column("why", sa.String(), nullable=True),
    ):
        op.add_column("drift_references", column)
    op.execute(
        "UPDATE drift_references SET parent = (SELECT p.id FROM drift_references p"
        " WHERE p.federation_id = drift_references.federation_id"
        " AND p.model = drift_references.model AND p.version = drift_references.version"
        " AND p.number = drift_references.number - 1)"
    )


def _create_proposals() -> None:
    op.create_table(
        "policy_proposals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("detector", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("before", sa.Float(), nullable=False),
        sa.Column("after", sa.Float(), nullable=False),
        sa.Column("false_alarms_spared", sa.Integer(), nullable=False),
        sa.Column("incidents_missed", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("backtest", Json, nullable=True),
        sa.Column("backtest_error", sa.String(), nullable=True),
        sa.Column("proposed_at", Utc(), nullable=False),
        sa.Column("decided_at", Utc(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("why", sa.String(), nullable=True),
        sa.CheckConstraint(
            "state IN ('proposed', 'accepted', 'dismissed')", name=op.f("ck_policy_proposals_state")
        ),
        sa.ForeignKeyConstraint(
            ["federation_id"], ["federations.id"], name=op.f("fk_policy_proposals_federation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_proposals")),
    )
    op.create_index(
        "uq_policy_proposals_field",
        "policy_proposals",
        ["federation_id", "field"],
        unique=True,
        sqlite_where=sa.text("state = 'proposed'"),
        postgresql_where=sa.text("state = 'proposed'"),
    )


def _series_of_what_was_opened() -> None:
    """An incident has the series, in its own scope, of the verdicts that are its evidence."""
    op.execute(
        "INSERT INTO incident_series"
        " (incident_id, scope, scope_key, subject, family, onset_step, last_step, direction, newest)"
        " SELECT i.id, v.scope, v.scope_key, v.subject, MIN(v.family),"
        " MIN(i.onset_step), MAX(v.global_step), 0, '[]'"
        " FROM incidents i"
        " JOIN incident_verdicts b ON b.incident_id = i.id"
        " JOIN verdicts v ON v.id = b.verdict_id"
        " WHERE v.scope = i.scope AND v.scope_key = i.scope_key"
        " GROUP BY i.id, v.scope, v.scope_key, v.subject"
    )
    op.execute("UPDATE incidents SET cause = cause || '/' || subject || '/' || onset_step")


def downgrade() -> None:
    for name in ("why", "incident_id", "parent"):
        op.drop_column("drift_references", name)
    op.execute("UPDATE incidents SET cause = model || '/' || family || '/' || scope || '/' || scope_key")
    op.drop_table("policy_proposals")
    op.drop_table("incident_series")
    op.drop_column("incidents", "resolved_step")
    op.execute("ALTER TABLE incidents RENAME COLUMN recurs_of TO previous_incident")
