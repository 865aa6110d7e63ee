"""Every store passes the same exam: SQLite here, and a real PostgreSQL beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivetrain.experiments.store import Store, conformance


@pytest.mark.parametrize("promise", conformance.PROMISES, ids=lambda promise: promise.__name__)
def test_a_sqlite_store_keeps_its_promise(promise, tmp_path: Path) -> None:
    with Store(tmp_path / "drivetrain.db") as store:
        promise(store)


def test_promises_do_not_disturb_each_other(tmp_path: Path) -> None:
    conformance.examine(tmp_path / "drivetrain.db")
