"""trainees: the clients that a retrain request aims at, for who claims it

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

from app.core.database import Json


revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("retrain_requests", sa.Column("trainees", Json, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("retrain_requests") as batch_op:
        batch_op.drop_column("trainees")
