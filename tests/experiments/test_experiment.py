"""An experiment records all that fit knows, and brings back a running system."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from drivetrain import Metric, evaluate, fit
from drivetrain.errors import MisfitError, StoreError
from drivetrain.experiments import Experiment, Store
from drivetrain.experiments.tracking.experiment import place_of
from drivetrain.training import Individual, PartialEndLoss, SimultaneousEndLoss, Stages
from tests.training.systems import chain, error_per_sample, join


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return Experiment("race-car", tmp_path / "drivetrain.db", mlflow=False)


def test_a_fit_is_recorded_with_its_pattern_seed_data_measures_and_versions(experiment: Experiment) -> None:
    car = join()
    with experiment.run(car.system) as run:
        fit(
            car.system, car.data, SimultaneousEndLoss(F.mse_loss), epochs=3, batch_size=8, seed=7, callbacks=[run],
            validation=car.data, metric={"cones": error_per_sample},
        )  # fmt: skip
    found = experiment.store.runs.get("last")
    assert (found.status, found.seed, found.system, found.start, found.result) == ("finished", 7, "perception", 1, 2)
    assert found.pattern == "simultaneous end-loss"
    assert found.settings["epochs"] == [3]
    assert found.report is not None
    assert found.report["verdict"]
    measures = experiment.store.runs.measures(found.key)
    assert [step for step, _ in measures["loss"]] == list(range(1, 10))
    assert len(measures["validation cones"]) == 4
    assert {use.use for use in experiment.store.runs.data(found.key)} == {"training", "validation"}
    for number, when in ((1, "before"), (2, "after")):
        kept = experiment.store.evaluations.of(experiment.version(f"perception:{number}"), "error_per_sample")
        assert [each.value for each in kept] == [found.report["edges"]["cones"][when]]


def test_a_version_is_restored_into_the_system_that_runs_as_it_did(experiment: Experiment) -> None:
    car = join()
    with experiment.run(car.system) as run:
        fit(car.system, car.data, SimultaneousEndLoss(F.mse_loss), epochs=1, callbacks=[run])
    car.system.eval()
    inputs = car.data["image"], car.data["scan"]
    then = car.system(*inputs)
    fit(car.system, car.data, SimultaneousEndLoss(F.mse_loss), epochs=2)
    car.system.eval()
    assert not torch.equal(car.system(*inputs), then)
    assert run.version is not None
    restored = experiment.restore(run.version, car.system).eval()
    assert torch.equal(restored(*inputs), then)
    assert experiment.register(car.system) == run.version


def test_what_a_training_started_from_is_brought_back_too_unless_it_is_large(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    car = join()
    inputs = car.data["image"], car.data["scan"]
    car.system.eval()
    before = car.system(*inputs)
    with experiment.run(car.system) as run:
        fit(car.system, car.data, SimultaneousEndLoss(F.mse_loss), epochs=1, callbacks=[run])
    assert torch.equal(experiment.restore(1, car.system).eval()(*inputs), before)
    monkeypatch.setattr("drivetrain.experiments.tracking.snapshot.SMALL", 0)
    fit(car.system, car.data, SimultaneousEndLoss(F.mse_loss), epochs=1)
    with experiment.run(car.system) as run:
        fit(car.system, car.data, SimultaneousEndLoss(F.mse_loss), epochs=1, callbacks=[run])
    started = experiment.store.runs.get("last").start
    with pytest.raises(StoreError, match=r"not stored: they are large.*register\(system\) before training keeps them"):
        experiment.restore(started or 0, car.system)


def test_a_version_is_called_as_the_shell_calls_it(experiment: Experiment) -> None:
    car = join()
    version = experiment.register(car.system)
    for name in (1, "1", "perception:1", "perception 1", version.digest[:8], "perception"):
        assert experiment.version(name) == version
    experiment.store.promotions.promote(version)
    assert experiment.version("production", car.system) == experiment.version("perception:production") == version
    experiment.store.systems.declare("truck", {"camera": "image -> boxes"})
    assert experiment.version(1, car.system) == version
    with pytest.raises(StoreError, match=r"no system version '1' .*write one of: perception:1, truck:1"):
        experiment.version(1)


def test_a_system_of_a_script_has_no_place_from_which_another_process_could_import_it() -> None:
    import sys
    from types import ModuleType

    car = join().system
    assert place_of(car) is None
    for name, place in (("__mp_main__", None), ("cars", "cars:perception")):
        module = ModuleType(name)
        module.perception = car  # type: ignore[attr-defined]
        before = sys.modules.get(name)
        sys.modules[name] = module
        try:
            assert place_of(car) == place
        finally:
            del sys.modules[name]
            if before is not None:
                sys.modules[name] = before


def test_a_model_knows_in_whose_context_it_was_trained(experiment: Experiment) -> None:
    car = join()
    with experiment.run(car.system) as run:
        fit(car.system, car.data, PartialEndLoss("lidar", F.mse_loss), epochs=1, callbacks=[run])
    assert run.version is not None
    partners = experiment.store.contexts.partners(run.version.pins["lidar"])
    roles = {(member.slot, role) for _, member, role in partners}
    assert roles == {("camera", "frozen"), ("judge", "frozen"), ("lidar", "initialised from")}
    start = experiment.store.systems.get("perception", 1)
    assert start.pins["camera"] == run.version.pins["camera"]


def test_individual_training_has_no_context_but_joint_training_after_it_has(experiment: Experiment) -> None:
    listener = chain()
    pattern = Stages(Individual(listener.individual), SimultaneousEndLoss(F.mse_loss))
    with experiment.run(listener.system) as run:
        fit(listener.system, listener.data, pattern, epochs=(1, 1), callbacks=[run])
    assert run.version is not None
    partners = experiment.store.contexts.partners(run.version.pins["reader"])
    assert {(context.stage, member.slot, role) for context, member, role in partners} == {
        (0, "reader", "initialised from"), (1, "encoder", "co-trained"), (1, "reader", "initialised from"),
    }  # fmt: skip


def test_a_fit_that_fails_leaves_its_reason_and_what_it_measured(experiment: Experiment) -> None:
    car = join()

    def stumble(state: object) -> None:
        raise OSError("the camera was unplugged")

    with pytest.raises(OSError, match="unplugged"), experiment.run(car.system) as run:
        fit(car.system, car.data, SimultaneousEndLoss(F.mse_loss), epochs=3, callbacks=[run, stumble])
    found = experiment.store.runs.get("last")
    assert (found.status, found.error) == ("failed", "OSError: the camera was unplugged")
    assert experiment.store.runs.measures(found.key)["loss"]


def test_a_store_that_cannot_be_written_for_a_while_costs_a_warning_and_no_measurement(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    car, measure, tries = join(), experiment.store.runs.measure, []

    def full(key: str, values: list[tuple[str, int, float]]) -> None:
        tries.append(len(values))
        if len(tries) < 3:
            raise StoreError("the disk is full")
        measure(key, values)

    monkeypatch.setattr(experiment.store.runs, "measure", full)
    monkeypatch.setattr("drivetrain.experiments.tracking.recorder.EVERY", 0.0)
    with pytest.warns(UserWarning, match="measurements wait in memory.*the disk is full"):
        with experiment.run(car.system) as run:
            fit(car.system, car.data, SimultaneousEndLoss(F.mse_loss), epochs=4, batch_size=8, callbacks=[run])
    assert [step for step, _ in experiment.store.runs.measures(run.key or "")["loss"]] == list(range(1, 13))


def test_a_training_that_cannot_be_recorded_is_done_all_the_same(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    car = join()

    def full(*told: object, **more: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(experiment.store.runs, "end", full)
    with pytest.warns(UserWarning, match="training is done, but could not be recorded: the disk is full"):
        with experiment.run(car.system) as run:
            report = fit(car.system, car.data, SimultaneousEndLoss(F.mse_loss), epochs=1, callbacks=[run])
    assert report.iterations
    assert run.version is None


def test_another_architecture_is_refused_by_name_and_leaves_the_system_as_it_was(experiment: Experiment) -> None:
    car, other = join(), join()
    version = experiment.register(car.system)
    other.models["lidar"][3] = torch.nn.Linear(6, 9).double()
    before = {name: value.clone() for name, value in other.system.state_dict().items()}
    with pytest.raises(
        StoreError, match=r"lidar 1 does not fit the model in slot 'lidar'.*\(4, 6\) there and \(9, 6\)"
    ):
        experiment.restore(version, other.system)
    assert all(torch.equal(before[name], value) for name, value in other.system.state_dict().items())


def test_weights_of_a_smaller_model_do_not_fill_a_larger_one(experiment: Experiment) -> None:
    car, other = join(), join()
    version = experiment.register(car.system)
    other.models["lidar"].append(torch.nn.Linear(4, 4).double())
    with pytest.raises(MisfitError, match=r"lidar 1 does not fit.*no module\.4\.bias there, no module\.4\.weight"):
        experiment.restore(version, other.system)


def test_a_tracking_server_has_a_defined_answer() -> None:
    with pytest.raises(StoreError, match=r'mlflow="http://tracking:5000"'):
        Store("http://tracking:5000")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.slow
def test_mlflow_shows_a_failed_run_as_failed_and_why(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from mlflow.tracking import MlflowClient

    def stumble(state: object) -> None:
        raise OSError("the camera was unplugged")

    car = join()
    experiment = Experiment("race-car", tmp_path / "drivetrain.db")
    with pytest.raises(OSError, match="unplugged"), experiment.run(car.system) as run:
        fit(car.system, car.data, SimultaneousEndLoss(F.mse_loss), epochs=1, callbacks=[run, stumble])
    assert "database tables" not in capfd.readouterr().err, "nobody asked that MLflow makes its tables"
    client = MlflowClient(tracking_uri=experiment.store.url)
    (shown,) = client.search_runs([client.get_experiment_by_name("race-car").experiment_id])
    assert (shown.info.status, shown.info.run_name) == ("FAILED", "perception failed: simultaneous end-loss")
    assert shown.data.tags["drivetrain.error"] == "OSError: the camera was unplugged"
    assert shown.data.metrics["loss"] > 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.slow
def test_mlflow_shows_a_readable_summary_beside_our_tables(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from mlflow.tracking import MlflowClient

    car = join()
    experiment = Experiment("race-car", tmp_path / "drivetrain.db")
    with experiment.run(car.system) as run:
        fit(car.system, car.data, SimultaneousEndLoss(F.mse_loss), epochs=1, callbacks=[run])
    assert "database tables" not in capfd.readouterr().err
    client = MlflowClient(tracking_uri=experiment.store.url)
    shown = client.search_runs([client.get_experiment_by_name("race-car").experiment_id])
    top = next(each for each in shown if each.data.tags.get("drivetrain.run") == run.key)
    assert top.data.params["pattern"] == "simultaneous end-loss"
    assert len(client.get_run(top.info.run_id).inputs.model_inputs) == 3
    assert len(shown) == 4
    with sqlite3.connect(tmp_path / "drivetrain.db") as database:
        names = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
        assert {"runs", "drivetrain_runs"} <= names
        assert database.execute("pragma journal_mode").fetchone() == ("wal",)
    database.close()


def test_an_evaluation_is_kept_with_its_edge_interval_and_direction(experiment: Experiment) -> None:
    car = join()
    report = evaluate(car.system, car.data, {"cones": Metric(error_per_sample, higher_is_better=False, name="error")})
    version = experiment.record(car.system, report)
    (found,) = experiment.store.evaluations.of(version)
    assert (found.metric, found.edge, found.higher_is_better) == ("error", "cones", False)
    assert (found.value, found.low, found.high) == (report["cones"].value, report["cones"].low, report["cones"].high)
    assert experiment.record(car.system, {"latency": 0.2}) == version


def test_what_runs_left_is_offered_to_select_by_the_numbers_of_the_store(experiment: Experiment) -> None:
    car = join()
    with pytest.raises(StoreError, match=r"no model of 'perception' has two versions.*train some and record them"):
        experiment.candidates(car.system)
    for seed in range(2):
        with experiment.run(car.system) as run:
            fit(car.system, car.data, SimultaneousEndLoss(F.mse_loss), epochs=1, seed=seed, callbacks=[run])
    offered = experiment.candidates(car.system)
    assert set(offered.slots) == set(car.system.models)
    assert repr(offered).splitlines()[0] == "candidates of perception, 27 combinations:"
    inputs = car.data["image"], car.data["scan"]
    last = {slot: list(labels)[-1] for slot, labels in offered.versions.items()}
    again = offered.build(last).eval()
    assert torch.equal(again(*inputs), car.system.eval()(*inputs))
    assert experiment.candidates(car.system, ["camera"]).slots == ("camera",)


def test_versions_of_a_model_with_another_architecture_are_candidates_beside_the_first(experiment: Experiment) -> None:
    car, other = join(), join()
    other.models["lidar"].append(torch.nn.Linear(4, 4).double())
    for each in (car, other):
        with experiment.run(each.system) as run:
            fit(each.system, each.data, SimultaneousEndLoss(F.mse_loss), epochs=1, callbacks=[run])
    offered = experiment.candidates(car.system, also=[other.system])
    last = {slot: list(labels)[-1] for slot, labels in offered.versions.items()}
    inputs = car.data["image"], car.data["scan"]
    assert torch.equal(offered.build(last).eval()(*inputs), other.system.eval()(*inputs))
    with pytest.warns(UserWarning, match=r"passed over.*'lidar' that was handed over: lidar 3, lidar 4; .*also="):
        alone = experiment.candidates(car.system)
    assert list(alone.versions["lidar"]) == ["1", "2"]
    assert list(alone.versions["camera"]) == list(offered.versions["camera"])


def test_versions_that_ran_on_other_code_of_the_same_shapes_are_offered_with_a_warning(experiment: Experiment) -> None:
    car, other = join(), join()
    for seed in range(2):
        with experiment.run(car.system) as run:
            fit(car.system, car.data, SimultaneousEndLoss(F.mse_loss), epochs=1, seed=seed, callbacks=[run])
    other.models["lidar"].append(torch.nn.Tanh())
    with pytest.warns(UserWarning, match=r"lidar 1, .*in slot 'lidar' ran on other code"):
        experiment.candidates(other.system)
