"""Promotion of a whole system: one row says which version is in production, so that it is never half another one."""

from __future__ import annotations

import time
from typing import NamedTuple

from sqlalchemy import insert, select

from drivetrain.errors import StoreError, listed
from drivetrain.experiments.store.database import Database
from drivetrain.experiments.store.schema import component_versions, pins, promotions, system_versions, systems
from drivetrain.experiments.versions.version import SystemVersion


class Promotion(NamedTuple):
    """At that moment the alias went to that version.

    Attributes:
        system: the system's name.
        alias: what it was promoted to.
        number: of the system version.
        why: in the words of who did it.
        created: seconds since 1970, UTC.
    """

    system: str
    alias: str
    number: int
    why: str
    created: float


class Promotions:
    """Which version of a system is *production*, or whatever an alias is called; and which ones were before."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def promote(self, version: SystemVersion, alias: str = "production", why: str = "") -> Promotion:
        """Let the alias name this version from now on, all of its slots at once.

        Raises:
            StoreError: the version is not registered, or could not be restored; the message names the slots.
        """
        if not alias or alias.isdigit():
            raise StoreError(f"an alias is a word such as 'production', found '{alias}'")
        now = time.time()
        with self.database.write() as connection:
            found = connection.execute(
                select(system_versions.c.id, systems.c.id).select_from(system_versions.join(systems))
                .where(systems.c.name == version.system, system_versions.c.digest == version.digest)
            ).first()  # fmt: skip
            if found is None:
                raise StoreError(f"{version} is not registered in {self.database.url}: store.systems.pin(...) does it")
            without = connection.execute(
                select(component_versions.c.name, component_versions.c.number).join(pins)
                .where(pins.c.system_version_id == found[0], component_versions.c.weights.is_(None))
            ).all()  # fmt: skip
            if without:
                raise StoreError(
                    f"{version} cannot be promoted: it could not be restored, because the weights of "
                    f"{listed(f'{name} {number}' for name, number in without)} were not stored"
                )
            row = {
                "system_id": found[1], "alias": alias, "system_version_id": found[0], "why": why, "created": now,
            }  # fmt: skip
            connection.execute(insert(promotions), row)
        return Promotion(version.system, alias, version.number, why, now)

    def current(self, system: str) -> dict[str, int]:
        """The number of the version that each alias names now."""
        return {each.alias: each.number for each in self.history(system)}

    def history(self, system: str) -> list[Promotion]:
        """Every promotion of a system, the oldest first."""
        query = (
            select(systems.c.name, promotions.c.alias, system_versions.c.number, promotions.c.why, promotions.c.created)
            .select_from(promotions.join(systems).join(
                system_versions, system_versions.c.id == promotions.c.system_version_id
            ))
            .where(systems.c.name == system).order_by(promotions.c.id)
        )  # fmt: skip
        with self.database.read() as connection:
            return [Promotion(*row) for row in connection.execute(query)]
