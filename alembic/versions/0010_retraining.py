"""retraining: decisions, approval, outcomes; sealed addresses of channels

Revision ID: 0010
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

from app.core.database import Json, Utc
from app.core.settings import settings
from app.incidents.sealing import seal, unseal

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

OLD_OPEN = "state IN ('requested', 'claimed', 'running')"
OPEN = "state IN ('proposed', 'requested', 'claimed', 'running')"
OLD_STATES = (
    "state IN ('requested', 'claimed', 'running', 'completed', 'failed', 'expired', 'cancelled')"
)
STATES = (
    "state IN ('proposed', 'requested', 'claimed', 'running', 'completed', 'failed',"
    " 'expired', 'cancelled')"
)


def upgrade() -> None:
    with op.batch_alter_table("retrain_requests") as batch_op:
        batch_op.add_column(sa.Column("evidence", Json, server_default="{}", nullable=False))
        batch_op.add_column(sa.Column("benefit", Json, nullable=True))
        batch_op.add_column(sa.Column("proposal", Json, nullable=True))
        batch_op.add_column(sa.Column("approved_by", sa.String(), nullable=True))
    _states(STATES, OPEN)
    _create_decisions()
    _create_outcomes()
    _seal_addresses()


def _channels() -> sa.TableClause:
    names = ("url", "kind")
    return sa.table(
        "channels",
        sa.column("id", sa.Uuid()),
        sa.column("address", sa.LargeBinary()),
        *(sa.column(name) for name in names),
    )


def _seal_addresses() -> None:
    """Apprise addresses hold passwords: encrypted under the service's own secret from now on."""
    with op.batch_alter_table("channels") as batch_op:
        batch_op.add_column(sa.Column("kind", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("address", sa.LargeBinary(), nullable=True))
    channels, connection = _channels(), op.get_bind()
    for row in connection.execute(sa.select(channels)).mappings().all():
        sealed = seal(settings().secret_key, row["url"], str(row["id"]))
        connection.execute(
            sa.update(channels)
            .where(channels.c.id == row["id"])
            .values(kind=row["url"].partition(":")[0], address=sealed)
        )
    with op.batch_alter_table("channels") as batch_op:
        batch_op.alter_column("kind", existing_type=sa.String(), nullable=False)
        batch_op.alter_column("address", existing_type=sa.LargeBinary(), nullable=False)
        batch_op.drop_column("url")


def _unseal_addresses() -> None:
    with op.batch_alter_table("channels") as batch_op:
        batch_op.add_column(sa.Column("url", sa.String(), nullable=True))
    channels, connection = _channels(), op.get_bind()
    for row in connection.execute(sa.select(channels)).mappings().all():
        url = unseal(settings().secret_key, row["address"], str(row["id"]))
        connection.execute(sa.update(channels).where(channels.c.id == row["id"]).values(url=url))
    with op.batch_alter_table("channels") as batch_op:
        batch_op.alter_column("url", existing_type=sa.String(), nullable=False)
        batch_op.drop_column("address")
        batch_op.drop_column("kind")


def _states(states: str, open_states: str) -> None:
    op.drop_index("uq_retrain_requests_open", table_name="retrain_requests")
    with op.batch_alter_table("retrain_requests") as batch_op:
        batch_op.drop_constraint(op.f("ck_retrain_requests_state"), type_="check")
        batch_op.create_check_constraint(op.f("ck_retrain_requests_state"), states)
    op.create_index(
        "uq_retrain_requests_open",
        "retrain_requests",
        ["federation_id", "model"],
        unique=True,
        sqlite_where=sa.text(open_states),
        postgresql_where=sa.text(open_states),
    )


def _create_decisions() -> None:
    op.create_table(
        "retraining_decisions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.Uuid(), nullable=True),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("benefit", Json, nullable=True),
        sa.Column("at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["federation_id"], ["federations.id"], name=op.f("fk_retraining_decisions_federation_id")
        ),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_retraining_decisions_incident_id")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["retrain_requests.id"], name=op.f("fk_retraining_decisions_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retraining_decisions")),
    )
    op.create_index(
        "ix_retraining_decisions_model", "retraining_decisions", ["federation_id", "model", "at"]
    )
    op.create_index(
        op.f("ix_retraining_decisions_incident_id"), "retraining_decisions", ["incident_id"]
    )


def _create_outcomes() -> None:
    op.create_table(
        "retraining_outcomes",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=True),
        sa.Column("base_version", sa.String(), nullable=False),
        sa.Column("result_version", sa.String(), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("measured", Json, nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("allowed_by", sa.String(), nullable=True),
        sa.Column("allowed_at", Utc(), nullable=True),
        sa.CheckConstraint(
            "answer IN ('helped', 'did_not_help', 'not_measured')",
            name=op.f("ck_retraining_outcomes_answer"),
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["retrain_requests.id"], name=op.f("fk_retraining_outcomes_request_id")
        ),
        sa.ForeignKeyConstraint(
            ["federation_id"], ["federations.id"], name=op.f("fk_retraining_outcomes_federation_id")
        ),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_retraining_outcomes_incident_id")
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_retraining_outcomes")),
    )
    op.create_index(
        "ix_retraining_outcomes_model", "retraining_outcomes", ["federation_id", "model", "at"]
    )
    op.create_index(
        op.f("ix_retraining_outcomes_incident_id"), "retraining_outcomes", ["incident_id"]
    )


def downgrade() -> None:
    _unseal_addresses()
    op.drop_table("retraining_outcomes")
    op.drop_table("retraining_decisions")
    # What waited for a person's yes was never asked for.
    op.execute("UPDATE retrain_requests SET state = 'cancelled' WHERE state = 'proposed'")
    _states(OLD_STATES, OLD_OPEN)
    with op.batch_alter_table("retrain_requests") as batch_op:
        for name in ("approved_by", "proposal", "benefit", "evidence"):
            batch_op.drop_column(name)
