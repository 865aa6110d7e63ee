"""The runs of a store: what ``fit`` was given, what it measured on the way, and how it ended."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, insert, select

from drivetrain.errors import UnknownVersionError, listed
from drivetrain.experiments.store.database import Database, insert_new
from drivetrain.experiments.store.process import is_dead, this_process
from drivetrain.experiments.store.schema import (
    data_sets,
    experiments,
    measures,
    run_data,
    runs,
    system_versions,
    systems,
)
from drivetrain.experiments.versions.version import SystemVersion


@dataclass(frozen=True)
class RunRecord:
    """One execution of ``fit``.

    Attributes:
        key: its name; the first eight characters are enough for people.
        experiment: the question that it was made to answer.
        system: what was trained.
        pattern: in words, the stages one after the other.
        status: ``running``, ``finished``, ``failed``, or ``killed``: its process ended without a word.
        seed: what ruled everything that was drawn.
        settings: the options of ``fit``.
        environment: Python, platform, packages.
        code: git commit, whether the tree was clean, the command line.
        report: what ``fit`` answered.
        error: why it failed.
        started: seconds since 1970, UTC.
        ended: the same; None while it runs.
        start: the number of the system version that it started from.
        result: the number of the system version that it made.
        mlflow_run: where MLflow shows it.
    """

    key: str
    experiment: str
    system: str
    pattern: str
    status: str
    seed: int | None
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    code: Mapping[str, Any]
    report: Mapping[str, Any] | None
    error: str | None
    started: float
    ended: float | None
    start: int | None
    result: int | None
    mlflow_run: str | None

    def __str__(self) -> str:
        return f"run {self.key[:8]}"


class Use(NamedTuple):
    """A data set that a run read, for what, and for which edge (empty: for all)."""

    data: str
    use: str
    edge: str


class Runs:
    """What was trained."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def begin(self, experiment: str, system: str, *, pattern: str, start: SystemVersion | None = None,
              **told: Any) -> str:  # fmt: skip
        """A run begins; answers its key.

        Args:
            experiment: made known by this, if it is new.
            system: its name, declared before.
            pattern: in words.
            start: the version that it starts from.
            told: ``seed``, ``settings``, ``environment``, ``code``.
        """
        key, now = uuid.uuid4().hex, time.time()
        with self.database.write() as connection:
            insert_new(connection, experiments, [{"name": experiment, "created": now}])
            row = {
                "key": key, "pattern": pattern, "status": "running", "seed": told.get("seed"),
                "settings": told.get("settings", {}), "environment": told.get("environment", {}),
                "code": told.get("code", {}), "process": this_process(), "started": now,
                "experiment_id": connection.execute(
                    select(experiments.c.id).where(experiments.c.name == experiment)
                ).scalar_one(),
                "system_id": connection.execute(select(systems.c.id).where(systems.c.name == system)).scalar_one(),
                "start_id": _version_id(connection, start),
            }  # fmt: skip
            connection.execute(insert(runs), row)
        return key

    def end(
        self, key: str, status: str = "finished", *, report: Any = None, error: str | None = None,
        result: SystemVersion | None = None,
    ) -> None:  # fmt: skip
        """A run ends, well or not."""
        with self.database.write() as connection:
            row = {
                "status": status, "report": report, "error": error, "ended": time.time(),
                "result_id": _version_id(connection, result),
            }  # fmt: skip
            connection.execute(runs.update().where(runs.c.key == key).values(row))

    def measure(self, key: str, values: Sequence[tuple[str, int, float]]) -> None:
        """Write measurements, (name, step, value) each, in one transaction; what a step has already stands."""
        rows = {(name, step): value if value == value and abs(value) != float("inf") else None
                for name, step, value in values}  # fmt: skip
        words = self.database.words
        with self.database.quick() as cursor:
            run = cursor.execute(words(_RUN), {"key": key}).fetchone()[0]
            cursor.executemany(
                words(_MEASURE),
                [{"run": run, "name": name, "step": step, "value": value} for (name, step), value in rows.items()],
            )

    def uses(self, key: str, used: Iterable[Use]) -> None:
        """Note which data sets a run reads."""
        with self.database.write() as connection:
            run = _run_id(connection, key)
            for each in used:
                data = connection.execute(select(data_sets.c.id).where(data_sets.c.digest == each.data)).scalar_one()
                insert_new(
                    connection, run_data, [{"run_id": run, "data_set_id": data, "use": each.use, "edge": each.edge}]
                )

    def mirrored(self, key: str, mlflow_run: str) -> None:
        """Note where MLflow shows a run."""
        with self.database.write() as connection:
            connection.execute(runs.update().where(runs.c.key == key).values(mlflow_run=mlflow_run))

    def get(self, key: str) -> RunRecord:
        """A run by its key or the beginning of one; ``"last"`` is the newest.

        Raises:
            UnknownVersionError: there is none, or several; the message lists the newest.
        """
        newest = _query().order_by(runs.c.id.desc())
        wanted = (
            newest.limit(1) if key == "last" else newest.where(runs.c.key.startswith(key, autoescape=True)).limit(9)
        )
        with self.database.read() as connection:
            found = connection.execute(wanted).mappings().all() if key else []
            if len(found) == 1:
                return _record(found[0])
            known = connection.execute(select(runs.c.key).order_by(runs.c.id.desc()).limit(5)).scalars().all()
        there = listed((each[:8] for each in reversed(known)), "none yet")
        many = "several runs begin with" if found else "no run"
        raise UnknownVersionError(f"{many} '{key}' in {self.database.place}; the newest: {there}")

    def all(self, *, experiment: str | None = None, system: str | None = None) -> list[RunRecord]:
        """Every run, or those of an experiment or a system; the oldest first."""
        query = _query().order_by(runs.c.id)
        if experiment is not None:
            query = query.where(experiments.c.name == experiment)
        if system is not None:
            query = query.where(systems.c.name == system)
        with self.database.read() as connection:
            return [_record(row) for row in connection.execute(query).mappings()]

    def measures(self, key: str, *, at_most: int | None = None) -> dict[str, list[tuple[int, float]]]:
        """What was measured on the way, by name: (step, value) in order.

        Args:
            key: of the run.
            at_most: values by name; evenly picked where there are more, the last one among them.
        """
        found: dict[str, list[tuple[int, float]]] = {}
        query = (
            select(measures.c.name, measures.c.step, measures.c.value).join(runs).where(runs.c.key == key)
            .order_by(measures.c.name, measures.c.step)
        )  # fmt: skip
        with self.database.read() as connection:
            for name, step, value in connection.execute(query):
                found.setdefault(name, []).append((step, float("nan") if value is None else value))
        return found if at_most is None else {name: _thinned(values, at_most) for name, values in found.items()}

    def data(self, key: str) -> list[Use]:
        """The data sets that a run read."""
        query = (
            select(data_sets.c.digest, run_data.c.use, run_data.c.edge)
            .select_from(run_data.join(runs).join(data_sets)).where(runs.c.key == key)
        )  # fmt: skip
        with self.database.read() as connection:
            return [Use(*row) for row in connection.execute(query)]


