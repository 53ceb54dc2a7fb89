"""registry: what MLflow was told, where it deviates, rounds it knows; the inventory

Revision ID: 0011
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

from app.core.database import Json, Utc


revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

OPEN = sa.text("resolved_at IS NULL")
DEVIATIONS = (
    "kind IN ('model_deleted', 'version_deleted', 'alias_moved', 'tag_changed', 'source_changed',"
    " 'weights_changed', 'weights_gone')"
)
STATES = "artifact_state IN ('none', 'unverified', 'verified', 'mismatch')"


def upgrade() -> None:
    with op.batch_alter_table("models") as batch_op:
        batch_op.add_column(sa.Column("mirrored", Json, nullable=True))
        batch_op.add_column(sa.Column("mirrored_at", Utc(), nullable=True))
        batch_op.add_column(
            sa.Column("mirror_epoch", sa.Integer(), server_default="0", nullable=False)
        )
    with op.batch_alter_table("model_versions") as batch_op:
        batch_op.add_column(sa.Column("mirrored_tags", Json, nullable=True))
        batch_op.add_column(sa.Column("mirrored_source", sa.String(), nullable=True))
        batch_op.add_column(
            sa.Column("artifact_state", sa.String(), server_default="none", nullable=False)
        )
        batch_op.add_column(sa.Column("artifact_sha256", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("artifact_bytes", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("artifact_checked_at", Utc(), nullable=True))
        batch_op.add_column(sa.Column("artifact_stamp", sa.String(), nullable=True))
        batch_op.create_check_constraint(op.f("ck_model_versions_artifact_state"), STATES)
    # Weights whose address was named before: nobody has read them.
    op.execute(
        "UPDATE model_versions SET artifact_state = 'unverified' WHERE artifact_uri IS NOT NULL"
    )
    _create_deviations()
    _create_inventory()
    _create_logged_rounds()


def _create_logged_rounds() -> None:
    op.create_table(
        "logged_rounds",
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("mlflow_run", sa.String(), nullable=False),
        sa.Column("metrics", Json, nullable=False),
        sa.Column("evaluated_at", Utc(), nullable=False),
        sa.Column("logged_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["federation_id"], ["federations.id"], name=op.f("fk_logged_rounds_federation_id")
        ),
        sa.ForeignKeyConstraint(
            ["round_id"], ["rounds.id"], name=op.f("fk_logged_rounds_round_id")
        ),
        sa.PrimaryKeyConstraint("round_id", name=op.f("pk_logged_rounds")),
    )
    op.create_index("ix_logged_rounds_run", "logged_rounds", ["federation_id", "model", "run"])


def _create_inventory() -> None:
    op.create_table(
        "inventory_entries",
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        *(
            sa.Column(name, sa.String(), nullable=False)
            for name in ("purpose", "data_used", "used_by", "owner", "developer", "validator")
        ),
        sa.Column("family", sa.String(), nullable=True),
        sa.Column("feeds", Json, nullable=False),
        sa.Column("documentation", Json, nullable=False),
        sa.Column("answers", Json, nullable=False),
        sa.Column("materiality", sa.Float(), nullable=False),
        sa.Column("risk", sa.Float(), nullable=False),
        sa.Column("criticality", sa.String(), nullable=False),
        sa.Column("review_every_days", sa.Integer(), nullable=False),
        sa.Column("last_review_at", Utc(), nullable=True),
        sa.Column("last_review_by", sa.String(), nullable=True),
        sa.Column("last_review_outcome", sa.String(), nullable=True),
        sa.Column("last_review_note", sa.String(), nullable=True),
        sa.Column("next_review_at", Utc(), nullable=False),
        sa.Column("reminded_at", Utc(), nullable=True),
        sa.Column("changed_at", Utc(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.CheckConstraint(
            "criticality IN ('low', 'medium', 'high', 'critical')",
            name=op.f("ck_inventory_entries_criticality"),
        ),
        sa.CheckConstraint(
            "last_review_outcome IN ('fit', 'fit_with_conditions', 'unfit')",
            name=op.f("ck_inventory_entries_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["federation_id"],
            ["federations.id"],
            name=op.f("fk_inventory_entries_federation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_inventory_entries_model_id")
        ),
        sa.PrimaryKeyConstraint("model_id", name=op.f("pk_inventory_entries")),
    )
    for column in ("federation_id", "next_review_at"):
        op.create_index(op.f(f"ix_inventory_entries_{column}"), "inventory_entries", [column])


def _create_deviations() -> None:
    op.create_table(
        "registry_deviations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("federation_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("expected", sa.String(), nullable=True),
        sa.Column("found", sa.String(), nullable=True),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("detected_at", Utc(), nullable=False),
        sa.Column("repair_asked_at", Utc(), nullable=True),
        sa.Column("repair_asked_by", sa.String(), nullable=True),
        sa.Column("resolved_at", Utc(), nullable=True),
        sa.Column("resolution", sa.String(), nullable=True),
        sa.CheckConstraint(DEVIATIONS, name=op.f("ck_registry_deviations_kind")),
        sa.ForeignKeyConstraint(
            ["federation_id"],
            ["federations.id"],
            name=op.f("fk_registry_deviations_federation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_registry_deviations_model_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_deviations")),
    )
    op.create_index(
        op.f("ix_registry_deviations_federation_id"), "registry_deviations", ["federation_id"]
    )
    op.create_index(
        "uq_registry_deviations_open",
        "registry_deviations",
        ["model_id", "kind", "version", "key"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )


def downgrade() -> None:
    op.drop_table("logged_rounds")
    op.drop_table("inventory_entries")
    op.drop_table("registry_deviations")
    with op.batch_alter_table("model_versions") as batch_op:
        batch_op.drop_constraint(op.f("ck_model_versions_artifact_state"), type_="check")
        for column in ("stamp", "checked_at", "bytes", "sha256", "state"):
            batch_op.drop_column(f"artifact_{column}")
        batch_op.drop_column("mirrored_source")
        batch_op.drop_column("mirrored_tags")
    with op.batch_alter_table("models") as batch_op:
        batch_op.drop_column("mirror_epoch")
        batch_op.drop_column("mirrored_at")
        batch_op.drop_column("mirrored")
