"""The benchmarks run, name the peers they could not measure, and are not far from what is claimed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import loops_of_the_race_car as loops
from benchmarks.epochs_of_the_race_car import by_fit
from benchmarks.measure import Claim, Comparison, report
from benchmarks.relay import Loop
from drivetrain.training import AlternatingEndLoss, PartialEndLoss, SimultaneousEndLoss
from drivetrain.training.base import TrainingPattern
from examples.race_car.losses import cone_loss
from examples.race_car.simulation import simulate

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow

NOISE = 1.25  # the full run is for judging; a quick one beside other work only catches what went badly wrong


def test_calling_a_system_costs_about_what_a_hand_written_module_costs(tmp_path: Path) -> None:
    (record,) = _run("calling_a_system", tmp_path)
    _check_claims(record)
    measured = {ratio["contestant"] for ratio in record["ratios"]} | set(record["not_measured"])
    for peer in ("neuromancer", "tensordict", "hamilton", "haystack"):
        assert any(peer in name for name in measured), "a peer was dropped without a word"


@pytest.mark.timeout(600)
def test_epochs_of_fit_cost_about_what_hand_written_loops_cost(tmp_path: Path) -> None:
    records = _run("epochs_of_the_race_car", tmp_path)
    assert len(records) == 3
    for record in records:
        _check_claims(record)


@pytest.mark.parametrize(
    ("pattern", "by_hand"),
    [
        (SimultaneousEndLoss(cone_loss), loops.simultaneous),
        (AlternatingEndLoss(cone_loss), loops.alternating),
        (PartialEndLoss("lidar", cone_loss), loops.partial_over_cached_boxes),
    ],
    ids=["simultaneous", "alternating", "partial"],
)
def test_the_loops_that_are_timed_compute_the_same_numbers(
    pattern: TrainingPattern, by_hand: Callable[[loops.Data], Loop]
) -> None:
    data = simulate(96, seed=0)
    ours: list[float] = []
    theirs: list[float] = []
    by_fit(data, pattern)(3, ours.append)
    by_hand(data)(3, theirs.append)
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_selecting_answers_the_numbers_of_the_usual_script(tmp_path: Path) -> None:
    (record,) = _run("select_speed", tmp_path)  # it compares the values of all combinations itself
    ratios = {ratio["contestant"]: ratio["median"] for ratio in record["ratios"]}
    assert ratios["select, recorded in the store"] < 1.0


def test_sweeping_towards_the_system_beats_sweeping_each_model(tmp_path: Path) -> None:
    (record,) = _run("sweep_runs", tmp_path)
    runs = {name: sum(one["runs"] for one in found) for name, found in record["outcomes"].items()}
    assert len(runs) == 4, "a peer was dropped without a word"
    assert runs["sweep towards the system"] < runs["a sweep each by its own F1"]


def test_searches_are_compared_with_their_peers(tmp_path: Path) -> None:
    _run_only("search", tmp_path)
    record = json.loads((tmp_path / "search.json").read_text())
    regret = {(row["contestant"], row["family"]): row["regret"] for row in record["rows"]}
    assert {name for name, _ in regret} >= {"Interactions", "Optuna TPE", "Coordinate", "Random"}
    assert regret["Interactions", "weak pairs in a chain"] < regret["Random", "weak pairs in a chain"]


def test_every_family_of_systems_is_in_one_class() -> None:
    from benchmarks.interactions.classes import CLASSES
    from benchmarks.interactions.families import FAMILIES

    assert sorted(family for those in CLASSES.values() for family in those) == sorted(FAMILIES)


def test_merging_finds_what_trying_every_pipeline_finds_in_fewer_passes(tmp_path: Path) -> None:
    _run_only("merging", tmp_path)  # it compares the best values itself
    for merges in json.loads((tmp_path / "merging.json").read_text())["merges"].values():
        ours, anew, theirs = (
            merges[name] for name in ("select, all combinations", "every pipeline anew", "MLCask's merge")
        )
        assert len(ours) == 2, "a seed was dropped without a word"
        for one, other, peer in zip(ours, anew, theirs, strict=True):
            assert one["passes"] < other["passes"]
            assert one["bytes"] <= 1.1 * peer["bytes"]


def test_a_missed_claim_is_said_and_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.measure.RESULTS", tmp_path)
    comparison = Comparison("Walking", {"us": [2.0, 2.2, 2.1], "by hand": [1.0, 1.1, 1.0]}, {"a peer": "not installed"})
    assert not report(comparison, "by hand", [Claim("us", "by hand", 1.1)])
    printed = capsys.readouterr().out
    assert "MISSED: us takes 2.000 of by hand" in " ".join(printed.split())
    assert "not measured" in printed
    assert report(comparison, "by hand", [Claim("us", "by hand", 2.5), Claim("us", "a peer", 1.0)])


def _run(script: str, results: Path) -> list[dict[str, Any]]:
    """In a process of its own: here the shapes of every call are checked, which costs more than the call."""
    command = [sys.executable, "-m", f"benchmarks.{script}", "--quick"]
    environment = {**os.environ, "DRIVETRAIN_RESULTS": str(results), "PYTHONPATH": "src"}
    run = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert "Traceback" not in run.stderr, run.stderr
    return _records(results)


def _run_only(script: str, results: Path) -> None:
    command = [sys.executable, "-m", f"benchmarks.{script}", "--quick"]
    environment = {**os.environ, "DRIVETRAIN_RESULTS": str(results), "PYTHONPATH": "src"}
    run = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert "Traceback" not in run.stderr, run.stderr


def _records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.iterdir())]


def _check_claims(record: dict[str, Any]) -> None:
    ratios = {(ratio["contestant"], "by hand"): ratio["median"] for ratio in record["ratios"]}
    for claim in record["claims"]:
        if claim["against"] == "by hand":
            assert ratios[claim["contestant"], "by hand"] <= claim["limit"] * NOISE, record["title"]
