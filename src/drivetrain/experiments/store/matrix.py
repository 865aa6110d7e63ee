"""A metric over all versions of a system, read in a few milliseconds, those without a measurement included."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any, NamedTuple

from drivetrain.experiments.store.database import Database


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
    """The matrix of a metric, in the driver's own words: one statement, a row a version."""
    asked = {"system": system, "metric": metric, "edge": edge, "data": data}
    words = database.words
    with database.quick(writes=False) as cursor:
        slots = cursor.execute(words(_SLOTS), asked).fetchall()
        found = cursor.execute(words(_ROWS.format("" if data is None else "AND e.data = :data ")), asked).fetchall()
        newest = {row[0]: row for row in found}  # in order of being measured
        pairs = [row[1].split(",") for row in newest.values()]
        columns = list(zip_longest(*pairs, fillvalue=""))  # by slot: everything is done a column at a time
        distinct = [set(column) for column in columns]
        digests = _digests(cursor, set().union(*distinct) - {""})
    names = tuple(name for _, name in slots)
    if not newest:
        return Matrix(system, metric, names, (), edge, data)
    numbers, _, values, lows, highs, ns = zip(*newest.values(), strict=True)
    if None in values:
        values = tuple(math.nan if value is None else value for value in values)
    prefixes = [f"{slot}=" for slot, _ in slots]
    if _regular(distinct, prefixes):
        pins: Iterable[tuple[str, ...]] = zip(*(map(digests.__getitem__, column) for column in columns), strict=True)
    else:
        pins = [_with_gaps(each, prefixes, digests) for each in pairs]
    rows = map(_row, zip(numbers, pins, values, lows, highs, ns, strict=True))
    return Matrix(system, metric, names, tuple(rows), edge, data)


_row: Callable[[Iterable[Any]], Row] = partial(tuple.__new__, Row)  # type: ignore[arg-type]  # faster than Row._make


def _regular(columns: list[set[str]], slots: list[str]) -> bool:
    """Whether each version pins every slot, in order of execution."""
    return len(columns) == len(slots) and all(
        pair.startswith(slot) for column, slot in zip(columns, slots, strict=True) for pair in column
    )


def _with_gaps(pairs: list[str], slots: list[str], digests: dict[str, str]) -> tuple[str, ...]:
    """The digest in each slot, where some slots came later than the version."""
    there = {pair[: pair.index("=") + 1]: digests[pair] for pair in pairs}
    return tuple(there.get(slot, "") for slot in slots)


def _digests(cursor: Any, pairs: set[str]) -> dict[str, str]:
    """Of component versions by pairs "slot=component version"; the ids are numbers that the database gave out."""
    ids = {pair: int(pair.partition("=")[2]) for pair in pairs}
    listed, digests = sorted(set(ids.values())), {}
    for start in range(0, len(listed), 1000):
        part = ", ".join(map(str, listed[start : start + 1000]))
        query = f"SELECT id, digest FROM drivetrain_component_versions WHERE id IN ({part})"
        digests.update(cursor.execute(query).fetchall())
    return {pair: digests[number] for pair, number in ids.items()}


_SLOTS = (
    "SELECT s.id, s.name FROM drivetrain_slots s JOIN drivetrain_systems y ON y.id = s.system_id "
    "WHERE y.name = :system ORDER BY s.position, s.id"
)
_ROWS = (
    "SELECT v.number, v.combination, e.value, e.low, e.high, e.n FROM drivetrain_systems y "
    "JOIN drivetrain_system_versions v ON v.system_id = y.id "
    "LEFT JOIN drivetrain_evaluations e ON e.system_version_id = v.id AND e.metric = :metric AND e.edge = :edge {}"
    "WHERE y.name = :system ORDER BY v.number, e.id"
)
