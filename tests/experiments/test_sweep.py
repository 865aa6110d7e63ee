"""``sweep``: hyper-parameters of several models towards what the system shall do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from drivetrain import evaluate
from drivetrain.errors import DeclarationError, UnknownNameError
from drivetrain.experiments import Experiment, Swept, sweep
from tests.experiments.versions import Shift, closeness, data_of_join, join

QUIET = {"show_progress": False}
TRAINED: list[tuple[str, float]] = []


def swept(slot: str, values: Any = (0.0, 6.0)) -> Swept:
    def train(system: Any, seed: int, by: float) -> None:
        TRAINED.append((slot, by))
        assert system.component(slot).thing.by.item() == 0.0, "built, and not trained yet"
        system.component(slot).thing.by.data.fill_(by)

    return Swept({"by": values}, build=lambda by: Shift(0.0), train=train)


def both(values: Any = (0.0, 6.0)) -> dict[str, Swept]:
    return {"left_eye": swept("left_eye", values), "right_eye": swept("right_eye", values)}


@pytest.fixture(autouse=True)
def nothing_trained_yet() -> None:
    TRAINED.clear()


def test_the_requirement_ends_the_sweep_and_holds() -> None:
    report = sweep(join(), data_of_join(), closeness, both(), runs=60, until=-0.3, **QUIET)
    assert report.needed == len(report.runs) == len(TRAINED) < 60
    assert report.value >= -0.3
    assert evaluate(report.build(), data_of_join(), closeness)["total"].value == pytest.approx(report.value, abs=1e-5)
    assert report.best["left_eye"]["by"] + report.best["right_eye"]["by"] == pytest.approx(5.5, abs=0.31)


def test_models_take_turns_and_each_training_counts_once() -> None:
    report = sweep(join(), data_of_join(), closeness, both(), runs=7, **QUIET)
    assert [run.model for run in report.runs] == ["left_eye", "right_eye"] * 3 + ["left_eye"]
    assert [slot for slot, _ in TRAINED] == [run.model for run in report.runs]
    assert report.needed is None


def test_a_version_is_worth_the_best_system_that_holds_it() -> None:
    report = sweep(join(), data_of_join(), closeness, both([0.0, 2.0, 3.5, 5.0]), runs=8, **QUIET)
    for number, run in enumerate(report.runs[1:], 2):
        there = [one for one in report.runs[:number] if one.model != run.model]
        by_hand = max(-abs(5.5 - run.parameters["by"] - other.parameters["by"]) for other in there)
        assert run.value == pytest.approx(by_hand, abs=1e-5)


def test_the_same_seed_sweeps_the_same() -> None:
    first, second = (sweep(join(), data_of_join(), closeness, both(), runs=8, seed=3, **QUIET) for _ in range(2))
    assert [run.parameters for run in first.runs] == [run.parameters for run in second.runs]


def test_partners_see_each_other_but_are_not_changed_by_training() -> None:
    def careless(system: Any, seed: int, by: float) -> None:
        for slot in ("left_eye", "right_eye"):
            system.component(slot).thing.by.data.fill_(by)

    models = {slot: Swept({"by": (0.0, 6.0)}, lambda by: Shift(0.0), careless) for slot in ("left_eye", "right_eye")}
    report = sweep(join(), data_of_join(), closeness, models, runs=6, **QUIET)
    system = report.build()
    for slot in models:
        assert system.component(slot).thing.by.item() == pytest.approx(report.best[slot]["by"])


def test_a_stopped_sweep_goes_on(tmp_path: Path) -> None:
    sweep(join(), data_of_join(), closeness, both(), runs=6, store=tmp_path, **QUIET)
    with (tmp_path / "runs.jsonl").open("ab") as file:
        file.write(b'{"model": "left_eye", "param')  # the process was killed here
    TRAINED.clear()
    report = sweep(join(), data_of_join(), closeness, both(), runs=9, store=tmp_path, **QUIET)
    assert (report.remembered, len(report.runs), len(TRAINED)) == (6, 9, 3)
    again = sweep(join(), data_of_join(), closeness, both(), runs=9, store=tmp_path, **QUIET)
    assert (again.remembered, again.value) == (9, report.value)


def test_another_sweep_in_the_same_folder_is_not_mistaken_for_this_one(tmp_path: Path) -> None:
    sweep(join(), data_of_join(), closeness, both(), runs=4, store=tmp_path, **QUIET)
    assert sweep(join(), data_of_join(9), closeness, both(), runs=4, store=tmp_path, **QUIET).remembered == 0


def test_the_test_data_judges_the_best_system_and_the_store_keeps_it(tmp_path: Path) -> None:
    experiment = Experiment("eyes", tmp_path / "drivetrain.db", mlflow=False)
    report = sweep(
        join(), data_of_join(), closeness, both(), runs=6, test=data_of_join(7), experiment=experiment, **QUIET
    )
    assert report.test["total"].n == 7
    restored = experiment.restore(1, join())
    assert torch.equal(restored(*[torch.ones(1, 2)] * 2), report.build()(*[torch.ones(1, 2)] * 2))
    assert json.loads(json.dumps(report.to_dict()))["needed"] is None
    assert "6 training runs towards total" in str(report)


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda: sweep(join(), data_of_join(), closeness, {}, runs=3), DeclarationError, "no models are given"),
        (lambda: sweep(join(), data_of_join(), closeness, {"ear": swept("ear")}, runs=3), UnknownNameError, "ear"),
        (lambda: sweep(join(), data_of_join(), closeness, {"left_eye": 3}, runs=3), DeclarationError, "write Swept"),
        (lambda: sweep(join(), data_of_join(), closeness, both(), runs=1), DeclarationError, "trained once"),
        (lambda: sweep(join(), data_of_join(), closeness, both("wide"), runs=3), DeclarationError, "a list of choices"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_line_to_write(wrong: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        wrong()
