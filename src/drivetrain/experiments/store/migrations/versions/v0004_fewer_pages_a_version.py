"""A system version writes two pages less in SQLite: pins lie in their key, and what has no run is not indexed by it."""

from alembic import op
from sqlalchemy import Column, ForeignKey, Integer, PrimaryKeyConstraint, text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

PINS, INDEX, OF_A_RUN = "drivetrain_pins", "ix_drivetrain_system_versions_run", text("run IS NOT NULL")


def upgrade() -> None:
    """Nothing that was recorded changes."""
    op.drop_index(INDEX, "drivetrain_system_versions")
    op.create_index(INDEX, "drivetrain_system_versions", ["run"], sqlite_where=OF_A_RUN, postgresql_where=OF_A_RUN)
    _lay_pins(with_rowid=False)


def downgrade() -> None:
    """And back."""
    _lay_pins(with_rowid=True)
    op.drop_index(INDEX, "drivetrain_system_versions")
    op.create_index(INDEX, "drivetrain_system_versions", ["run"])


def _lay_pins(*, with_rowid: bool) -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    op.create_table(
        f"{PINS}_new",
        Column("system_version_id", Integer, ForeignKey("drivetrain_system_versions.id"), nullable=False),
        Column("slot_id", Integer, ForeignKey("drivetrain_slots.id"), nullable=False),
        Column("component_version_id", Integer, ForeignKey("drivetrain_component_versions.id"), nullable=False),
        PrimaryKeyConstraint("system_version_id", "slot_id", name=f"pk_{PINS}"),
        sqlite_with_rowid=with_rowid,
    )
    columns = "system_version_id, slot_id, component_version_id"
    op.execute(f"INSERT INTO {PINS}_new ({columns}) SELECT {columns} FROM {PINS} ORDER BY system_version_id, slot_id")
    op.drop_table(PINS)
    op.rename_table(f"{PINS}_new", PINS)
    op.create_index(f"ix_{PINS}_component_version_id", PINS, ["component_version_id"])
