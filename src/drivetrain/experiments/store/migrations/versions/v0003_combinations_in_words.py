"""A system version says its pins in one text, too, so that a matrix is read a row a version."""

from alembic import op
from sqlalchemy import Column, Text, text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The text of what was recorded before is put together here, which reads the same in every database."""
    op.add_column("drivetrain_system_versions", Column("combination", Text))
    connection = op.get_bind()
    pins = connection.execute(
        text(
            "SELECT p.system_version_id, p.slot_id, p.component_version_id FROM drivetrain_pins p "
            "JOIN drivetrain_slots s ON s.id = p.slot_id ORDER BY p.system_version_id, s.position, s.id"
        )
    )
    words: dict[int, list[str]] = {}
    for version, slot, component in pins:
        words.setdefault(version, []).append(f"{slot}={component}")
    change = text("UPDATE drivetrain_system_versions SET combination = :words WHERE id = :id")
    rows = [{"id": version, "words": ",".join(those)} for version, those in words.items()]
    if rows:
        connection.execute(change, rows)


def downgrade() -> None:
    """And back."""
    op.drop_column("drivetrain_system_versions", "combination")
