"""delivery: webhooks, contacts, escalation

Revision ID: 0006
Revises: 0005
"""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

from app.core.database import Json, Utc


revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

OLD_STATES = "state IN ('pending', 'sent', 'silenced')"
STATES = "state IN ('pending', 'sent', 'failed', 'dropped', 'silenced', 'held', 'digested')"


def upgrade() -> None:
    _create_receivers()
    _create_announcements()
    _create_false_alarms()
    with op.batch_alter_table("silences") as batch_op:
        batch_op.add_column(
            sa.Column("kind", sa.String(), server_default="silence", nullable=False)
        )
        batch_op.add_column(sa.Column("expressions", Json, server_default="[]", nullable=False))
        batch_op.create_check_constraint(
            op.f("ck_silences_kind"), "kind IN ('silence', 'maintenance')"
        )
    with op.batch_alter_table("notices") as batch_op:
        batch_op.add_column(sa.Column("announcement_id", sa.Uuid(), nullable=True))
        batch_op.add_column(
            sa.Column("attempts", sa.Integer(), server_default="0", nullable=False)
        )
        batch_op.add_column(sa.Column("next_attempt_at", Utc(), nullable=True))
        batch_op.add_column(sa.Column("last_error", sa.String(), nullable=True))
    _announce_what_was_sent()
    with op.batch_alter_table("notices") as batch_op:
        batch_op.alter_column("announcement_id", existing_type=sa.Uuid(), nullable=False)
        batch_op.alter_column("incident_id", existing_type=sa.Uuid(), nullable=True)
        batch_op.drop_constraint("uq_notices_once", type_="unique")
        batch_op.create_unique_constraint("uq_notices_once", ["announcement_id", "channel"])
        batch_op.create_foreign_key(
            op.f("fk_notices_announcement_id"), "announcements", ["announcement_id"], ["id"]
        )
        batch_op.drop_constraint(op.f("ck_notices_state"), type_="check")
        batch_op.create_check_constraint(op.f("ck_notices_state"), STATES)
        batch_op.create_index(
            "ix_notices_state_next_attempt_at", ["state", "next_attempt_at"], unique=False
        )
        batch_op.create_index(op.f("ix_notices_incident_id"), ["incident_id"], unique=False)


