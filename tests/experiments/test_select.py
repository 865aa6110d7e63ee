"""``select``: the best combination, without computing anything twice."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from drivetrain import component, evaluate
from drivetrain.errors import DeclarationError, ShapeError, SignatureError, UnknownNameError
from drivetrain.experiments import Candidates, select
from drivetrain.experiments.selecting.search import Coordinate, Exhaustive, Interactions, Optuna, Random
from tests.experiments.versions import (
    Noisy,
    Shift,
    chain,
    closeness,
    data_of_chain,
    data_of_join,
    join,
    of_join,
    shifts,
)

QUIET = {"show_progress": False}


def test_select_finds_the_combination_that_evaluating_each_by_hand_finds() -> None:
    candidates, data = of_join(), data_of_join()
    report = select(candidates, data, closeness, **QUIET)
    by_hand = {
        combination: evaluate(candidates.build(combination), data, closeness)["total"].value
        for combination in itertools.product(range(3), range(3))
    }
    best = max(by_hand, key=lambda one: by_hand[one])
    assert report.best == candidates.labels(best)
    assert {tuple(t.versions.values()): t.values["total"] for t in report.tried} == pytest.approx(
        {tuple(candidates.labels(one).values()): value for one, value in by_hand.items()}
    )
    assert report.regret.expected == report.regret.high == 0.0
    assert report.untried == 0


def test_versions_side_by_side_cost_one_pass_each() -> None:
    candidates = of_join(count=5)
    report = select(candidates, data_of_join(), closeness, **QUIET)
    assert report.evaluations == 25
    assert report.passes == {"left_eye": 5.0, "right_eye": 5.0}
    seen = [version.thing.seen.value for version in candidates.versions["left_eye"].values()]
    best = int(report.best["left_eye"]) - 1
    assert [count - 40 * (place == best) for place, count in enumerate(seen)] == [40] * 5  # the best is confirmed


def test_along_a_chain_only_differing_prefixes_are_computed_again() -> None:
    candidates = Candidates(chain(), {"first": shifts(1, 2, 3), "second": shifts(1, 2, 3, 4)})
    report = select(candidates, data_of_chain(), closeness, **QUIET)
    assert report.best == {"first": "3", "second": "4"}
    assert report.passes == {"first": 3.0, "second": 12.0}


def test_equal_versions_in_one_slot_are_computed_once() -> None:
    one = Shift(1.0)
    candidates = Candidates(join(), {"left_eye": [one, one], "right_eye": shifts(1, 2)})
    assert select(candidates, data_of_join(), closeness, **QUIET).passes["left_eye"] == 1.0


def test_the_test_data_is_used_for_the_chosen_combination_alone() -> None:
    candidates = of_join()
    report = select(candidates, data_of_join(), closeness, test=data_of_join(7), **QUIET)
    assert report.test["total"].n == 7
    assert report.gain is not None
    assert report.gain.better()
    seen = {label: v.thing.seen.value for label, v in candidates.versions["left_eye"].items()}
    assert {label for label, count in seen.items() if count % 40} <= {report.best["left_eye"], "1"}


def test_versions_of_another_output_shape_are_refused_by_name() -> None:
    versions = {"a": nn.Linear(2, 2), "b": nn.Linear(2, 2), "wide": nn.Linear(2, 3)}
    with pytest.raises(ShapeError, match=r"'left_eye'.*version a, b answers \[n, 2\]; version wide answers \[n, 3\]"):
        select(Candidates(join(), {"left_eye": versions}), data_of_join(), lambda p, t: p.sum(-1), **QUIET)


def test_versions_that_draw_are_pinned_and_named() -> None:
    candidates = Candidates(join(), {"left_eye": [Shift(1.0), Noisy(2.0)], "right_eye": shifts(2, 3)})
    first, second = (select(candidates, data_of_join(), closeness, **QUIET) for _ in range(2))
    assert [one.values for one in first.tried] == [one.values for one in second.tried]
    assert "these versions draw random numbers, whose seeds were pinned: left_eye 2." in first.remarks


def test_a_component_with_a_generator_of_its_own_is_found_out_by_running_twice() -> None:
    generator = torch.Generator().manual_seed(1)

    class Restless(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, value: Tensor) -> Tensor:
            return value + torch.rand(value.shape, generator=generator)

    report = select(Candidates(join(), {"right_eye": [Restless()]}), data_of_join(), closeness, **QUIET)
    (remark,) = report.remarks
    assert remark.startswith("not deterministic")
    assert "right_eye; each counts by its first answer" in remark


def test_changed_glue_code_is_evaluated_again(tmp_path: Any) -> None:
    def with_glue(add: Any) -> Candidates:
        eyes = join().replace(add=component("left, right -> total")(add))
        return Candidates(eyes, {"left_eye": shifts(1, 2), "right_eye": shifts(1, 2)})

    def summed(left: Tensor, right: Tensor) -> Tensor:
        return left + right

    def averaged(left: Tensor, right: Tensor) -> Tensor:
        return (left + right) / 2

    once = select(with_glue(summed), data_of_join(), closeness, store=tmp_path, **QUIET)
    again = select(with_glue(summed), data_of_join(), closeness, store=tmp_path, **QUIET)
    changed = select(with_glue(averaged), data_of_join(), closeness, store=tmp_path, **QUIET)
    assert (once.evaluations, once.remembered) == (4, 0)
    assert (again.evaluations, again.remembered) == (0, 4)
    assert (changed.evaluations, changed.remembered) == (4, 0)
    assert set(changed.passes.values()) == {0.0}  # the models' outputs were kept


def test_other_data_is_evaluated_again(tmp_path: Any) -> None:
    select(of_join(), data_of_join(), closeness, store=tmp_path, **QUIET)
    data = data_of_join()
    data["total"] = data["total"] + 1
    assert select(of_join(), data, closeness, store=tmp_path, **QUIET).remembered == 0


@pytest.mark.parametrize("strategy", [Interactions(), Random(), Coordinate(), Optuna(), Exhaustive()])
def test_every_strategy_stays_within_the_budget(strategy: Any) -> None:
    candidates = of_join(count=6)
    report = select(candidates, data_of_join(8), closeness, strategy=strategy, budget=15, **QUIET)
    assert report.evaluations <= 15
    assert report.untried == 36 - report.evaluations
    assert report.regret.high >= report.regret.expected >= 0.0


@pytest.mark.parametrize("strategy", [Interactions(), Random(), Coordinate(), Optuna()])
def test_every_strategy_begins_with_what_is_in_use(strategy: Any) -> None:
    candidates, begin = of_join(count=6), {"left_eye": "5", "right_eye": "6"}
    report = select(candidates, data_of_join(8), closeness, strategy=strategy, start=[begin], budget=9, **QUIET)
    assert begin in [one.versions for one in report.tried]


def test_the_time_is_a_bound_too() -> None:
    report = select(of_join(count=9), data_of_join(), closeness, seconds=0.0, **QUIET)
    assert 0 < report.evaluations < 81
    assert report.stopped == "the time was spent."


def test_the_front_holds_what_nothing_beats_in_quality_and_cost() -> None:
    labels = {"left_eye": {"1": 0.0, "2": 10.0, "3": 20.0}}
    candidates = Candidates(join(), {"left_eye": shifts(1, 2, 3), "right_eye": shifts(0)}, facts={"labels": labels})
    report = select(candidates, data_of_join(), closeness, objectives=["labels", "size", "latency"], **QUIET)
    assert [one.versions["left_eye"] for one in report.fronts["labels"]] == ["3", "2", "1"]
    assert [one.costs["labels"] for one in report.fronts["labels"]] == [20.0, 10.0, 0.0]
    assert [one.versions["left_eye"] for one in report.fronts["size"]] == ["3"]
    assert all(one.costs["latency"] > 0 for one in report.tried)


def test_lower_is_better_where_the_metric_says_so() -> None:
    from drivetrain import Metric

    def distance(prediction: Tensor, truth: Tensor) -> Tensor:
        return -closeness(prediction, truth)

    report = select(of_join(), data_of_join(), Metric(distance, higher_is_better=False), **QUIET)
    values = [one.values["total"] for one in report.tried]
    assert values == sorted(values)


def test_the_report_prints_itself_and_turns_into_json() -> None:
    report = select(of_join(), data_of_join(), closeness, **QUIET)
    assert "best of 9 of 9 combinations" in str(report)
    assert json.loads(json.dumps(report.to_dict()))["best"] == report.best
    assert report.build()(torch.ones(1, 2), torch.ones(1, 2)).shape == (1, 2)


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda: select(join(), data_of_join(), closeness), DeclarationError, "write select\\(Candidates"),
        (lambda: Candidates(join(), {}), DeclarationError, "no versions are given"),
        (lambda: Candidates(join(), {"left_eye": []}), DeclarationError, "'left_eye' has no versions"),
        (lambda: Candidates(join(), {"radar": [nn.Linear(2, 2)]}), UnknownNameError, "radar"),
        (lambda: Candidates(join(), {"left_eye": [join()]}), SignatureError, "left_eye|fit"),
        (lambda: select(of_join(), data_of_join(), closeness, objectives="energy"), DeclarationError, "known: size"),
        (lambda: select(of_join(), data_of_join(), closeness, strategy="best"), DeclarationError, "Exhaustive"),
        (
            lambda: select(of_join(), data_of_join(), closeness, start=[{"ear": "1"}]),
            DeclarationError,
            "'ear' is no slot",
        ),
        (
            lambda: select(of_join(), data_of_join(), closeness, start={"left_eye": "9"}),
            DeclarationError,
            "it has: '?1",
        ),
        (lambda: select(of_join(), data_of_join(), closeness, executor=0), DeclarationError, "number of processes"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_line_to_write(wrong: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        wrong()
