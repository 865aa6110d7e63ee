"""The system of Apollo's size: its shape, its planted optimum, and its traps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from drivetrain import evaluate
from drivetrain.experiments import Store
from examples.apollo import __main__ as example
from examples.apollo.scenes import TRUTHS, scenes
from examples.apollo.system import SIGNATURES, declared, made_by
from examples.apollo.versions import ACCENTED, PLAIN, Project, closeness, project


@pytest.fixture(scope="module")
def made() -> Project:
    return project(versions=4, samples=64)


def value(made: Project, labels: dict[str, str]) -> float:
    return evaluate(made.candidates.build(labels), made.validation, closeness, show_progress=False)["drive"].value


def test_there_are_28_models_in_all_three_patterns() -> None:
    system = declared()
    assert len(system.models) == len(SIGNATURES) == 28
    assert {one.pattern for one in system.patterns} >= {"sequential", "joining parallel", "forking parallel"}
    assert {made_by(model) for model in SIGNATURES} == set(TRUTHS)


def test_nothing_is_better_than_the_planted_combination(made: Project) -> None:
    assert value(made, made.planted) == pytest.approx(1.0)
    assert value(made, made.best_by_own_labels()) < 0.95
    for model in ("lidar_fusion", "lane_detector", "interaction"):
        for label in made.candidates.versions[model]:
            assert value(made, {**made.planted, model: label}) <= 1.0


def test_a_better_model_makes_the_system_worse(made: Project) -> None:
    for model in ACCENTED:
        better = next(label for label, recipe in made.recipes[model].items() if recipe == PLAIN)
        edge = made_by(model)
        errors = {}
        for label in (made.planted[model], better):
            system = made.candidates.build({**made.planted, model: label})
            trace = system.trace(made.validation)
            errors[label] = float((trace[edge].detach() - made.validation[edge]).abs().mean())
        assert errors[better] < errors[made.planted[model]], f"{model} should be better by its own labels"
        assert value(made, {**made.planted, model: better}) < 1.0, f"{model} should make the system worse"


def test_scenes_follow_their_seed() -> None:
    assert all(torch.equal(one, other) for one, other in zip(scenes(5, 1).values(), scenes(5, 1).values(), strict=True))
    assert not torch.equal(scenes(5, 1)["front"], scenes(5, 2)["front"])


@pytest.mark.slow
def test_the_example_selects_and_tracks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["--quick", "--json", "--budget", "40", "--store", f"{tmp_path}/a.db", "--drawing", f"{tmp_path}/a.svg"]
    assert example.main(line) == 0
    rows = {row["how"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["select"]["validation"] >= rows["each best by its own labels"]["validation"]
    assert rows["planted, the best by construction"]["validation"] == pytest.approx(1.0)
    assert (tmp_path / "a.svg").read_text().startswith("<svg")
    with Store(tmp_path / "a.db") as store:
        matrix = store.evaluations.matrix("perception_and_prediction", "closeness", edge="drive")
    assert len(matrix.rows) >= 40
    assert len(matrix.slots) == 28
