"""What came from what, in one query: through data, code, models, trainings and systems."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
from torch.nn import functional as F

from drivetrain import fit
from drivetrain.errors import UnknownVersionError
from drivetrain.experiments import Experiment, Store
from drivetrain.experiments.store.contexts import Context, Member
from drivetrain.experiments.versions.version import DataSet, Evaluation
from drivetrain.training import Individual, PartialEndLoss
from tests.training.systems import chain, join


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return Experiment("race-car", tmp_path / "drivetrain.db", mlflow=False)


def test_a_version_comes_from_its_models_their_contexts_their_data_and_the_code(experiment: Experiment) -> None:
    car = join()
    with experiment.run(car.system) as run:
        fit(car.system, car.data, PartialEndLoss("lidar", F.mse_loss), epochs=1, callbacks=[run])
    assert run.version is not None
    found = experiment.store.lineage.upstream(run.version)
    roles = {(link.role, link.target.partition(":")[0]) for link in found.links}
    assert {("frozen", "training"), ("initialised from", "training"), ("trained", "component")} <= roles
    assert {("training", "training"), ("camera", "system"), ("code between the models", "system")} <= roles
    assert {thing.label for thing in found.of_kind("component")} == {"camera 1", "lidar 1", "lidar 2", "judge 1"}
    assert "lidar 2" in str(found)


def test_what_is_made_of_a_model_is_downstream_of_it_and_what_is_not_is_not(experiment: Experiment) -> None:
    car = join()
    store = experiment.store
    with experiment.run(car.system) as run:
        fit(car.system, car.data, PartialEndLoss("lidar", F.mse_loss), epochs=1, callbacks=[run])
    camera = store.components.get("camera 1")
    made = {thing.label for thing in store.lineage.downstream(camera).things}
    assert {"lidar 2", "perception 1", "perception 2"} <= made
    assert not {"lidar 1", "judge 1"} & made
    data = store.data.get(store.runs.data(run.key or "")[0].data)
    stale = {thing.label for thing in store.lineage.downstream(data).things}
    assert {"lidar 2", "perception 2"} <= stale
    assert not {"camera 1", "perception 1"} & stale


def test_models_that_learn_apart_on_data_of_their_own_do_not_come_from_each_others_data(
    experiment: Experiment,
) -> None:
    listener = chain()
    apart = {edge: {**listener.data, "signal": listener.data["signal"] + place}
             for place, edge in enumerate(listener.individual)}  # fmt: skip
    with experiment.run(listener.system) as run:
        fit(listener.system, apart, Individual(listener.individual), epochs=1, callbacks=[run])
    assert run.version is not None
    store = experiment.store
    sources = []
    for slot in run.version.pins:
        upstream = store.lineage.upstream(store.components.get(run.version.pins[slot]))
        sources.append({thing.key for thing in upstream.of_kind("data")})
    assert all(len(each) == 1 for each in sources)
    assert sources[0] != sources[1]


def test_a_circle_ends_and_a_long_chain_is_walked_to_its_end(tmp_path: Path) -> None:
    store = Store(tmp_path / "drivetrain.db")
    store.systems.declare("car", {"camera": "image -> boxes"})
    versions = [store.components.add("camera", f"{number}".encode()) for number in range(60)]
    for before, after in [*itertools.pairwise(versions), (versions[-1], versions[0])]:
        key = store.runs.begin("x", "car", pattern="individual")
        members = (Member("camera", "trained", after.digest), Member("camera", "initialised from", before.digest))
        store.contexts.add(Context(key, 0, "camera", "individual", "truth", members))
    upstream = store.lineage.upstream(versions[30])
    assert len(upstream.of_kind("component")) == 59
    assert "and so on" in str(upstream)


def test_the_lineage_of_two_thousand_combinations_is_read_in_a_moment(tmp_path: Path) -> None:
    store = Store(tmp_path / "drivetrain.db")
    store.systems.declare("car", {"camera": "image -> boxes", "lidar": "scan -> hits"})
    cameras, lidars = (
        [store.components.add(name, f"{name}{n}".encode()).digest for n in range(45)] for name in ("camera", "lidar")
    )
    data = store.data.add(DataSet("d" * 32, "scenes", 100))
    found = [Evaluation("f1", 0.5, data=data.digest)]
    store.evaluations.record_all(
        "car", [({"camera": c, "lidar": li}, found) for c in cameras for li in lidars], glue="g"
    )
    begin = time.process_time()
    downstream = store.lineage.downstream(data)
    assert len(downstream.of_kind("evaluation")) == 2025
    camera = store.lineage.downstream(store.components.get("camera 1"))
    assert len(camera.of_kind("system")) == 45
    assert time.process_time() - begin < 5
    assert "and 2013 more" in str(downstream)


def test_a_run_that_trained_nothing_has_no_lineage_and_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path / "drivetrain.db")
    store.systems.declare("car", {"camera": "image -> boxes"})
    key = store.runs.begin("x", "car", pattern="individual")
    with pytest.raises(UnknownVersionError, match="has trained nothing yet"):
        store.lineage.upstream(store.runs.get(key))
