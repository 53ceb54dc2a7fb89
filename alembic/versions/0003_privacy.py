"""privacy: withdrawals, the ledger of what clients spent, and a federation's salt

Revision ID: 0003
Revises: 0002
"""

from secrets import token_hex

import sqlalchemy as sa
from alembic import op

from app.core.database import Utc


revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "withdrawals",
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("mark", sa.String(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["federation_id"], ["federations.id"], name=op.f("fk_withdrawals_federation_id")
        ),
        sa.PrimaryKeyConstraint("federation_id", "mark", name=op.f("pk_withdrawals")),
    )
    op.create_table(
        "privacy_ledgers",
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["federation_id"], ["federations.id"], name=op.f("fk_privacy_ledgers_federation_id")
        ),
        sa.PrimaryKeyConstraint("federation_id", name=op.f("pk_privacy_ledgers")),
    )
    for table in ("rounds", "drift_references"):
        with op.batch_alter_table(table) as batch_op:
            batch_op.add_column(
                sa.Column("withdrawn", sa.Integer(), server_default="0", nullable=False)
            )
    with op.batch_alter_table("federations") as batch_op:
        batch_op.add_column(sa.Column("salt", sa.String(), server_default="00", nullable=False))
    _salt_federations()


def _salt_federations() -> None:
    federations = sa.table("federations", sa.column("id", sa.Uuid()), sa.column("salt"))
    connection = op.get_bind()
    for (federation_id,) in connection.execute(sa.select(federations.c.id)).all():
        salted = sa.update(federations).where(federations.c.id == federation_id)
        connection.execute(salted.values(salt=token_hex(32)))


def downgrade() -> None:
    with op.batch_alter_table("federations") as batch_op:
        batch_op.drop_column("salt")
    for table in ("drift_references", "rounds"):
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_column("withdrawn")
    op.drop_table("privacy_ledgers")
    op.drop_table("withdrawals")
