"""How a combination becomes a version, and what was measured on it a row: few statements, in the driver's own words.

Most of what an evaluation costs to record is not the database but what stands before it. These statements are compiled
once, find component versions by their digest (so that nothing remembered can be out of date), and are executed by the
driver.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from drivetrain.errors import StoreError, UnknownVersionError, listed
from drivetrain.experiments.store.database import Database
from drivetrain.experiments.versions.version import Evaluation, SystemVersion, combination_digest


class Registration:
    """Writes combinations and measurements with the cursor of a transaction that is open."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._systems: dict[str, tuple[int, dict[str, int]]] = {}  # ids by system and slot; they never change

    def forget(self, system: str) -> None:
        """Read the slots of a system anew when they are next needed."""
        self._systems.pop(system, None)

    def version(
        self, cursor: Any, system: str, pinned: Mapping[str, str], glue: str, run: str | None = None
    ) -> tuple[SystemVersion, int]:
        """The version that a combination is, made if it is new; and the id of its row.

        Raises:
            StoreError: the system has no such slot, or nothing is pinned.
            UnknownVersionError: there is no such system, or a component version is not stored.
        """
        key, slots = self._slots(cursor, system, pinned)
        digest, words = combination_digest(pinned, glue), self.database.words
        if self.database.engine.dialect.name == "postgresql":
            found = self._found(cursor, system, key, digest, pinned, glue)
            if found is not None:
                return found
            cursor.execute(_ALONE)  # nobody else gives out the next number; on SQLite a writer is alone anyway
        now, components = time.time(), self._components(cursor, pinned)
        pairs = [(number, components[pinned[slot]]) for slot, number in slots.items() if slot in pinned]
        row = {
            "system": key, "digest": digest, "glue": glue, "run": run, "created": now,
            "combination": ",".join(f"{slot}={component}" for slot, component in pairs),
        }  # fmt: skip
        made = cursor.execute(words(_VERSION), row).fetchone()
        if made is None:
            found = self._found(cursor, system, key, digest, pinned, glue)
            assert found is not None
            return found
        cursor.executemany(
            words(_PIN), [{"version": made[0], "slot": slot, "component": component} for slot, component in pairs]
        )
        return SystemVersion(system, made[1], digest, dict(pinned), glue, now, run), made[0]

    def measured(self, cursor: Any, version: int, results: Sequence[Evaluation]) -> None:
        """What was measured on the version with that row id."""
        now = time.time()
        rows = [
            {**vars(each), "value": each.value if math.isfinite(each.value) else None, "version": version,
             "created": each.created or now}
            for each in results
        ]  # fmt: skip
        cursor.executemany(self.database.words(_EVALUATION), rows)

    def glue(self, cursor: Any, digest: str, parts: Mapping[str, str]) -> None:
        """What a glue is made of."""
        cursor.execute(self.database.words(_GLUE), {"digest": digest, "parts": json.dumps(dict(parts))})

    def _slots(self, cursor: Any, system: str, pinned: Mapping[str, str]) -> tuple[int, dict[str, int]]:
        if system not in self._systems or not pinned.keys() <= self._systems[system][1].keys():
            found = cursor.execute(self.database.words(_SYSTEM), {"name": system}).fetchone()
            if found is None:
                raise UnknownVersionError(
                    f"no system '{system}' in {self.database.url}; "
                    f"make it known: store.systems.declare('{system}', {{'camera': 'image -> boxes', ...}})"
                )
            slots = cursor.execute(self.database.words(_SLOTS), {"system": found[0]}).fetchall()
            self._systems[system] = found[0], dict(slots)
        known = self._systems[system][1]
        if strange := [slot for slot in pinned if slot not in known]:
            raise StoreError(f"{system} has no slot {listed(strange)}; its slots: {listed(known)}")
        if not pinned:
            raise StoreError(f"a version of {system} pins at least one slot: {listed(known)}")
        return self._systems[system]

    def _found(
        self, cursor: Any, system: str, key: int, digest: str, pinned: Mapping[str, str], glue: str
    ) -> tuple[SystemVersion, int] | None:
        row = cursor.execute(self.database.words(_FOUND), {"system": key, "digest": digest}).fetchone()
        if row is None:
            return None
        return SystemVersion(system, row[1], digest, dict(pinned), glue, row[2], row[3]), row[0]

    def _components(self, cursor: Any, pinned: Mapping[str, str]) -> dict[str, int]:
        """The ids of component versions by digest, asked anew: a remembered one may be deleted by now."""
        asked = {f"d{number}": digest for number, digest in enumerate(pinned.values())}
        query = _COMPONENTS.format(", ".join(f":{name}" for name in asked))
        found: dict[str, int] = dict(cursor.execute(self.database.words(query), asked).fetchall())
        for slot, digest in pinned.items():
            if digest not in found:
                raise UnknownVersionError(
                    f"slot '{slot}': no component version {digest[:12]} in {self.database.place}; "
                    f"store it first: store.components.add(...)"
                )
        return found


_SYSTEM = "SELECT id FROM drivetrain_systems WHERE name = :name"
_SLOTS = "SELECT name, id FROM drivetrain_slots WHERE system_id = :system ORDER BY position, id"
_COMPONENTS = "SELECT digest, id FROM drivetrain_component_versions WHERE digest IN ({})"
_ALONE = "LOCK TABLE drivetrain_system_versions IN SHARE ROW EXCLUSIVE MODE"
_FOUND = (
    "SELECT id, number, created, run FROM drivetrain_system_versions WHERE system_id = :system AND digest = :digest"
)
_VERSION = (
    "INSERT INTO drivetrain_system_versions (system_id, number, digest, glue, run, created, combination) "
    "SELECT :system, COALESCE(MAX(number), 0) + 1, :digest, :glue, :run, :created, :combination "
    "FROM drivetrain_system_versions WHERE system_id = :system "
    "ON CONFLICT (system_id, digest) DO NOTHING RETURNING id, number"
)
_PIN = (
    "INSERT INTO drivetrain_pins (system_version_id, slot_id, component_version_id) "
    "VALUES (:version, :slot, :component)"
)
_EVALUATION = (
    "INSERT INTO drivetrain_evaluations (system_version_id, metric, edge, value, low, high, n, data, "
    "higher_is_better, unit, seed, seconds, created) VALUES (:version, :metric, :edge, :value, :low, :high, :n, "
    ":data, :higher_is_better, :unit, :seed, :seconds, :created)"
)
_GLUE = "INSERT INTO drivetrain_glues (digest, parts) VALUES (:digest, :parts) ON CONFLICT (digest) DO NOTHING"
