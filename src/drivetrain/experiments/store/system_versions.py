"""The systems of a store and their versions: one identity for a pinned tuple, however often it is registered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select

from drivetrain.errors import PinnedError, UnknownVersionError, listed
from drivetrain.experiments.store.database import Database, insert_new
from drivetrain.experiments.store.overview import Overview, read_overview
from drivetrain.experiments.store.registration import Registration
from drivetrain.experiments.store.schema import (
    component_versions,
    evaluations,
    glues,
    pins,
    promotions,
    runs,
    slots,
    system_versions,
    systems,
)
from drivetrain.experiments.versions.version import SystemVersion


class SystemVersions:
    """Systems, slots, and which versions stood in them together."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.registration = Registration(database)

    def declare(
        self,
        name: str,
        slots_of: Mapping[str, str],
        *,
        place: str | None = None,
        diagram: Mapping[str, Any] | None = None,
    ) -> None:
        """Make a system known: its slots with their signatures, in order of execution; more may come later.

        Args:
            name: of the system.
            slots_of: signature by slot: ``{"camera": "image -> boxes"}``.
            place: where the diagram is declared, ``MODULE:NAME``, so that a version can be restored from the shell.
            diagram: components and edges as ``graph.describing.described`` tells them, for pages to draw.
        """
        with self.database.write() as connection:
            insert_new(connection, systems, [{"name": name, "place": place, "created": time.time()}])
            system = connection.execute(select(systems.c.id).where(systems.c.name == name)).scalar_one()
            told = {name: value for name, value in (("place", place), ("diagram", diagram)) if value is not None}
            if told:
                connection.execute(systems.update().where(systems.c.id == system).values(told))
            rows = [
                {"system_id": system, "name": slot, "signature": signature, "position": position}
                for position, (slot, signature) in enumerate(slots_of.items())
            ]
            if rows:
                insert_new(connection, slots, rows)
        self.registration.forget(name)

    def names(self) -> list[str]:
        """The systems there are."""
        with self.database.read() as connection:
            return list(connection.execute(select(systems.c.name).order_by(systems.c.id)).scalars())

    def place(self, name: str) -> str | None:
        """Where the diagram of a system is declared, if that is known."""
        with self.database.read() as connection:
            return connection.execute(select(systems.c.place).where(systems.c.name == name)).scalar()

    def diagram(self, name: str) -> dict[str, Any] | None:
        """The newest diagram of a system: its components and edges; None where nobody told."""
        with self.database.read() as connection:
            return connection.execute(select(systems.c.diagram).where(systems.c.name == name)).scalar()

    def slots(self, name: str) -> dict[str, str]:
        """Signature by slot, in order of execution."""
        query = (
            select(slots.c.name, slots.c.signature).join(systems).where(systems.c.name == name)
            .order_by(slots.c.position, slots.c.id)
        )  # fmt: skip
        with self.database.read() as connection:
            return dict(connection.execute(query).all())

    def pin(
        self,
        system: str,
        pinned: Mapping[str, str],
        *,
        glue: str = "",
        parts: Mapping[str, str] | None = None,
        run: str | None = None,
    ) -> SystemVersion:
        """Register a combination, or find the version that it is.

        Args:
            system: its name, declared before.
            pinned: the digest of the component version by slot.
            glue: the digest of the code between the models and of the diagram.
            parts: the digests that it is made of, by component, so that a change can be named later.
            run: the key of the run that made it.

        Raises:
            StoreError: the system has no such slot, or a component version is not stored.
        """
        with self.database.quick() as cursor:
            if parts is not None:
                self.registration.glue(cursor, glue, parts)
            return self.registration.version(cursor, system, pinned, glue, run)[0]

    def pinned_with_id(
        self, connection: Connection, system: str, pinned: Mapping[str, str], glue: str, run: str | None = None
    ) -> tuple[SystemVersion, int]:
        """``pin`` as a part of a transaction; answers the row's id, too."""
        return self.registration.version(connection.connection.cursor(), system, pinned, glue, run)

    def get(self, system: str, version: int | str) -> SystemVersion:
        """A version by its number, its digest, the beginning of one, or what it is promoted to: ``"production"``.

        Raises:
            UnknownVersionError: there is none; the message says what there is.
        """
        with self.database.read() as connection:
            for condition in _meanings(system, version):
                found = _read(connection, _query().where(systems.c.name == system, condition))
                if len(found) == 1:
                    return found[0]
                if found:
                    raise UnknownVersionError(f"'{version}' begins the digest of several versions: {listed(found)}")
            last = connection.execute(_last.where(systems.c.name == system)).scalar()
            known = list(connection.execute(select(systems.c.name)).scalars())
        if system not in known:
            raise UnknownVersionError(f"no system '{system}' in {self.database.url}; it has: {listed(known)}")
        there = f"1 to {last}" if last else "none yet"
        raise UnknownVersionError(f"no version '{version}' of {system} in {self.database.url}; versions: {there}")

    def numbers(self, system: str) -> list[int]:
        """The numbers of all versions of a system, the oldest first."""
        query = select(system_versions.c.number).join(systems).where(systems.c.name == system)
        with self.database.read() as connection:
            return list(connection.execute(query.order_by(system_versions.c.number)).scalars())

    def all(self, system: str) -> list[SystemVersion]:
        """Every version of a system, the oldest first."""
        with self.database.read() as connection:
            return _read(connection, _query().where(systems.c.name == system))

    def newest(self, system: str) -> SystemVersion:
        """The version with the highest number.

        Raises:
            UnknownVersionError: there is no such system, or no version of it yet.
        """
        with self.database.read() as connection:
            last = connection.execute(_last.where(systems.c.name == system)).scalar()
        return self.get(system, last or 1)

    def overview(self) -> list[Overview]:
        """Every system in a line: how many versions, runs and evaluations it has, and what is promoted."""
        return read_overview(self.database)

    def glue(self, digest: str) -> dict[str, str]:
        """The digests that a glue is made of, by component; empty where nobody told."""
        with self.database.read() as connection:
            return dict(connection.execute(select(glues.c.parts).where(glues.c.digest == digest)).scalar() or {})

    def delete(self, version: SystemVersion) -> None:
        """Delete a version and what was measured on it; the component versions stay.

        Raises:
            PinnedError: it is or was promoted, or a run started from it or made it.
        """
        with self.database.write() as connection:
            where = (
                select(system_versions.c.id).join(systems)
                .where(systems.c.name == version.system, system_versions.c.digest == version.digest).scalar_subquery()
            )  # fmt: skip
            promoted = select(promotions.c.alias).where(promotions.c.system_version_id == where)
            if alias := connection.execute(promoted).scalar():
                raise PinnedError(f"{version} cannot be deleted: it was promoted to '{alias}'")
            made = select(runs.c.key).where((runs.c.start_id == where) | (runs.c.result_id == where))
            if run := connection.execute(made).scalar():
                raise PinnedError(f"{version} cannot be deleted: run {run[:8]} started from it or made it")
            connection.execute(delete(evaluations).where(evaluations.c.system_version_id == where))
            connection.execute(delete(pins).where(pins.c.system_version_id == where))
            connection.execute(delete(system_versions).where(system_versions.c.id == where))


