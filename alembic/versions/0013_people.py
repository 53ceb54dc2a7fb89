"""people: keys that expire, ids of who acted

Revision ID: 0013
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

from app.core.database import Utc


revision = "0013"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("api_keys") as batch_op:
        batch_op.add_column(sa.Column("expires_at", Utc(), nullable=True))
    with op.batch_alter_table("audit_log") as batch_op:
        batch_op.add_column(sa.Column("actor_id", sa.String(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("audit_log") as batch_op:
        batch_op.drop_column("actor_id")
    with op.batch_alter_table("api_keys") as batch_op:
        batch_op.drop_column("expires_at")
