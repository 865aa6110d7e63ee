"""The systems of a store and their versions: one identity for a pinned tuple, however often it is registered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select

from drivetrain.errors import PinnedError, StoreError, UnknownVersionError, listed
from drivetrain.experiments.database import Database, count_alone, insert_new
from drivetrain.experiments.schema import (
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
from drivetrain.experiments.version import SystemVersion, combination_digest


class SystemVersions:
    """Systems, slots, and which versions stood in them together."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._slots: dict[str, tuple[int, dict[str, int]]] = {}  # ids by system and slot; they never change
        self._components: dict[str, int] = {}

    def declare(self, name: str, slots_of: Mapping[str, str], *, place: str | None = None) -> None:
        """Make a system known: its slots with their signatures, in order of execution; more may come later.

        Args:
            name: of the system.
            slots_of: signature by slot: ``{"camera": "image -> boxes"}``.
            place: where the diagram is declared, ``MODULE:NAME``, so that a version can be restored from the shell.
        """
        with self.database.write() as connection:
            insert_new(connection, systems, [{"name": name, "place": place, "created": time.time()}])
            system = connection.execute(select(systems.c.id).where(systems.c.name == name)).scalar_one()
            if place is not None:
                connection.execute(systems.update().where(systems.c.id == system).values(place=place))
            rows = [
                {"system_id": system, "name": slot, "signature": signature, "position": position}
                for position, (slot, signature) in enumerate(slots_of.items())
            ]
            if rows:
                insert_new(connection, slots, rows)
        self._slots.pop(name, None)

    def names(self) -> list[str]:
        """The systems there are."""
        with self.database.read() as connection:
            return list(connection.execute(select(systems.c.name).order_by(systems.c.id)).scalars())

    def place(self, name: str) -> str | None:
        """Where the diagram of a system is declared, if that is known."""
        with self.database.read() as connection:
            return connection.execute(select(systems.c.place).where(systems.c.name == name)).scalar()

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
        with self.database.write() as connection:
            if parts is not None:
                insert_new(connection, glues, [{"digest": glue, "parts": dict(parts)}])
            return self.pinned_with_id(connection, system, pinned, glue, run)[0]

    def pinned_with_id(
        self, connection: Connection, system: str, pinned: Mapping[str, str], glue: str, run: str | None = None
    ) -> tuple[SystemVersion, int]:
        """``pin`` as a part of a transaction; answers the row's id, too."""
        digest = combination_digest(pinned, glue)
        system_id, ids = self._system(connection, system)
        condition = (system_versions.c.system_id == system_id) & (system_versions.c.digest == digest)
        found = connection.execute(_numbers.where(condition)).first()
        if found is not None:
            same = SystemVersion(system, found.number, digest, dict(pinned), glue, found.created, found.run)
            return same, found.id
        rows = [{"slot_id": ids[slot], "component_version_id": self._id(connection, pinned[slot], slot)}
                for slot in self._checked(system, ids, pinned)]  # fmt: skip
        count_alone(connection, system_versions)
        last = select(func.max(system_versions.c.number)).where(system_versions.c.system_id == system_id)
        number, now = (connection.execute(last).scalar() or 0) + 1, time.time()
        made = connection.execute(
            insert(system_versions),
            {"system_id": system_id, "number": number, "digest": digest, "glue": glue, "run": run, "created": now},
        )
        key = int(made.inserted_primary_key[0])  # type: ignore[index]
        connection.execute(insert(pins), [{"system_version_id": key, **row} for row in rows])
        return SystemVersion(system, number, digest, dict(pinned), glue, now, run), key

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

    def all(self, system: str) -> list[SystemVersion]:
        """Every version of a system, the oldest first."""
        with self.database.read() as connection:
            return _read(connection, _query().where(systems.c.name == system))

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

    def _system(self, connection: Connection, name: str) -> tuple[int, dict[str, int]]:
        if name not in self._slots:
            system = connection.execute(select(systems.c.id).where(systems.c.name == name)).scalar()
            if system is None:
                raise UnknownVersionError(
                    f"no system '{name}' in {self.database.url}; "
                    f"make it known: store.systems.declare('{name}', {{'camera': 'image -> boxes', ...}})"
                )
            rows = connection.execute(
                select(slots.c.name, slots.c.id).where(slots.c.system_id == system).order_by(slots.c.position)
            )
            self._slots[name] = system, dict(rows.all())
        return self._slots[name]

    def _checked(self, system: str, ids: Mapping[str, int], pinned: Mapping[str, str]) -> Mapping[str, str]:
        if strange := [slot for slot in pinned if slot not in ids]:
            raise StoreError(f"{system} has no slot {listed(strange)}; its slots: {listed(ids)}")
        if not pinned:
            raise StoreError(f"a version of {system} pins at least one slot: {listed(ids)}")
        return pinned

    def _id(self, connection: Connection, digest: str, slot: str) -> int:
        if digest not in self._components:
            query = select(component_versions.c.id).where(component_versions.c.digest == digest)
            found = connection.execute(query).scalar()
            if found is None:
                raise UnknownVersionError(
                    f"slot '{slot}': no component version {digest[:12]} in {self.database.url}; "
                    f"store it first: store.components.add(...)"
                )
            self._components[digest] = found
        return self._components[digest]


_numbers = select(system_versions.c.id, system_versions.c.number, system_versions.c.created, system_versions.c.run)
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
