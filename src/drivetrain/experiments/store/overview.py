"""Every system of a store in a line: how much there is of it, and what is promoted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, func, select

from drivetrain.experiments.store.database import Database
from drivetrain.experiments.store.schema import evaluations, promotions, runs, slots, system_versions, systems


@dataclass(frozen=True)
class Overview:
    """A system in a line.

    Attributes:
        name: of the system.
        place: where its diagram is declared, ``MODULE:NAME``, if that is known.
        slots: how many models it has places for.
        versions: how many there are.
        runs: how many trained it.
        evaluations: how many numbers were measured on its versions.
        changed: when the newest version was made, seconds since 1970, UTC; when it was declared if it has none.
        promoted: the number of the version that each alias names now.
    """

    name: str
    place: str | None
    slots: int
    versions: int
    runs: int
    evaluations: int
    changed: float
    promoted: Mapping[str, int]


def read_overview(database: Database) -> list[Overview]:
    """Every system, the oldest first."""
    newest = select(func.max(system_versions.c.created)).where(system_versions.c.system_id == systems.c.id)
    measured = (
        select(func.count()).select_from(evaluations.join(system_versions))
        .where(system_versions.c.system_id == systems.c.id).scalar_subquery()
    )  # fmt: skip
    query = select(
        systems.c.name, systems.c.place, _count(slots), _count(system_versions), _count(runs), measured,
        func.coalesce(newest.scalar_subquery(), systems.c.created),
    ).order_by(systems.c.id)  # fmt: skip
    aliases = (
        select(systems.c.name, promotions.c.alias, system_versions.c.number)
        .select_from(promotions.join(systems).join(
            system_versions, system_versions.c.id == promotions.c.system_version_id
        ))
        .order_by(promotions.c.id)
    )  # fmt: skip
    promoted: dict[str, dict[str, int]] = {}
    with database.read() as connection:
        for system, alias, number in connection.execute(aliases):
            promoted.setdefault(system, {})[alias] = number
        return [Overview(*row, promoted.get(row[0], {})) for row in connection.execute(query)]


def _count(table: Table) -> Any:
    return select(func.count()).select_from(table).where(table.c.system_id == systems.c.id).scalar_subquery()