_RUN = "SELECT id FROM drivetrain_runs WHERE key = :key"
_MEASURE = (
    "INSERT INTO drivetrain_measures (run_id, name, step, value) VALUES (:run, :name, :step, :value) "
    "ON CONFLICT (run_id, name, step) DO NOTHING"
)


def _thinned(values: list[tuple[int, float]], at_most: int) -> list[tuple[int, float]]:
    if len(values) <= at_most:
        return values
    last = len(values) - 1
    return [values[round(place * last / max(1, at_most - 1))] for place in range(at_most)]


def _query() -> Select[Any]:
    start, result = system_versions.alias(), system_versions.alias()
    return select(
        runs, experiments.c.name.label("experiment"), systems.c.name.label("system"),
        start.c.number.label("start"), result.c.number.label("result"),
    ).select_from(
        runs.join(experiments).join(systems, systems.c.id == runs.c.system_id)
        .outerjoin(start, start.c.id == runs.c.start_id).outerjoin(result, result.c.id == runs.c.result_id)
    )  # fmt: skip


def _record(row: Any) -> RunRecord:
    names = [name for name in RunRecord.__dataclass_fields__ if name != "status"]
    dead = row["status"] == "running" and is_dead(row["process"])
    return RunRecord(status="killed" if dead else row["status"], **{name: row[name] for name in names})


def _run_id(connection: Connection, key: str) -> int:
    return int(connection.execute(select(runs.c.id).where(runs.c.key == key)).scalar_one())


def _version_id(connection: Connection, version: SystemVersion | None) -> int | None:
    if version is None:
        return None
    query = (
        select(system_versions.c.id).join(systems)
        .where(systems.c.name == version.system, system_versions.c.digest == version.digest)
    )  # fmt: skip
    return connection.execute(query).scalar()
