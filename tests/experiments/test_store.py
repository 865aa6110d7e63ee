"""A store against a plain dict, whatever is recorded in whatever order; and many writers to one file."""

from __future__ import annotations

import itertools
import math
import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.errors import StoreError
from drivetrain.experiments import Store
from drivetrain.experiments.versions.version import Evaluation

SLOTS = ("camera", "lidar", "fusion")
_names = itertools.count()

record = st.tuples(
    st.tuples(*(st.integers(0, 2) for _ in SLOTS)),
    st.sampled_from(["g", "h"]),
    st.floats(allow_nan=False, allow_infinity=False),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """With three versions of each of three models."""
    with Store(tmp_path_factory.mktemp("store") / "drivetrain.db") as store:
        for slot, number in itertools.product(SLOTS, range(3)):
            store.components.add(slot, f"{slot} {number}".encode(), digest=_digest(slot, number))
        yield store


@settings(max_examples=40, deadline=None)
@given(records=st.lists(record, max_size=30))
def test_a_store_says_what_a_dict_would_say(store: Store, records: list[tuple[tuple[int, ...], str, float]]) -> None:
    name = f"car{next(_names)}"
    store.systems.declare(name, dict.fromkeys(SLOTS, "image -> boxes"))
    expected: dict[tuple[tuple[int, ...], str], float] = {}
    for chosen, glue, value in records:
        version = store.evaluations.record(name, _pins(chosen), [Evaluation("f1", value)], glue=glue)
        expected[chosen, glue] = value
        assert version.number == 1 + list(expected).index((chosen, glue))
    rows = store.evaluations.matrix(name, "f1").rows
    assert [(row.pins, row.value) for row in rows] == [
        (tuple(_pins(chosen).values()), value) for (chosen, _), value in expected.items()
    ]
    candidates = {slot: [_digest(slot, number) for number in range(3)] for slot in SLOTS}
    left = {tuple(each.values()) for each in store.evaluations.untried(name, candidates, "f1", glue="g")}
    tried = {tuple(_pins(chosen).values()) for chosen, glue in expected if glue == "g"}
    assert left == set(itertools.product(*candidates.values())) - tried
    assert [each.pins for each in store.systems.all(name)] == [_pins(chosen) for chosen, _ in expected]


@settings(max_examples=20, deadline=None)
@given(parts=st.lists(st.dictionaries(st.sampled_from(SLOTS), st.integers(0, 2), min_size=1), max_size=4))
def test_what_is_refused_in_part_is_refused_wherever_that_part_is(store: Store, parts: list[dict[str, int]]) -> None:
    name = f"car{next(_names)}"
    store.systems.declare(name, dict.fromkeys(SLOTS, "image -> boxes"))
    for part in parts:
        store.evaluations.avoid(name, {slot: _digest(slot, number) for slot, number in part.items()}, "too slow")
    candidates = {slot: [_digest(slot, number) for number in range(3)] for slot in SLOTS}
    left = list(store.evaluations.untried(name, candidates, "f1"))
    for chosen in itertools.product(range(3), repeat=3):
        named = dict(zip(SLOTS, chosen, strict=True))
        refused = any(all(named[slot] == number for slot, number in part.items()) for part in parts)
        assert (_pins(chosen) in left) == (not refused)


def test_what_cannot_be_measured_is_kept_as_tried_without_a_value(store: Store) -> None:
    store.systems.declare("truck", dict.fromkeys(SLOTS, "image -> boxes"))
    for value in (math.nan, math.inf):
        store.evaluations.record("truck", _pins((0, 0, 0)), [Evaluation("f1", value)])
    (row,) = store.evaluations.matrix("truck", "f1").rows
    assert math.isnan(row.value)


def test_processes_that_write_to_one_file_at_once_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "drivetrain.db"
    with Store(path) as store:
        store.systems.declare("car", dict.fromkeys(SLOTS, "image -> boxes"))
        for slot, number in itertools.product(SLOTS, range(3)):
            store.components.add(slot, f"{slot} {number}".encode(), digest=_digest(slot, number))
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(path, start)) for start in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    with Store(path) as store:
        versions = store.systems.all("car")
        assert [version.number for version in versions] == list(range(1, 28))
        assert all(len(store.evaluations.of(version)) == 3 for version in versions)


def test_a_file_that_is_no_database_and_a_folder_that_is_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are notes, " * 100)
    with pytest.raises(StoreError, match=r"notes\.txt: the file is no SQLite database"):
        Store(tmp_path / "notes.txt").systems.names()
    with pytest.raises(StoreError, match="/proc/nowhere"):
        Store("/proc/nowhere/drivetrain.db").systems.names()


def _write(path: Path, start: int) -> None:
    with Store(path) as store:
        grid = list(itertools.product(range(3), repeat=3))
        for chosen in grid[9 * start :] + grid[: 9 * start]:
            store.evaluations.record("car", _pins(chosen), [Evaluation("f1", float(start))], glue="g")


def _digest(slot: str, number: int) -> str:
    return f"{slot} {number}".ljust(64, "-")


def _pins(chosen: tuple[int, ...]) -> dict[str, str]:
    return {slot: _digest(slot, number) for slot, number in zip(SLOTS, chosen, strict=True)}
