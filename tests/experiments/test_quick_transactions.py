"""Combinations are recorded with one connection, whatever else happens to it, and looked up by their run."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from sqlalchemy import event, text

from drivetrain.errors import StoreError
from drivetrain.experiments import Store
from drivetrain.experiments.versions.version import Evaluation


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "drivetrain.db")
    store.systems.declare("car", {"camera": "image -> boxes"})
    for number in range(40):
        store.components.add("camera", b"weights", digest=_digest(number))
    return store


def test_one_connection_records_all_combinations(store: Store) -> None:
    opened: list[object] = []
    event.listen(store.database.engine, "connect", lambda connection, record: opened.append(connection))
    for number in range(20):
        _record(store, number)
    assert len(opened) <= 1
    assert len(store.evaluations.matrix("car", "f1").rows) == 20
    store.close()


def test_what_is_refused_is_undone_and_the_next_is_recorded(store: Store) -> None:
    _record(store, 0)
    with pytest.raises(StoreError, match="no component version"):
        store.evaluations.record_all("car", [({"camera": _digest(1)}, [_measured(1)]), ({"camera": "none"}, [])])
    assert [row.pins for row in store.evaluations.matrix("car", "f1").rows] == [(_digest(0),)]
    _record(store, 2)
    assert [row.pins for row in store.evaluations.matrix("car", "f1").rows] == [(_digest(0),), (_digest(2),)]
    store.close()


def test_threads_record_beside_each_other(store: Store) -> None:
    _record(store, 0)
    threads = [
        threading.Thread(target=lambda those=range(1 + k, 40, 3): [_record(store, n) for n in those]) for k in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = store.evaluations.matrix("car", "f1").rows
    assert sorted(row.number for row in rows) == list(range(1, 41))
    assert sorted(row.value for row in rows) == [number / 100 for number in range(40)]
    store.close()


def test_a_forked_process_and_a_closed_store_open_connections_of_their_own(store: Store) -> None:
    _record(store, 0)
    child = os.fork()
    if not child:
        try:
            _record(store, 1)
            store.close()
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    _record(store, 2)
    store.close()
    _record(store, 3)
    assert [row.pins for row in store.evaluations.matrix("car", "f1").rows] == [(_digest(n),) for n in range(4)]
    store.close()


def test_versions_are_looked_up_by_their_run_in_an_index(store: Store) -> None:
    with store.database.read() as connection:
        words = "EXPLAIN QUERY PLAN SELECT id FROM drivetrain_system_versions WHERE run = 'a'"
        plan = " ".join(str(row) for row in connection.execute(text(words)))
    assert "ix_drivetrain_system_versions_run" in plan, plan
    store.close()


def _digest(number: int) -> str:
    return f"camera {number:03}".ljust(64, "-")


def _measured(number: int) -> Evaluation:
    return Evaluation("f1", number / 100)


def _record(store: Store, number: int) -> None:
    store.evaluations.record("car", {"camera": _digest(number)}, [_measured(number)])
