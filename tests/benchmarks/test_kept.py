"""A comparison that was stopped goes on; one that starts anew takes nothing from before."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.kept import Kept
from benchmarks.paired import Outcome

OUTCOME = Outcome(0.5, 10, 1.0, ((5, 0.4), (10, 0.5)), 3)


def never() -> Outcome:
    raise AssertionError("trained again")


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("benchmarks.kept.RESULTS", tmp_path / "results")
    return tmp_path / "results"


def test_what_is_done_is_not_done_again_after_a_stop(results: Path) -> None:
    Kept("digits", resume=False).get(("ours", 0, 0.1), lambda: OUTCOME)
    with (results / "digits.jsonl").open("a") as file:
        file.write('{"key": "half a li')
    kept = Kept("digits", resume=True)
    assert kept.get(("ours", 0, 0.1), never) == OUTCOME
    with pytest.raises(AssertionError, match="trained again"):
        kept.get(("ours", 1, 0.1), never)


def test_without_resume_nothing_is_taken_from_before() -> None:
    Kept("digits", resume=False).get(("ours", 0), lambda: OUTCOME)
    with pytest.raises(AssertionError, match="trained again"):
        Kept("digits", resume=False).get(("ours", 0), never)
