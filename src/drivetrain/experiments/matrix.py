"""A metric over all versions of a system, read in a few milliseconds, those without a measurement included."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from drivetrain.experiments.database import Database


class Row(NamedTuple):
    """One combination of a matrix.

    Attributes:
        number: of the system version.
        pins: the digest of the component version in each of the matrix's slots; empty where it pins none.
        value: the newest measurement; NaN where none was made.
        low: lower end of its 95 % interval.
        high: upper end.
        n: independent units behind it.
    """

    number: int
    pins: tuple[str, ...]
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Matrix:
    """A metric over all versions of a system.

    Attributes:
        system: the system's name.
        metric: what was measured.
        slots: in order of execution.
        rows: one a system version, the oldest first.
        edge: where it was measured.
        data: the digest of the data set; None for the newest measurement on whatever data.
    """

    system: str
    metric: str
    slots: tuple[str, ...]
    rows: tuple[Row, ...]
    edge: str = ""
    data: str | None = None


def read_matrix(database: Database, system: str, metric: str, edge: str, data: str | None) -> Matrix:
    """The matrix of a metric, in the driver's own words."""
    asked = {"system": system, "metric": metric, "edge": edge, "data": data}
    words = database.words
    with database.quick(writes=False) as cursor:
        slots = cursor.execute(words(_SLOTS), asked).fetchall()
        values = cursor.execute(words(_VALUES if data is None else _VALUES_ON), asked).fetchall()
        pins = cursor.execute(words(_PINS), asked).fetchall()
        digests = _digests(cursor, {pin[3] for pin in pins})
    place = {key: number for number, (key, _) in enumerate(slots)}
    newest = {row[0]: row for row in values}
    numbers: dict[int, int] = {}
    pinned: dict[int, list[str]] = {}
    for version, number, slot, component in pins:
        if version not in pinned:
            numbers[version], pinned[version] = number, [""] * len(place)
        pinned[version][place[slot]] = digests[component]
    nothing = (0, None, None, None, None)
    rows = []
    for version, those in pinned.items():
        _, value, low, high, n = newest.get(version, nothing)
        rows.append(Row(numbers[version], tuple(those), math.nan if value is None else value, low, high, n))
    return Matrix(system, metric, tuple(name for _, name in slots), tuple(rows), edge, data)


def _digests(cursor: Any, ids: set[int]) -> dict[int, str]:
    """Of component versions by the ids of their rows; whole numbers that the database gave out itself."""
    found: dict[int, str] = {}
    listed = sorted(ids)
    for start in range(0, len(listed), 1000):
        part = ", ".join(map(str, listed[start : start + 1000]))
        found.update(
            cursor.execute(f"SELECT id, digest FROM drivetrain_component_versions WHERE id IN ({part})").fetchall()
        )
    return found


_SLOTS = (
    "SELECT s.id, s.name FROM drivetrain_slots s JOIN drivetrain_systems y ON y.id = s.system_id "
    "WHERE y.name = :system ORDER BY s.position, s.id"
)
_PINS = (
    "SELECT v.id, v.number, p.slot_id, p.component_version_id FROM drivetrain_systems y "
    "JOIN drivetrain_system_versions v ON v.system_id = y.id "
    "JOIN drivetrain_pins p ON p.system_version_id = v.id WHERE y.name = :system ORDER BY v.number"
)
_MEASURED = (
    "SELECT e.system_version_id, e.value, e.low, e.high, e.n FROM drivetrain_systems y "
    "JOIN drivetrain_system_versions v ON v.system_id = y.id "
    "JOIN drivetrain_evaluations e ON e.system_version_id = v.id "
    "WHERE y.name = :system AND e.metric = :metric AND e.edge = :edge "
)
_VALUES = _MEASURED + "ORDER BY e.id"
_VALUES_ON = _MEASURED + "AND e.data = :data ORDER BY e.id"
