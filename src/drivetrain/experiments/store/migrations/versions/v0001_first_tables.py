"""Systems, versions, runs, data and what is known of combinations: the tables as they were at first."""

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "contents",
    "chunks",
    "systems",
    "slots",
    "component_versions",
    "glues",
    "system_versions",
    "pins",
    "experiments",
    "runs",
    "measures",
    "contexts",
    "context_members",
    "data_sets",
    "data_relations",
    "run_data",
    "evaluations",
    "avoided",
    "outputs",
    "promotions",
)


def upgrade() -> None:
    """From nothing to the first tables."""
    op.create_table(
        "drivetrain_contents",
        Column("digest", String(64), primary_key=True),
        Column("size", BigInteger, nullable=False),
        Column("created", Float(53), nullable=False),
    )
    op.create_table(
        "drivetrain_chunks",
        Column("digest", String(64), ForeignKey("drivetrain_contents.digest", ondelete="CASCADE"), primary_key=True),
        Column("part", Integer, primary_key=True, autoincrement=False),
        Column("data", LargeBinary, nullable=False),
    )
    op.create_table(
        "drivetrain_systems",
        Column("id", Integer, primary_key=True),
        Column("name", String(250), nullable=False, unique=True),
        Column("place", Text),
        Column("created", Float(53), nullable=False),
    )
    op.create_table(
        "drivetrain_slots",
        Column("id", Integer, primary_key=True),
        Column("system_id", Integer, ForeignKey("drivetrain_systems.id"), nullable=False),
        Column("name", String(250), nullable=False),
        Column("signature", Text, nullable=False),
        Column("position", Integer, nullable=False),
        UniqueConstraint("system_id", "name"),
    )
    op.create_table(
        "drivetrain_component_versions",
        Column("id", Integer, primary_key=True),
        Column("digest", String(64), nullable=False, unique=True),
        Column("name", String(250), nullable=False),
        Column("number", Integer, nullable=False),
        Column("kind", String(50), nullable=False),
        Column("code", String(64), nullable=False),
        Column("weights", String(64), ForeignKey("drivetrain_contents.digest"), index=True),
        Column("parameters", BigInteger, nullable=False),
        Column("facts", JSON, nullable=False),
        Column("run", String(32), index=True),
        Column("mlflow_model", String(50)),
        Column("created", Float(53), nullable=False),
        UniqueConstraint("name", "number"),
    )
    op.create_table(
        "drivetrain_glues",
        Column("digest", String(64), primary_key=True),
        Column("parts", JSON, nullable=False),
    )
    op.create_table(
        "drivetrain_system_versions",
        Column("id", Integer, primary_key=True),
        Column("system_id", Integer, ForeignKey("drivetrain_systems.id"), nullable=False),
        Column("number", Integer, nullable=False),
        Column("digest", String(64), nullable=False),
        Column("glue", String(64), nullable=False),
        Column("run", String(32), index=True),
        Column("created", Float(53), nullable=False),
        UniqueConstraint("system_id", "digest"),
        UniqueConstraint("system_id", "number"),
    )
    op.create_table(
        "drivetrain_pins",
        Column("system_version_id", Integer, ForeignKey("drivetrain_system_versions.id"), primary_key=True),
        Column("slot_id", Integer, ForeignKey("drivetrain_slots.id"), primary_key=True),
        Column(
            "component_version_id", Integer, ForeignKey("drivetrain_component_versions.id"), nullable=False, index=True
        ),
    )
    op.create_table(
        "drivetrain_experiments",
        Column("id", Integer, primary_key=True),
        Column("name", String(250), nullable=False, unique=True),
        Column("created", Float(53), nullable=False),
    )
    op.create_table(
        "drivetrain_runs",
        Column("id", Integer, primary_key=True),
        Column("key", String(32), nullable=False, unique=True),
        Column("experiment_id", Integer, ForeignKey("drivetrain_experiments.id"), nullable=False, index=True),
        Column("system_id", Integer, ForeignKey("drivetrain_systems.id"), nullable=False, index=True),
        Column("pattern", Text, nullable=False),
        Column("status", String(20), nullable=False),
        Column("seed", BigInteger),
        Column("settings", JSON, nullable=False),
        Column("environment", JSON, nullable=False),
        Column("code", JSON, nullable=False),
        Column("report", JSON),
        Column("error", Text),
        Column("process", String(300), nullable=False),
        Column("started", Float(53), nullable=False),
        Column("ended", Float(53)),
        Column("start_id", Integer, ForeignKey("drivetrain_system_versions.id")),
        Column("result_id", Integer, ForeignKey("drivetrain_system_versions.id")),
        Column("mlflow_run", String(50)),
    )
    op.create_table(
        "drivetrain_measures",
        Column("run_id", Integer, ForeignKey("drivetrain_runs.id"), primary_key=True),
        Column("name", String(250), primary_key=True),
        Column("step", Integer, primary_key=True, autoincrement=False),
        Column("value", Float(53)),
    )
    op.create_table(
        "drivetrain_contexts",
        Column("id", Integer, primary_key=True),
        Column("run_id", Integer, ForeignKey("drivetrain_runs.id"), nullable=False, index=True),
        Column("stage", Integer, nullable=False),
        Column("track", String(250), nullable=False),
        Column("pattern", String(250), nullable=False),
        Column("inputs", String(20), nullable=False),
    )
    op.create_table(
        "drivetrain_context_members",
        Column("context_id", Integer, ForeignKey("drivetrain_contexts.id"), primary_key=True),
        Column("slot_id", Integer, ForeignKey("drivetrain_slots.id"), primary_key=True),
        Column("role", String(20), primary_key=True),
        Column(
            "component_version_id", Integer, ForeignKey("drivetrain_component_versions.id"), nullable=False, index=True
        ),
    )
    op.create_table(
        "drivetrain_data_sets",
        Column("id", Integer, primary_key=True),
        Column("digest", String(64), nullable=False, unique=True),
        Column("name", String(250), nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("facts", JSON, nullable=False),
        Column("created", Float(53), nullable=False),
    )
    op.create_table(
        "drivetrain_data_relations",
        Column("data_set_id", Integer, ForeignKey("drivetrain_data_sets.id"), primary_key=True),
        Column("relation", String(50), primary_key=True),
        Column("other_id", Integer, ForeignKey("drivetrain_data_sets.id"), primary_key=True, index=True),
        Column("facts", JSON, nullable=False),
    )
    op.create_table(
        "drivetrain_run_data",
        Column("run_id", Integer, ForeignKey("drivetrain_runs.id"), primary_key=True),
        Column("data_set_id", Integer, ForeignKey("drivetrain_data_sets.id"), primary_key=True, index=True),
        Column("use", String(20), primary_key=True),
        Column("edge", String(250), primary_key=True),
    )
    op.create_table(
        "drivetrain_evaluations",
        Column("id", Integer, primary_key=True),
        Column("system_version_id", Integer, ForeignKey("drivetrain_system_versions.id"), nullable=False, index=True),
        Column("metric", String(250), nullable=False),
        Column("edge", String(250), nullable=False),
        Column("value", Float(53)),
        Column("low", Float(53)),
        Column("high", Float(53)),
        Column("n", Integer),
        Column("data", String(64), nullable=False),
        Column("higher_is_better", Boolean, nullable=False),
        Column("unit", String(20), nullable=False),
        Column("seed", BigInteger),
        Column("seconds", Float(53)),
        Column("created", Float(53), nullable=False),
    )
    op.create_table(
        "drivetrain_avoided",
        Column("id", Integer, primary_key=True),
        Column("system_id", Integer, ForeignKey("drivetrain_systems.id"), nullable=False, index=True),
        Column("digest", String(64), nullable=False),
        Column("pins", JSON, nullable=False),
        Column("why", Text, nullable=False),
        Column("created", Float(53), nullable=False),
        UniqueConstraint("system_id", "digest"),
    )
    op.create_table(
        "drivetrain_outputs",
        Column("component", String(64), primary_key=True),
        Column("data", String(64), primary_key=True),
        Column("upstream", String(64), primary_key=True),
        Column("content", String(64), ForeignKey("drivetrain_contents.digest"), nullable=False, index=True),
        Column("seconds", Float(53), nullable=False),
        Column("created", Float(53), nullable=False),
    )
    op.create_table(
        "drivetrain_promotions",
        Column("id", Integer, primary_key=True),
        Column("system_id", Integer, ForeignKey("drivetrain_systems.id"), nullable=False),
        Column("alias", String(250), nullable=False),
        Column("system_version_id", Integer, ForeignKey("drivetrain_system_versions.id"), nullable=False, index=True),
        Column("why", Text, nullable=False),
        Column("created", Float(53), nullable=False),
    )
    op.create_index("ix_drivetrain_promotions_latest", "drivetrain_promotions", ["system_id", "alias", "id"])


def downgrade() -> None:
    """And back."""
    for table in reversed(TABLES):
        op.drop_table(f"drivetrain_{table}")
