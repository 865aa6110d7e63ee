"""What a selection leaves in the store of an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from drivetrain import component, evaluate
from drivetrain.errors import DeclarationError
from drivetrain.experiments import Candidates, Experiment, select
from tests.experiments.versions import chain, closeness, data_of_chain, data_of_join, join, of_join, shifts, twice

QUIET = {"show_progress": False}


def test_every_evaluated_combination_is_a_version_with_what_was_measured(tmp_path: Path) -> None:
    experiment, candidates, data = Experiment("eyes", tmp_path / "drivetrain.db"), of_join(), data_of_join()
    report = select(candidates, data, closeness, experiment=experiment, **QUIET)
    matrix = experiment.store.evaluations.matrix("eyes", "closeness", edge="total")
    assert matrix.slots == ("left_eye", "right_eye")
    assert sorted(row.value for row in matrix.rows) == pytest.approx(sorted(t.values["total"] for t in report.tried))
    best = max(matrix.rows, key=lambda row: row.value)
    assert best.n == 40, "the best one has an interval"
    assert best.low is not None
    assert best.low <= best.value


def test_the_version_of_the_best_combination_is_the_one_that_registering_it_makes(tmp_path: Path) -> None:
    experiment = Experiment("eyes", tmp_path / "drivetrain.db")
    report = select(of_join(), data_of_join(), closeness, experiment=experiment, **QUIET)
    before = len(experiment.store.systems.all("eyes"))
    version = experiment.register(report.build())
    assert len(experiment.store.systems.all("eyes")) == before
    restored = experiment.restore(version, join())
    inputs = torch.rand(3, 2), torch.rand(3, 2)
    assert torch.equal(restored(*inputs), report.build()(*inputs))


def test_a_search_goes_on_from_the_store(tmp_path: Path) -> None:
    place = tmp_path / "drivetrain.db"
    first = select(of_join(), data_of_join(), closeness, experiment=Experiment("a", place), **QUIET)
    again = select(of_join(), data_of_join(), closeness, experiment=Experiment("b", place), **QUIET)
    assert (first.evaluations, first.remembered) == (9, 0)
    assert (again.evaluations, again.remembered) == (0, 9)
    assert again.best == first.best


def test_a_metric_whose_code_changed_is_measured_again(tmp_path: Path) -> None:
    def with_factor(factor: float) -> Any:
        def distance(prediction: Tensor, truth: Tensor) -> Tensor:
            return -factor * (prediction - truth).abs().flatten(1).mean(1)

        return distance

    experiment = Experiment("eyes", tmp_path / "drivetrain.db")
    select(of_join(), data_of_join(), with_factor(1.0), experiment=experiment, **QUIET)
    assert select(of_join(), data_of_join(), with_factor(2.0), experiment=experiment, **QUIET).remembered == 0


def test_versions_that_are_code_are_told_apart_by_the_glue(tmp_path: Path) -> None:
    @component("near -> far")
    def thrice(near: Tensor) -> Tensor:
        return 3 * near

    candidates = Candidates(chain(), {"first": shifts(1, 2), "twice": [twice, thrice]})
    experiment = Experiment("listening", tmp_path / "drivetrain.db")
    select(candidates, data_of_chain(), closeness, experiment=experiment, **QUIET)
    versions = experiment.store.systems.all("listener")
    assert len(versions) == 4
    assert len({version.glue for version in versions}) == 2
    assert set(versions[0].pins) == {"first", "second"}


def test_what_was_measured_on_test_data_stands_under_that_data(tmp_path: Path) -> None:
    experiment, test = Experiment("eyes", tmp_path / "drivetrain.db"), data_of_join(7)
    report = select(of_join(), data_of_join(), closeness, test=test, experiment=experiment, **QUIET)
    version = experiment.register(report.build())
    measured = experiment.store.evaluations.of(version, "closeness")
    assert {one.n: one.value for one in measured if one.n}[7] == pytest.approx(
        evaluate(report.build(), test, closeness)["total"].value
    )
    assert len({one.data for one in measured}) == 2


@pytest.mark.parametrize("wrong", ["drivetrain.db", 3])
def test_what_is_no_experiment_is_refused_with_the_line_to_write(wrong: Any) -> None:
    with pytest.raises(DeclarationError, match="write experiment=Experiment"):
        select(of_join(), data_of_join(), closeness, experiment=wrong, **QUIET)
