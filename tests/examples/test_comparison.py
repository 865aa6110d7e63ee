"""The comparison: routed gradients, projected labels, rows that survive, medians that count who never arrived."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from math import inf, isnan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from drivetrain import evaluate, fit
from drivetrain.training import PartialEndLoss, SimultaneousEndLoss
from examples.protocol.results import median
from examples.protocol.store import Store
from examples.race_car.comparison import trial
from examples.race_car.comparison.arms import ARMS, BASELINE, at
from examples.race_car.comparison.curves import need, reached
from examples.race_car.comparison.projection import boxes_from_cones, projected
from examples.race_car.comparison.routing import RoutedEndLoss
from examples.race_car.comparison.running import jobs_of
from examples.race_car.comparison.store import finished
from examples.race_car.comparison.thresholds import THRESHOLDS, tune
from examples.race_car.comparison.trials import Trials, complete
from examples.race_car.comparison.tuning import Tuning
from examples.race_car.losses import cone_loss
from examples.race_car.metrics import cone_f1
from examples.race_car.simulation import simulate
from examples.race_car.system import build, hard_fusion

REPOSITORY = Path(__file__).resolve().parents[2]
SIZES = {"scenes": 20}


def row(arm: str = BASELINE, seed: int = 0, share: float = 1.0, **more: Any) -> dict[str, Any]:
    return {"arm": arm, "seed": seed, "share": share, "rate": 0.01, "sizes": SIZES, **more}


def terms_of_cone_loss(terms: Sequence[str], prediction: Any, truth: Any) -> dict[str, torch.Tensor]:
    found = cone_loss(prediction, truth)
    return {name: found[name] for name in terms}


def weights_after(pattern: Any, frames: dict[str, Any]) -> dict[str, torch.Tensor]:
    system = build(0)
    fit(system, frames, pattern, epochs=1, batch_size=8, seed=0)
    return system.state_dict()


@pytest.mark.parametrize(
    "arm", [BASELINE, "simultaneous", "individual, projected labels", "individual, then simultaneous"]
)
def test_the_labels_of_a_part_cost_what_the_ledger_counts(arm: str) -> None:
    part = trial.training_data(simulate(10, seed=3), ARMS[arm], 1.0)
    report = fit(build(0), part, ARMS[arm].pattern, epochs=ARMS[arm].epochs(2), batch_size=50, seed=0)
    edges = dict.fromkeys(edge for edge, _, use in report.labels.entries if use == "training")
    assert trial.paid(part, edges) == report.labels.total(use="training") > 0


def test_a_part_is_repeated_until_an_epoch_is_as_long_as_that_of_all_data() -> None:
    pool = simulate(20, seed=3)
    part = trial.training_data(pool, ARMS["simultaneous"], 0.25)
    again = trial.repeated(part, len(pool["scan"]))
    assert len(part.data["scan"]) == 5
    assert len(again.data["scan"]) == len(again.data["cones"]) == 20
    assert torch.equal(again.data["scan"][5:10], part.data["scan"])
    assert trial.repeated(part, 5) is part


def test_terms_that_reach_every_model_they_can_reach_train_simultaneously() -> None:
    frames = simulate(16, seed=3)
    routes = {"camera": ("existence", "colour"), "lidar": ("existence", "position")}
    routed = weights_after(RoutedEndLoss(cone_loss, routes), frames)
    together = weights_after(SimultaneousEndLoss(cone_loss), frames)
    for name, weight in together.items():
        torch.testing.assert_close(routed[name], weight, rtol=1e-4, atol=1e-6)


def test_a_model_learns_from_the_terms_routed_to_it_alone() -> None:
    frames = simulate(8, seed=3)  # one batch: from the second on the other model's step shows
    routes = {"camera": ("colour",), "lidar": ("existence", "position")}
    routed = weights_after(RoutedEndLoss(cone_loss, routes), frames)
    for model, terms in routes.items():
        alone = PartialEndLoss(model, partial(terms_of_cone_loss, terms))
        expected = weights_after(alone, frames)
        for name in (name for name in expected if model in name):
            torch.testing.assert_close(routed[name], expected[name], rtol=1e-5, atol=1e-7)


def test_projected_boxes_lie_where_the_annotated_ones_do() -> None:
    frames = simulate(40, seed=1)
    for cones, boxes in zip(frames["cones"], frames["boxes"], strict=True):
        mine = boxes_from_cones(cones)
        assert torch.equal(mine[:, 0], boxes[:, 0])
        assert (mine[:, 1] - boxes[:, 1]).abs().max() < 1  # sideways nothing is unknown
        assert (mine[:, 2] - boxes[:, 2]).abs().max() < 6  # pitch and height are


def test_projected_beam_labels_agree_with_annotated_ones_on_most_beams() -> None:
    frames = simulate(40, seed=1)
    mine, truth = projected(frames)["hits"] > 0.5, frames["hits"] > 0.5
    assert (mine & truth).sum() / truth.sum() > 0.95
    assert (mine & truth).sum() / mine.sum() > 0.9


def test_a_row_torn_by_a_crash_is_ignored_and_the_next_one_survives(tmp_path: Path) -> None:
    store = Store(tmp_path / "rows.jsonl")
    store.append(row(seed=0))
    with store.path.open("a") as file:
        file.write('{"arm": "indi')
    store.append(row(seed=1))
    assert finished(store, SIZES) == {(0, BASELINE, 1.0, 0.01), (1, BASELINE, 1.0, 0.01)}
    assert not finished(store, {"scenes": 99})


def test_whole_seeds_come_first_and_only_they_are_judged() -> None:
    jobs = jobs_of(2, (0.1, 1.0), dict.fromkeys(ARMS, 0.01))
    assert {job.arm for job in jobs[: len(ARMS)]} == set(ARMS)
    assert {(job.seed, job.share) for job in jobs[: len(ARMS)]} == {(0, 1.0)}
    rows = [row(job.arm, job.seed, job.share) for job in jobs[: len(ARMS) + 3]]
    assert {r["seed"] for r in complete(rows)} == {0}


def test_runs_that_never_reach_the_target_are_counted() -> None:
    point = {"iterations": 10, "f1": 0.6}
    rows = [
        *(row(BASELINE, seed, validation=0.6, curve=[point], f1=0.6) for seed in range(3)),
        *(row("simultaneous", seed, curve=[{"iterations": 5, "f1": f1}]) for seed, f1 in enumerate((0.59, 0.5, 0.5))),
    ]
    costs = Trials(rows).to_target("simultaneous", lambda reached: reached["iterations"])
    assert costs == [5, inf, inf]
    assert median(costs)[0] == inf
    assert isnan(median(costs)[1])  # three seeds are too few for an interval


def test_there_is_no_verdict_from_a_handful_of_seeds() -> None:
    def verdict(seeds: int) -> str:
        better = [row("simultaneous", seed, f1=0.7) for seed in range(seeds)]
        return Trials([*better, *(row(BASELINE, seed, f1=0.6) for seed in range(seeds))]).verdict("simultaneous")

    assert verdict(5) == "none under 6 seeds"
    assert verdict(6) == "better"


def test_the_interval_of_the_median_of_six_is_their_range() -> None:
    assert median([1, 2, 3, 4, 5, inf]) == (3.5, 1, inf)


def test_every_arm_tunes_alike_and_takes_the_rate_that_validation_likes_best() -> None:
    tuning = Tuning(rates=(0.001, 0.01), seeds=2)
    jobs = tuning.jobs()
    assert {arm: sum(job.arm == arm for job in jobs) for arm in ARMS} == dict.fromkeys(ARMS, 4)
    assert not {job.seed for job in jobs} & {job.seed for job in jobs_of(20, (1.0,), dict.fromkeys(ARMS, 0.01))}
    likes = {arm: tuning.rates[number % 2] for number, arm in enumerate(ARMS)}
    rows = [{**job._asdict(), "validation": 0.7 if job.rate == likes[job.arm] else 0.6} for job in jobs]
    elsewhere = [{**row, "share": 0.5, "validation": 1.3 - row["validation"]} for row in rows]
    assert tuning.chosen([*rows, *elsewhere]) == likes


def test_a_trial_that_tunes_does_not_see_the_test_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    def seen(*_: Any) -> None:
        raise AssertionError("the test scenes were scored")

    monkeypatch.setattr(trial, "tested", seen)
    sizes = trial.Sizes(scenes=16, validation=8, test=8, epochs=2)
    found = trial.run(trial.Job(9000, "simultaneous", 1.0, 0.01), sizes, test=False)
    assert 0 <= found["validation"] <= 1
    with pytest.raises(AssertionError, match="scored"):
        trial.run(trial.Job(0, "simultaneous", 1.0, 0.01), sizes)


def test_thresholds_are_tuned_alike_and_tuning_leaves_the_system_as_it_was() -> None:
    frames, system = simulate(12, seed=5), build(0)
    before = {name: module.training for name, module in system.named_modules()}
    thresholds, best = tune(system, frames)
    assert {name: module.training for name, module in system.named_modules()} == before
    values = [
        evaluate(system.replace(fusion=hard_fusion(**each)), frames, {"cones": cone_f1}, show_progress=False)
        for each in THRESHOLDS
    ]
    assert best == pytest.approx(max(report["cones"].value for report in values))
    assert thresholds in THRESHOLDS


def test_a_curve_is_read_between_its_points_on_a_logarithmic_scale_of_data() -> None:
    shares = (0.01, 0.1, 1.0)
    assert reached(np.array([0.5, 0.6, 0.7]), shares, 0.65) == pytest.approx(10**-0.5)
    assert reached(np.array([0.5, 0.6, 0.7]), shares, 0.5) == 0.01
    assert reached(np.array([0.5, 0.6, 0.7]), shares, 0.71) == inf
    dented = np.array([0.5, 0.7, 0.6])  # isotonic: 0.5, 0.65, 0.65
    assert reached(dented, shares, 0.575) == pytest.approx(10**-1.5)


def test_an_arm_that_needs_a_tenth_of_the_labels_at_half_the_price_saves_twentyfold() -> None:
    curves = {
        BASELINE: {0.1: 0.5, 1.0: 0.7},
        "simultaneous": {0.1: 0.68, 1.0: 0.7},
        "alternating": {0.1: 0.2, 1.0: 0.3},
    }
    price = {BASELINE: 100, "simultaneous": 50, "alternating": 50}
    trials = Trials(
        [
            row(arm, seed, share, f1=f1 + 0.001 * seed, labels={"training": price[arm] * share})
            for arm, curve in curves.items()
            for share, f1 in curve.items()
            for seed in range(8)
        ]
    )
    saves = need(trials, "simultaneous")
    assert saves is not None
    assert saves.share.value == pytest.approx(0.1)
    assert saves.labels == pytest.approx(5)
    assert saves.saving.value == pytest.approx(
        20 * 10**-0.1
    )  # the baseline, too, may lose the margin: 79 % of the data
    never = need(trials, "alternating")
    assert never is not None
    assert never.share.value == never.share.high == inf
    assert never.saving.value == 0
    few = [found for found in trials.rows if found["seed"] < 5]
    assert need(Trials(few), "simultaneous") is None


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_quick_comparison_runs_resumes_and_leaves_its_results(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "examples.race_car.comparison", "--quick", "--out", str(tmp_path / "out")]
    paths = {"PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{REPOSITORY}"}
    first, second = (
        subprocess.run(words, cwd=REPOSITORY, env={**os.environ, **paths}, capture_output=True, text=True, timeout=350)
        for _ in range(2)
    )
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    lines = (tmp_path / "out" / "rows.jsonl").read_text().splitlines()
    # Two rates were tuned, two seeds run at two shares; the second run added none.
    assert len(lines) == (2 + 2) * len(ARMS) + 2 * len(at(0.25))
    results = (tmp_path / "out" / "RESULTS.md").read_text()
    assert "preliminary" in results
    for arm in ARMS:
        assert f"| {arm} |" in results
