"""incident causes: series, recurrence, lineage of references, proposals

Revision ID: 0009
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

from app.core.database import Json, Utc


revision = "0009"
down_revision = "0006"
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
    op.execute("UPDATE incidents SET cause = model || '/' || family || '/' || scope || '/' || scope_key")
    op.drop_table("incident_series")
    op.drop_column("incidents", "resolved_step")
    op.execute("ALTER TABLE incidents RENAME COLUMN recurs_of TO previous_incident")
