"""kill -9 of the writer: what it said was recorded is there, whole, and the database is sound."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import killing_the_writer as killing


@pytest.mark.slow
def test_fifteen_killed_writers_lose_nothing_that_was_finished(tmp_path: Path) -> None:
    toll = killing.kill(tmp_path / "drivetrain.db", 15, seed=1)
    assert (toll.kills, toll.lost, toll.half, toll.damaged, toll.left_open) == (15, 0, 0, 0, 0)
    assert toll.finished > 15


def test_a_loss_would_be_noticed(tmp_path: Path) -> None:
    import sqlite3

    toll = killing.kill(tmp_path / "drivetrain.db", 1, seed=1)
    with sqlite3.connect(tmp_path / "drivetrain.db") as connection:
        connection.execute("DELETE FROM drivetrain_evaluations WHERE value = 0")
    connection.close()
    killing.look(tmp_path / "drivetrain.db", toll.finished, toll)
    assert (toll.lost, toll.half) == (1, 1)
