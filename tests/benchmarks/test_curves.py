"""Calls until something is so good: what counts, what is said, and when a claim holds."""

from __future__ import annotations

import pytest

from benchmarks.curves import NoLater, Recorder, calls_to, first, no_later
from benchmarks.paired import Outcome

CURVE = ((100, 0.5), (200, 0.3), (300, 0.35), (400, 0.1))


def run(*curve: tuple[int, float]) -> Outcome:
    return Outcome(curve[-1][1], curve[-1][0], 1.0, curve)


@pytest.mark.parametrize(("target", "calls"), [(0.5, 100), (0.35, 200), (0.1, 400), (0.05, float("inf"))])
def test_the_first_epoch_that_is_so_good_counts(target: float, calls: float) -> None:
    assert first(CURVE, target, up=False) == calls


def test_what_measuring_asks_is_not_counted() -> None:
    def quality() -> float:
        record.ask(["x"] * 50)
        return 0.7

    record = Recorder(quality)
    record.ask([(1, 2), (1, 2), (3, 4)])
    record.note()
    outcome = record.outcome(1.0)
    assert (outcome.calls, outcome.distinct, outcome.quality, outcome.curve) == (3, 2, 0.7, ((3, 0.7),))


def test_a_claim_holds_where_the_same_quality_takes_no_more_calls(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = {"ours": [run((100, 0.2), (200, 0.1))], "peer": [run((150, 0.3), (300, 0.195))]}
    assert no_later([NoLater("ours", "peer", 0.01)], outcomes, up=False)
    assert not no_later([NoLater("peer", "ours", 0.01)], outcomes, up=False)
    printed = " ".join(capsys.readouterr().out.split())
    assert "met: calls until it is as good as peer ends: ours 100, peer 300 (median, 1 seeds)" in printed
    assert "MISSED: calls until it is as good as ours ends: peer never (0 of 1), ours 200" in printed


def test_runs_that_never_get_there_are_counted_and_not_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    calls_to([0.9], "accuracy", {"ours": [run((10, 0.95)), run((20, 0.95)), run((30, 0.1))]})
    assert "20 (2 of 3)" in capsys.readouterr().out