def _create_receivers() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("events", Json, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", Utc(), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("disabled_at", Utc(), nullable=True),
        sa.Column("disabled_why", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["federation_id"], ["federations.id"], name=op.f("fk_webhooks_federation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        sa.UniqueConstraint("federation_id", "name", name="uq_webhooks_name"),
    )
    op.create_table(
        "alert_plans",
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("steps", Json, nullable=False),
        sa.Column("digest_severities", Json, nullable=False),
        sa.Column("digest_hour", sa.Integer(), nullable=False),
        sa.Column("digested_at", Utc(), nullable=False),
        sa.Column("changed_at", Utc(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["federation_id"], ["federations.id"], name=op.f("fk_alert_plans_federation_id")
        ),
        sa.PrimaryKeyConstraint("federation_id", name=op.f("pk_alert_plans")),
    )


def _create_announcements() -> None:
    op.create_table(
        "announcements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.Uuid(), nullable=True),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(), nullable=True),
        sa.Column("detail", Json, nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["federation_id"], ["federations.id"], name=op.f("fk_announcements_federation_id")
        ),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_announcements_incident_id")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["retrain_requests.id"], name=op.f("fk_announcements_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_announcements")),
        sa.UniqueConstraint(
            "incident_id", "event", "severity", "step", name="uq_announcements_once"
        ),
    )
    with op.batch_alter_table("announcements") as batch_op:
        batch_op.create_index(
            op.f("ix_announcements_federation_id"), ["federation_id"], unique=False
        )


def _create_false_alarms() -> None:
    op.create_table(
        "false_alarms",
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("detector", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("effect", sa.Float(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["federation_id"], ["federations.id"], name=op.f("fk_false_alarms_federation_id")
        ),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_false_alarms_incident_id")
        ),
        sa.PrimaryKeyConstraint(
            "incident_id", "detector", "subject", name=op.f("pk_false_alarms")
        ),
    )
    with op.batch_alter_table("false_alarms") as batch_op:
        batch_op.create_index(
            op.f("ix_false_alarms_federation_id"), ["federation_id"], unique=False
        )


def _announce_what_was_sent() -> None:
    """One announcement for each step of an incident that there are notices of."""
    notices = sa.table(
        "notices",
        *(sa.column(name, sa.Uuid()) for name in ("federation_id", "incident_id")),
        sa.column("announcement_id", sa.Uuid()),
        sa.column("event"),
        sa.column("at", Utc()),
    )
    incidents = sa.table("incidents", sa.column("id", sa.Uuid()), sa.column("severity"))
    steps = (
        sa.select(
            notices.c.federation_id,
            notices.c.incident_id,
            notices.c.event,
            incidents.c.severity,
            sa.func.min(notices.c.at, type_=Utc()).label("at"),
        )
        .join(incidents, incidents.c.id == notices.c.incident_id)
        .group_by(
            notices.c.federation_id, notices.c.incident_id, notices.c.event, incidents.c.severity
        )
    )
    connection = op.get_bind()
    for step in connection.execute(steps).mappings().all():
        made = {**step, "id": uuid4(), "step": 0, "detail": {}}
        connection.execute(sa.insert(_announcements()).values(made))
        connection.execute(
            sa.update(notices)
            .where(notices.c.incident_id == step["incident_id"], notices.c.event == step["event"])
            .values(announcement_id=made["id"])
        )


def _announcements() -> sa.TableClause:
    return sa.table(
        "announcements",
        *(sa.column(name, sa.Uuid()) for name in ("id", "federation_id", "incident_id")),
        *(sa.column(name) for name in ("event", "severity", "step")),
        sa.column("detail", Json),
        sa.column("at", Utc()),
    )


def downgrade() -> None:
    _forget_what_the_old_schema_cannot_say()
    with op.batch_alter_table("notices") as batch_op:
        batch_op.drop_index(op.f("ix_notices_incident_id"))
        batch_op.drop_index("ix_notices_state_next_attempt_at")
        batch_op.drop_constraint(op.f("ck_notices_state"), type_="check")
        batch_op.create_check_constraint(op.f("ck_notices_state"), OLD_STATES)
        batch_op.drop_constraint(op.f("fk_notices_announcement_id"), type_="foreignkey")
        batch_op.drop_constraint("uq_notices_once", type_="unique")
        batch_op.create_unique_constraint("uq_notices_once", ["incident_id", "event", "channel"])
        batch_op.alter_column("incident_id", existing_type=sa.Uuid(), nullable=False)
        for name in ("last_error", "next_attempt_at", "attempts", "announcement_id"):
            batch_op.drop_column(name)
    with op.batch_alter_table("silences") as batch_op:
        batch_op.drop_constraint(op.f("ck_silences_kind"), type_="check")
        batch_op.drop_column("expressions")
        batch_op.drop_column("kind")
    for table in ("false_alarms", "announcements", "alert_plans", "webhooks"):
        op.drop_table(table)


def _forget_what_the_old_schema_cannot_say() -> None:
    """Silences by expressions would silence all; notices had three states and three events."""
    op.execute("DELETE FROM silences WHERE CAST(expressions AS TEXT) <> '[]'")
    op.execute(
        "DELETE FROM notices WHERE incident_id IS NULL"
        " OR event NOT IN ('opened', 'escalated', 'resolved')"
    )
    # Of a second escalation on one channel the first stays.
    op.execute(
        "DELETE FROM notices WHERE EXISTS (SELECT 1 FROM notices AS other"
        " WHERE other.incident_id = notices.incident_id AND other.event = notices.event"
        " AND other.channel = notices.channel"
        " AND (other.at < notices.at OR (other.at = notices.at AND other.id < notices.id)))"
    )
    op.execute("UPDATE notices SET state = 'silenced' WHERE state NOT IN ('pending', 'sent')")
