"""The versions of components in a store: content-addressed, so that the same model in two slots is stored once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select

from drivetrain.errors import PinnedError, StoreError, UnknownVersionError, listed
from drivetrain.experiments.store import contents as bytes_of
from drivetrain.experiments.store.contents import Contents
from drivetrain.experiments.store.database import Database, count_alone
from drivetrain.experiments.store.schema import component_versions as table
from drivetrain.experiments.store.schema import contents as contents_table
from drivetrain.experiments.store.schema import context_members, pins, slots, system_versions, systems
from drivetrain.experiments.versions.version import ComponentVersion, component_digest


class ComponentVersions:
    """What has ever stood in a slot."""

    def __init__(self, database: Database, contents: Contents) -> None:
        self.database, self.contents = database, contents

    def add(
        self,
        name: str,
        weights: bytes | None,
        *,
        kind: str = "torch",
        code: str = "",
        digest: str | None = None,
        parameters: int = 0,
        facts: Mapping[str, Any] | None = None,
        run: str | None = None,
    ) -> ComponentVersion:
        """Store a version, or find the one that is the same.

        Args:
            name: of the component; it numbers the versions for people.
            weights: as a file would hold them (safetensors, skops); None keeps only the fingerprint.
            kind: which framework reads them.
            code: the digest of the code that runs them.
            digest: its identity, such as ``component_fingerprint(component)``; None makes one of all the rest.
            parameters: how many numbers they are.
            facts: plain data worth showing.
            run: the key of the run that made it.
        """
        if digest is None:
            digest = component_digest(kind, hashlib.sha256(weights or b"").hexdigest(), code)
        with self.database.write() as connection:
            found = _found(connection, table.c.digest == digest)
            if found is None:
                count_alone(connection, table)
                number = connection.execute(select(func.max(table.c.number)).where(table.c.name == name)).scalar() or 0
                row = {
                    "digest": digest, "name": name, "number": number + 1, "kind": kind, "code": code,
                    "weights": None if weights is None else bytes_of.put(connection, weights),
                    "parameters": parameters, "facts": dict(facts or {}), "run": run, "created": time.time(),
                }  # fmt: skip
                connection.execute(insert(table), row)
            elif found.weights is None and weights is not None:
                row = {"weights": bytes_of.put(connection, weights)}
                connection.execute(table.update().where(table.c.digest == digest).values(row))
            version = _found(connection, table.c.digest == digest)
        assert version is not None
        return version

    def get(self, name: str) -> ComponentVersion:
        """A version by its digest, the beginning of one, or as people call it: ``"camera 3"``.

        Raises:
            UnknownVersionError: there is none, or several; the message lists what there is.
        """
        with self.database.read() as connection:
            for condition in _meanings(name):
                rows = connection.execute(_query().where(condition).limit(3)).mappings().all()
                if len(rows) == 1:
                    return _version(rows[0])
                if rows:
                    raise UnknownVersionError(f"'{name}' begins the digest of several versions: {_both(rows)}")
            known = connection.execute(select(table.c.name, func.max(table.c.number)).group_by(table.c.name)).all()
        there = listed((f"{each} 1 to {last}" for each, last in known), "no versions yet")
        raise UnknownVersionError(f"no component version '{name}' in {self.database.url}; it has: {there}")

    def all(self, name: str | None = None) -> list[ComponentVersion]:
        """Every version, or those of one name; the oldest first."""
        query = _query().order_by(table.c.id)
        if name is not None:
            query = query.where(table.c.name == name)
        with self.database.read() as connection:
            return [_version(row) for row in connection.execute(query).mappings()]

    def in_slot(self, system: str, slot: str) -> list[ComponentVersion]:
        """The versions that a system version has in that slot, the oldest first."""
        here = (
            select(pins.c.component_version_id).join(slots, slots.c.id == pins.c.slot_id)
            .join(systems, systems.c.id == slots.c.system_id).where(systems.c.name == system, slots.c.name == slot)
        )  # fmt: skip
        with self.database.read() as connection:
            rows = connection.execute(_query().where(table.c.id.in_(here)).order_by(table.c.id)).mappings()
            return [_version(row) for row in rows]

    def weights(self, version: ComponentVersion) -> bytes:
        """Its weights as they were stored.

        Raises:
            StoreError: only a fingerprint is known.
        """
        if version.weights is None:
            raise StoreError(
                f"the weights of {version} were not stored: they are large, and training was about to change them; "
                f"only their fingerprint is known. Experiment(...).register(system) before training keeps them"
            )
        return self.contents.get(version.weights)

    def delete(self, version: ComponentVersion) -> None:
        """Delete a version that nothing is made of.

        Raises:
            PinnedError: a system pins it, or others were trained in its context; the message names them.
        """
        with self.database.write() as connection:
            where = select(table.c.id).where(table.c.digest == version.digest).scalar_subquery()
            pinning = (
                select(systems.c.name, system_versions.c.number)
                .select_from(pins.join(system_versions).join(systems))
                .where(pins.c.component_version_id == where).order_by(system_versions.c.number).limit(6)
            )  # fmt: skip
            if holders := [f"{name} {number}" for name, number in connection.execute(pinning)]:
                raise PinnedError(
                    f"{version} cannot be deleted: it is pinned by {listed(holders)}; delete those system versions "
                    f"first, or keep it: combinations share its weights"
                )
            if connection.execute(
                select(context_members.c.role).where(context_members.c.component_version_id == where).limit(1)
            ).first():
                raise PinnedError(f"{version} cannot be deleted: a run trained it, or trained others in its context")
            connection.execute(delete(table).where(table.c.digest == version.digest))


def _query() -> Select[Any]:
    return select(table, contents_table.c.size.label("bytes")).outerjoin(
        contents_table, contents_table.c.digest == table.c.weights
    )


def _found(connection: Connection, condition: Any) -> ComponentVersion | None:
    row = connection.execute(_query().where(condition)).mappings().first()
    return None if row is None else _version(row)


def _meanings(name: str) -> list[Any]:
    word, _, number = name.replace(":", " ").replace("@", " ").rpartition(" ")
    meanings = [table.c.digest == name]
    if number.isdigit() and word:
        meanings.append((table.c.name == word.strip()) & (table.c.number == int(number)))
    if len(name) >= 6 and all(letter in "0123456789abcdef" for letter in name):
        meanings.append(table.c.digest.startswith(name))
    return meanings


def _both(rows: Any) -> str:
    return listed(f"{row['name']} {row['number']} ({row['digest'][:12]})" for row in rows)


def _version(row: Any) -> ComponentVersion:
    return ComponentVersion(
        digest=row["digest"], name=row["name"], number=row["number"], kind=row["kind"], code=row["code"],
        weights=row["weights"], parameters=row["parameters"], bytes=row["bytes"] or 0, facts=row["facts"],
        created=row["created"], run=row["run"],
    )  # fmt: skip
