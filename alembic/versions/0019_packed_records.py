"""packed records: PostgreSQL does not try to compress what is compressed already

Revision ID: 0019
Revises: 0018
"""

from alembic import op


revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _store("EXTERNAL")


def downgrade() -> None:
    _store("EXTENDED")


def _store(storage: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE report_blocks ALTER COLUMN data SET STORAGE {storage}")
