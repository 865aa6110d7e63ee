"""A system keeps its diagram, and a training the data sets that its models read."""

from alembic import op
from sqlalchemy import JSON, Column, ForeignKey, Integer, String

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of trainings that were recorded before, every data set of the run counts."""
    op.add_column("drivetrain_systems", Column("diagram", JSON))
    op.create_table(
        "drivetrain_context_data",
        Column("context_id", Integer, ForeignKey("drivetrain_contexts.id"), primary_key=True),
        Column("data_set_id", Integer, ForeignKey("drivetrain_data_sets.id"), primary_key=True, index=True),
        Column("use", String(20), primary_key=True),
    )
    op.execute(
        "INSERT INTO drivetrain_context_data (context_id, data_set_id, use) "
        "SELECT DISTINCT c.id, d.data_set_id, d.use FROM drivetrain_contexts c "
        "JOIN drivetrain_run_data d ON d.run_id = c.run_id"
    )


def downgrade() -> None:
    """And back."""
    op.drop_table("drivetrain_context_data")
    op.drop_column("drivetrain_systems", "diagram")
