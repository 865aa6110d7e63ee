"""What was measured on combinations: recorded in one transaction each, read as a matrix; and what was not tried."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import select

from drivetrain.errors import StoreError, listed
from drivetrain.experiments.store.coverage import Avoided, Coverage, coverage_of
from drivetrain.experiments.store.database import Database, insert_new
from drivetrain.experiments.store.matrix import Matrix, read_matrix
from drivetrain.experiments.store.schema import avoided, system_versions, systems
from drivetrain.experiments.store.schema import evaluations as table
from drivetrain.experiments.store.system_versions import SystemVersions
from drivetrain.experiments.versions.version import Evaluation, SystemVersion, digest_of


class Evaluations:
    """Numbers that belong to combinations."""

    def __init__(self, database: Database, versions: SystemVersions) -> None:
        self.database, self.versions = database, versions

    def record(
        self, system: str, combination: Mapping[str, str], results: Sequence[Evaluation], *, glue: str = ""
    ) -> SystemVersion:
        """Register a combination with what was measured on it: all of it is there afterwards, or nothing.

        Args:
            system: its name, declared before.
            combination: the digest of the component version by slot.
            results: what was measured.
            glue: the digest of the code between the models.
        """
        return self.record_all(system, [(combination, results)], glue=glue)[0]

    def record_all(
        self, system: str, results: Iterable[tuple[Mapping[str, str], Sequence[Evaluation]]], *, glue: str = ""
    ) -> list[SystemVersion]:
        """``record`` for many combinations in one transaction."""
        registration, made = self.versions.registration, []
        with self.database.quick() as cursor:
            for combination, found in results:
                version, key = registration.version(cursor, system, combination, glue)
                registration.measured(cursor, key, found)
                made.append(version)
        return made

    def of(self, version: SystemVersion, metric: str | None = None) -> list[Evaluation]:
        """Everything that was measured on a version, the oldest first."""
        query = (
            select(table).select_from(table.join(system_versions).join(systems))
            .where(systems.c.name == version.system, system_versions.c.digest == version.digest).order_by(table.c.id)
        )  # fmt: skip
        if metric is not None:
            query = query.where(table.c.metric == metric)
        names = [name for name in Evaluation.__dataclass_fields__ if name != "value"]
        with self.database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [Evaluation(value=_number(row["value"]), **{name: row[name] for name in names}) for row in rows]

    def metrics(self, system: str) -> list[tuple[str, str, str]]:
        """The metrics that were ever measured on a system: (metric, edge, digest of the data)."""
        query = (
            select(table.c.metric, table.c.edge, table.c.data).distinct()
            .select_from(table.join(system_versions).join(systems))
            .where(systems.c.name == system).order_by(table.c.metric, table.c.edge)
        )  # fmt: skip
        with self.database.read() as connection:
            return [(metric, edge, data) for metric, edge, data in connection.execute(query)]

    def direction(self, system: str, metric: str, *, edge: str = "") -> bool | None:
        """Whether higher is better, by the newest measurement; None where there is none."""
        query = (
            select(table.c.higher_is_better).select_from(table.join(system_versions).join(systems))
            .where(systems.c.name == system, table.c.metric == metric, table.c.edge == edge)
            .order_by(table.c.id.desc()).limit(1)
        )  # fmt: skip
        with self.database.read() as connection:
            return connection.execute(query).scalar()

    def matrix(self, system: str, metric: str, *, edge: str = "", data: str | None = None) -> Matrix:
        """A metric over all versions of a system, those without a measurement included.

        Args:
            system: its name.
            metric: what was measured.
            edge: where.
            data: the digest of the data set; None takes the newest measurement on whatever data.
        """
        return read_matrix(self.database, system, metric, edge, data)

    def coverage(self, system: str, metric: str, *, edge: str = "", data: str | None = None) -> Coverage:
        """How much of what could be combined has such a measurement; see ``untried`` for the rest, one by one."""
        return coverage_of(self.matrix(system, metric, edge=edge, data=data), self.avoided(system))

    def avoid(self, system: str, combination: Mapping[str, str], why: str) -> None:
        """Do not run this one again; pin only some slots to mean every combination with them.

        Raises:
            StoreError: the system has no such slot, or nothing is pinned.
        """
        known = self.versions.slots(system)
        if not combination or (strange := [slot for slot in combination if slot not in known]):
            raise StoreError(f"avoid names slots of {system}: {listed(known)}; found: {listed(combination or strange)}")
        digest = digest_of(sorted(combination.items()))
        with self.database.write() as connection:
            key = connection.execute(select(systems.c.id).where(systems.c.name == system)).scalar_one()
            row = {"system_id": key, "digest": digest, "pins": dict(combination), "why": why, "created": time.time()}
            insert_new(connection, avoided, [row])

    def avoided(self, system: str) -> list[Avoided]:
        """What shall not be run, the oldest first."""
        query = select(avoided.c.pins, avoided.c.why, avoided.c.created).join(systems)
        with self.database.read() as connection:
            rows = connection.execute(query.where(systems.c.name == system).order_by(avoided.c.id)).all()
        return [Avoided(*row) for row in rows]

    def untried(
        self,
        system: str,
        candidates: Mapping[str, Sequence[str]],
        metric: str,
        *,
        edge: str = "",
        data: str | None = None,
        glue: str = "",
    ) -> Iterator[dict[str, str]]:
        """The combinations of some candidates that have no such measurement and are not to be avoided, one by one.

        Args:
            system: its name.
            candidates: digests of component versions by slot; there may be more combinations than could be listed.
            metric: what is missing.
            edge: where.
            data: on which data; None for whatever data.
            glue: with which code between the models.
        """
        names = tuple(candidates)
        tried = self._tried(system, metric, edge, data, glue, names)
        refused = self.avoided(system)
        for combination in itertools.product(*candidates.values()):
            named = dict(zip(names, combination, strict=True))
            if combination not in tried and not any(each.covers(named) for each in refused):
                yield named

    def _tried(
        self, system: str, metric: str, edge: str, data: str | None, glue: str, names: Sequence[str]
    ) -> set[tuple[str, ...]]:
        matrix = self.matrix(system, metric, edge=edge, data=data)
        of_glue = (
            select(system_versions.c.number).join(systems)
            .where(systems.c.name == system, system_versions.c.glue == glue)
        )  # fmt: skip
        with self.database.read() as connection:
            numbers = set(connection.execute(of_glue).scalars())
        places = [matrix.slots.index(name) if name in matrix.slots else -1 for name in names]
        return {
            tuple(row.pins[place] if place >= 0 else "" for place in places)
            for row in matrix.rows
            if row.number in numbers and not math.isnan(row.value)
        }


def _number(value: float | None) -> float:
    return math.nan if value is None else value
