"""The protocol of a comparison: rows that survive, pairs over independent units, targets that may never be reached."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isnan
from pathlib import Path
from typing import Any

import pytest
import torch

from drivetrain import Metric, component, system
from drivetrain.training import Individual, SimultaneousEndLoss, Stages
from examples.protocol import Arm, Case, Splits
from examples.protocol.comparison import Asked, compare, tuning_alone
from examples.protocol.results import Results, median
from examples.protocol.store import Store
from examples.protocol.tuning import chosen, tried, tuning_jobs

MSE = torch.nn.functional.mse_loss


def near(prediction: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    return ((prediction - truth).abs() < 0.5).float().mean(1)


def build(seed: int) -> Any:
    torch.manual_seed(seed)
    first = component("first", torch.nn.Linear(3, 2), "signal -> code")
    second = component("second", torch.nn.Linear(2, 1), "code -> word")

    @system
    def chain(signal: Any) -> Any:
        return second(first(signal))

    return chain


def data(seed: int, labels: str) -> Splits:
    def part(number: int) -> dict[str, Any]:
        signal = torch.randn(60, 3, generator=torch.Generator().manual_seed(10 * seed + number))
        code = signal[:, :2] + signal[:, 1:]
        return {"signal": signal, "code": code, "word": code.sum(1, keepdim=True), "group": torch.arange(60) % 8}

    return Splits(part(0), part(1), part(2))


ALONE = Individual({"code": MSE, "word": MSE})
CASE = Case(
    "chain",
    build,
    data,
    {
        "individual": Arm(ALONE, selected_by="own"),
        "simultaneous": Arm(SimultaneousEndLoss(MSE)),
        "both": Arm(Stages(ALONE, SimultaneousEndLoss(MSE))),
    },
    Metric(near, "word", name="near"),
    own={"code": Metric(near, "code")},
    unit="group",
    corruptions={"noise": lambda test, seed: {**test, "signal": test["signal"] + 1.0}},
    epochs=4,
    rates=(1e-3, 3e-2),
)


def test_stages_share_the_epochs() -> None:
    assert CASE.arms["both"].epochs(5) == (3, 2)
    assert CASE.arms["simultaneous"].epochs(5) == 5


@pytest.mark.slow
def test_a_comparison_runs_resumes_and_says_what_it_found(tmp_path: Path) -> None:
    asked = Asked("tests.examples.test_protocol:CASE", "python -m somewhere", seeds=2)
    results = compare(asked, tmp_path, workers=1)
    assert results is not None
    rows = (tmp_path / "rows.jsonl").read_text()
    assert len(rows.splitlines()) == 2 * 3 + 2 * 3
    again = compare(asked, tmp_path, workers=1)
    assert (tmp_path / "rows.jsonl").read_text() == rows
    assert again is not None
    assert again.estimate("simultaneous").units == 8
    assert again.against_baseline("individual").value == 0
    written = (tmp_path / "RESULTS.md").read_text()
    for words in ("python -m somewhere", "| simultaneous |", "near, noise", "What became of the inner edges"):
        assert words in written


def row(arm: str, seed: int, good: float, **more: Any) -> dict[str, Any]:
    test = {"end": [[str(unit), good * 10, 10.0] for unit in range(8)]}
    curve = [{"iterations": 10, "end": good / 2}, {"iterations": 20, "end": good}]
    return {
        "arm": arm,
        "seed": seed,
        "rate": 1e-3,
        "epochs": 4,
        "validation": good,
        "curve": curve,
        "test": test,
        **more,
    }


def test_only_seeds_that_every_arm_has_run_are_compared() -> None:
    rows = [row(arm, seed, 0.5) for arm in CASE.arms for seed in range(3)] + [row("both", 3, 0.5)]
    assert Results(CASE, rows).seeds == [0, 1, 2]


def test_a_target_that_is_never_reached_costs_infinitely_much() -> None:
    rows = [row("individual", s, 0.8) for s in range(3)] + [row("both", s, 0.8) for s in range(3)]
    rows += [row("simultaneous", s, 0.3) for s in range(3)]
    results = Results(CASE, rows)
    assert results.to_target("simultaneous", lambda point: point["iterations"]) == [inf] * 3
    assert results.to_target("both", lambda point: point["iterations"]) == [20] * 3
    assert results.against_baseline("simultaneous").value == pytest.approx(-0.5)
    assert results.verdict("simultaneous").startswith("worse")


def test_every_arm_tries_the_same_rates_and_takes_the_best_on_validation() -> None:
    jobs = tuning_jobs(CASE, 4)
    rows = [
        {**job._asdict(), "validation": 0.9 if job.rate == (3e-2 if job.arm == "both" else 1e-3) else 0.1}
        for job in jobs
    ]
    assert chosen(CASE, rows, 4) == {"individual": 1e-3, "simultaneous": 1e-3, "both": 3e-2}
    (table,) = tried(CASE, rows, 4)
    assert table.rows[0] == ["individual", "0.900 *", "0.100"]
    assert table.rows[2] == ["both", "0.100", "0.900 *"]


def test_a_file_of_rates_alone_says_that_nothing_was_compared() -> None:
    rows = [{**job._asdict(), "validation": job.rate} for job in tuning_jobs(CASE, 4)]
    said = tuning_alone(Asked("", "a command", seeds=5, epochs=4), CASE, tried(CASE, rows, 4), left=15)
    assert "nothing compared yet" in said
    assert "**15 trials that compare were not run**" in said
    assert "| individual | 0.001 | 0.030 * |" in said


def test_one_rate_is_nothing_to_choose_from_and_no_table() -> None:
    alone = replace(CASE, rates=(1e-3,))
    assert tuning_jobs(alone, 4) == []
    assert set(chosen(alone, [], 4).values()) == {1e-3}
    assert tried(alone, [], 4) == []


def test_a_torn_line_is_ignored_and_the_next_row_begins_anew(tmp_path: Path) -> None:
    store = Store(tmp_path / "rows.jsonl")
    store.append({"seed": 1})
    with store.path.open("a") as file:
        file.write('{"seed": 2, "te')
    store.append({"seed": 3})
    assert [found["seed"] for found in store.rows()] == [1, 3]


def test_the_median_counts_runs_that_never_arrived() -> None:
    assert median([1.0, 2.0, inf])[0] == 2.0
    assert isnan(median([1.0, 2.0])[1])
    assert median([1.0, inf, inf])[0] == inf
