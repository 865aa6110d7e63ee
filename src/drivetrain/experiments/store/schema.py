"""The tables of the system layer, beside MLflow's in the same database: own prefix, no foreign keys into MLflow's.

MLflow's runs and models are only named here, by their ids. A change of a table is a new file in
``migrations/versions``; a test compares the two.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

PREFIX = "drivetrain_"
VERSION_TABLE = PREFIX + "alembic"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _table(name: str, *columns: Column | UniqueConstraint | Index, **options: Any) -> Table:  # type: ignore[type-arg]
    return Table(PREFIX + name, metadata, *columns, **options)


def _id() -> Column:  # type: ignore[type-arg]
    return Column("id", Integer, primary_key=True)


def _to(table: str, column: str, **options: object) -> Column:  # type: ignore[type-arg]
    options = {"nullable": False} | options
    return Column(column, ForeignKey(f"{PREFIX}{table}.id"), **options)  # type: ignore[arg-type]


def _digest(name: str = "digest", **options: object) -> Column:  # type: ignore[type-arg]
    return Column(name, String(64), **({"nullable": False} | options))  # type: ignore[arg-type]


def _created(name: str = "created") -> Column:  # type: ignore[type-arg]
    return Column(name, Float(53), nullable=False)


# -- contents: bytes called by their digest, each stored once

contents = _table("contents", _digest(primary_key=True), Column("size", BigInteger, nullable=False), _created())
chunks = _table(
    "chunks",
    Column("digest", ForeignKey(f"{PREFIX}contents.digest", ondelete="CASCADE"), primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

# -- systems, their slots, and what can stand in them

systems = _table(
    "systems",
    _id(),
    Column("name", String(250), nullable=False, unique=True),
    Column("place", Text),  # MODULE:NAME, where the diagram is declared
    _created(),
    Column("diagram", JSON),  # the newest one
)
slots = _table(
    "slots",
    _id(),
    _to("systems", "system_id"),
    Column("name", String(250), nullable=False),
    Column("signature", Text, nullable=False),
    Column("position", Integer, nullable=False),
    UniqueConstraint("system_id", "name"),
)
component_versions = _table(
    "component_versions",
    _id(),
    _digest(unique=True),
    Column("name", String(250), nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", String(50), nullable=False),
    _digest("code"),
    Column("weights", ForeignKey(f"{PREFIX}contents.digest"), index=True),
    Column("parameters", BigInteger, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("run", String(32), index=True),  # the key of the run that made it
    Column("mlflow_model", String(50)),
    _created(),
    UniqueConstraint("name", "number"),
)
glues = _table(
    "glues", _digest(primary_key=True), Column("parts", JSON, nullable=False)
)  # digest and text by component
_OF_A_RUN = text("run IS NOT NULL")  # what a search evaluates is of none, and need not be looked up by it
system_versions = _table(
    "system_versions",
    _id(),
    _to("systems", "system_id"),
    Column("number", Integer, nullable=False),
    _digest(),
    _digest("glue"),
    Column("run", String(32)),
    _created(),
    Column("combination", Text),  # its pins by their ids, "slot=component version,...": a matrix reads a row a version
    UniqueConstraint("system_id", "number"),
    UniqueConstraint("system_id", "digest"),
    Index("ix_drivetrain_system_versions_run", "run", sqlite_where=_OF_A_RUN, postgresql_where=_OF_A_RUN),
)
pins = _table(
    "pins",
    _to("system_versions", "system_version_id", primary_key=True),
    _to("slots", "slot_id", primary_key=True),
    _to("component_versions", "component_version_id", index=True),
    sqlite_with_rowid=False,  # a page less is written for each version
)

# -- runs: one execution of fit each, and the context in which every model was trained

experiments = _table("experiments", _id(), Column("name", String(250), nullable=False, unique=True), _created())
runs = _table(
    "runs",
    _id(),
    Column("key", String(32), nullable=False, unique=True),
    _to("experiments", "experiment_id", index=True),
    _to("systems", "system_id", index=True),
    Column("pattern", Text, nullable=False),
    Column("status", String(20), nullable=False),  # running, finished, failed; a dead process leaves "running"
    Column("seed", BigInteger),
    Column("settings", JSON, nullable=False),
    Column("environment", JSON, nullable=False),
    Column("code", JSON, nullable=False),  # git commit, whether it was clean, the command line
    Column("report", JSON),
    Column("error", Text),
    Column("process", String(300), nullable=False),
    _created("started"),
    Column("ended", Float(53)),
    _to("system_versions", "start_id", nullable=True),
    _to("system_versions", "result_id", nullable=True),
    Column("mlflow_run", String(50)),
)
measures = _table(
    "measures",
    _to("runs", "run_id", primary_key=True),
    Column("name", String(250), primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("value", Float(53)),
)
contexts = _table(
    "contexts",
    _id(),
    _to("runs", "run_id", index=True),
    Column("stage", Integer, nullable=False),
    Column("track", String(250), nullable=False),
    Column("pattern", String(250), nullable=False),
    Column("inputs", String(20), nullable=False),  # "system" or "truth"
)
context_members = _table(
    "context_members",
    _to("contexts", "context_id", primary_key=True),
    _to("slots", "slot_id", primary_key=True),
    Column("role", String(20), primary_key=True),
    _to("component_versions", "component_version_id", index=True),
)

# -- data sets and how they belong together

data_sets = _table(
    "data_sets",
    _id(),
    _digest(unique=True),
    Column("name", String(250), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("facts", JSON, nullable=False),
    _created(),
)
data_relations = _table(
    "data_relations",
    _to("data_sets", "data_set_id", primary_key=True),
    Column("relation", String(50), primary_key=True),
    _to("data_sets", "other_id", primary_key=True, index=True),
    Column("facts", JSON, nullable=False),
)
run_data = _table(
    "run_data",
    _to("runs", "run_id", primary_key=True),
    _to("data_sets", "data_set_id", primary_key=True, index=True),
    Column("use", String(20), primary_key=True),  # training, validation
    Column("edge", String(250), primary_key=True),  # empty: for the system as a whole
)

context_data = _table(
    "context_data",
    _to("contexts", "context_id", primary_key=True),
    _to("data_sets", "data_set_id", primary_key=True, index=True),
    Column("use", String(20), primary_key=True),  # training, validation
)

# -- what is known of combinations

evaluations = _table(
    "evaluations",
    _id(),
    _to("system_versions", "system_version_id", index=True),
    Column("metric", String(250), nullable=False),
    Column("edge", String(250), nullable=False),
    Column("value", Float(53)),  # null: it could not be computed
    Column("low", Float(53)),
    Column("high", Float(53)),
    Column("n", Integer),
    _digest("data"),  # empty: none was named
    Column("higher_is_better", Boolean, nullable=False),
    Column("unit", String(20), nullable=False),
    Column("seed", BigInteger),
    Column("seconds", Float(53)),
    _created(),
)
avoided = _table(
    "avoided",
    _id(),
    _to("systems", "system_id", index=True),
    _digest(),
    Column("pins", JSON, nullable=False),  # by slot; a part of the slots stands for every combination with it
    Column("why", Text, nullable=False),
    _created(),
    UniqueConstraint("system_id", "digest"),
)
outputs = _table(
    "outputs",
    _digest("component", primary_key=True),
    _digest("data", primary_key=True),
    _digest("upstream", primary_key=True),
    Column("content", ForeignKey(f"{PREFIX}contents.digest"), nullable=False, index=True),
    Column("seconds", Float(53), nullable=False),
    _created(),
)
promotions = _table(
    "promotions",
    _id(),
    _to("systems", "system_id"),
    Column("alias", String(250), nullable=False),
    _to("system_versions", "system_version_id", index=True),
    Column("why", Text, nullable=False),
    _created(),
    Index("ix_drivetrain_promotions_latest", "system_id", "alias", "id"),
)
