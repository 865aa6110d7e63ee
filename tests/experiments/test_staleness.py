"""What no longer fits what it stands beside is named, with the reason; what fits is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch.nn import functional as F

from drivetrain import component, fit
from drivetrain.experiments import Experiment
from drivetrain.experiments.versions.version import DataSet
from drivetrain.training import Individual, PartialEndLoss
from tests.training.systems import join


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return Experiment("race-car", tmp_path / "drivetrain.db", mlflow=False)


def test_a_lidar_trained_on_a_cameras_answers_is_stale_once_another_camera_stands_there(experiment: Experiment) -> None:
    car = join()
    with experiment.run(car.system) as run:
        fit(car.system, car.data, PartialEndLoss("lidar", F.mse_loss), epochs=1, callbacks=[run])
    assert run.version is not None
    assert experiment.store.stale(run.version) == []
    with experiment.run(car.system) as run:
        fit(car.system, car.data, PartialEndLoss("camera", F.mse_loss), epochs=1, callbacks=[run])
    assert run.version is not None
    (found,) = experiment.store.stale(run.version)
    assert (found.what, found.slot, found.name) == ("model", "lidar", "lidar 2")
    assert found.why == "it was trained on the frozen answers of camera 1; camera 2 stands there now"


def test_models_trained_apart_are_not_stale_when_others_change(experiment: Experiment) -> None:
    car = join()
    for _ in range(2):
        with experiment.run(car.system) as run:
            fit(car.system, car.data, Individual({"boxes": F.mse_loss}), epochs=1, callbacks=[run])
    assert run.version is not None
    assert experiment.store.stale(run.version) == []


def test_what_learned_through_code_that_has_changed_is_stale(experiment: Experiment) -> None:
    car = join()
    with experiment.run(car.system) as run:
        fit(car.system, car.data, PartialEndLoss("lidar", F.mse_loss), epochs=1, callbacks=[run])
    glue = next(node for node in car.system.nodes if node.name not in car.system.models)
    double = _twice(glue.component.thing)
    changed = car.system.replace(**{glue.name: component(glue.name, double, str(glue.component.signature))})
    stale = experiment.store.stale(experiment.register(changed))
    assert {each.name for each in stale} == {"lidar 2"}
    assert f"through other code between the models: {glue.name}" in stale[0].why


def test_newer_data_of_the_same_name_makes_models_and_measurements_stale(experiment: Experiment) -> None:
    car = join()
    with experiment.run(car.system, data="scenes") as run:
        fit(car.system, car.data, PartialEndLoss("lidar", F.mse_loss), epochs=1, callbacks=[run])
    assert run.version is not None
    experiment.store.data.add(DataSet("f" * 32, "scenes", 12))
    stale = {each.name: each.why for each in experiment.store.stale(run.version)}
    assert "for training, of which ffffffff is the newest" in stale["lidar 2"]
    assert any("it was measured on scenes" in why for why in stale.values())


def _twice(code):
    def double(*values):
        return 2 * code(*values)

    return double