_last = select(func.max(system_versions.c.number)).join(systems)


def _query() -> Select[Any]:
    return (
        select(
            systems.c.name, system_versions.c.number, system_versions.c.digest, system_versions.c.glue,
            system_versions.c.created, system_versions.c.run, slots.c.name, component_versions.c.digest,
        )
        .select_from(
            pins.join(system_versions).join(systems).join(slots, slots.c.id == pins.c.slot_id).join(component_versions)
        )
        .order_by(system_versions.c.number, slots.c.position, slots.c.id)
    )  # fmt: skip


def _read(connection: Connection, query: Select[Any]) -> list[SystemVersion]:
    found: dict[tuple[str, int], SystemVersion] = {}
    pinned: dict[tuple[str, int], dict[str, str]] = {}
    for system, number, digest, glue, created, run, slot, component in connection.execute(query):
        if (system, number) not in found:
            own: dict[str, str] = {}
            pinned[system, number] = own
            found[system, number] = SystemVersion(system, number, digest, own, glue, created, run)
        pinned[system, number][slot] = component
    return list(found.values())


def _meanings(system: str, version: int | str) -> list[Any]:
    text = str(version)
    meanings: list[Any] = []
    if text.isdigit() and len(text) < 10:
        meanings.append(system_versions.c.number == int(text))
    meanings.append(system_versions.c.digest == text)
    latest = (
        select(promotions.c.system_version_id).join(systems)
        .where(systems.c.name == system, promotions.c.alias == text)
        .order_by(promotions.c.id.desc()).limit(1).scalar_subquery()
    )  # fmt: skip
    meanings.append(system_versions.c.id == latest)
    if len(text) >= 6 and all(letter in "0123456789abcdef" for letter in text):
        meanings.append(system_versions.c.digest.startswith(text))
    return meanings
