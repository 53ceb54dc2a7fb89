"""policy history: every version of a federation's policy

Revision ID: 0004
Revises: 0003
"""

import hashlib
import json

import sqlalchemy as sa
from alembic import op

from app.core.database import Json, Utc


revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

FEDERATIONS = sa.table(
    "federations",
    sa.column("id", sa.Uuid()),
    sa.column("policy", Json),
    sa.column("policy_version", sa.Integer()),
    sa.column("created_at", Utc()),
)
AUDIT = sa.table(
    "audit_log",
    sa.column("seq", sa.Integer()),
    sa.column("at", Utc()),
    sa.column("federation_id", sa.Uuid()),
    sa.column("actor", sa.String()),
    sa.column("action", sa.String()),
    sa.column("before", Json),
    sa.column("after", Json),
    sa.column("why", sa.String()),
)


def upgrade() -> None:
    policies = op.create_table(
        "policies",
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", Json, nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("set_by", sa.String(), nullable=False),
        sa.Column("set_at", Utc(), nullable=False),
        sa.Column("why", sa.String(), nullable=True),
        sa.CheckConstraint("version >= 1", name=op.f("ck_policies_version")),
        sa.ForeignKeyConstraint(
            ["federation_id"], ["federations.id"], name=op.f("fk_policies_federation_id")
        ),
        sa.PrimaryKeyConstraint("federation_id", "version", name=op.f("pk_policies")),
    )
    connection = op.get_bind()
    for federation in connection.execute(sa.select(FEDERATIONS)).all():
        op.bulk_insert(policies, _history(connection, federation))


def _history(connection: sa.Connection, federation: sa.Row) -> list[dict[str, object]]:
    """The policies that the audit log tells of, oldest first, and the one in force."""
    told = sa.select(AUDIT).where(
        AUDIT.c.federation_id == federation.id, AUDIT.c.action == "federation.set_policy"
    )
    # Only the first setting shows who was before it: the federation as it was founded.
    known = {
        federation.policy_version: (federation.policy, "migration", federation.created_at, None)
    }
    for entry in connection.execute(told.order_by(AUDIT.c.seq)).all():
        first = (entry.before["policy"], "migration", federation.created_at, None)
        known.setdefault(entry.before["version"], first)
        known[entry.after["version"]] = (entry.after["policy"], entry.actor, entry.at, entry.why)
    return [_row(federation.id, version, *known[version]) for version in sorted(known)]


def _row(federation_id, version, document, set_by, set_at, why) -> dict[str, object]:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return {
        "federation_id": federation_id,
        "version": version,
        "document": document,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "set_by": set_by,
        "set_at": set_at,
        "why": why,
    }


def downgrade() -> None:
    op.drop_table("policies")
