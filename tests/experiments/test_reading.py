"""What a page or a shell reads of a store: overviews, coverage, two versions side by side, things by their names."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch.nn import functional as F

from drivetrain import fit
from drivetrain.errors import UnknownVersionError
from drivetrain.experiments import Experiment, Store
from drivetrain.experiments.versions.version import ComponentVersion, DataSet, Evaluation, SystemVersion
from drivetrain.training import SimultaneousEndLoss
from tests.training.systems import join


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A car with two cameras, two lidars, and three of the four combinations measured."""
    store = Store(tmp_path / "drivetrain.db")
    store.systems.declare("car", {"camera": "image -> boxes", "lidar": "scan -> hits"}, diagram={"name": "car"})
    for slot in ("camera", "lidar"):
        for number in (1, 2):
            store.components.add(slot, f"{slot} {number}".encode())
    for camera, lidar, value in ((1, 1, 0.5), (1, 2, 0.55), (2, 2, 0.9)):
        pinned = {"camera": _digest(store, f"camera {camera}"), "lidar": _digest(store, f"lidar {lidar}")}
        found = [
            Evaluation("f1", value, edge="cones", low=value - 0.1, high=value + 0.1, n=50, data="d"),
            Evaluation("latency", 0.1, unit="s", higher_is_better=False),
        ]
        store.evaluations.record("car", pinned, found, glue="g")
    return store


def test_every_system_is_told_in_a_line(store: Store) -> None:
    store.promotions.promote(store.systems.get("car", 3))
    (car,) = store.systems.overview()
    assert (car.name, car.slots, car.versions, car.runs, car.evaluations) == ("car", 2, 3, 0, 6)
    assert car.promoted == {"production": 3}
    assert store.systems.diagram("car") == {"name": "car"}
    assert store.systems.newest("car").number == 3


def test_coverage_says_how_much_of_what_could_be_combined_was_tried(store: Store) -> None:
    covered = store.evaluations.coverage("car", "f1", edge="cones")
    assert (covered.possible, covered.tried, len(covered.avoided)) == (4, 3, 0)
    (left,) = store.evaluations.untried("car", covered.candidates, "f1", edge="cones", glue="g")
    assert left == {"camera": _digest(store, "camera 2"), "lidar": _digest(store, "lidar 1")}
    store.evaluations.avoid("car", {"camera": left["camera"], "lidar": left["lidar"]}, "the camera is too slow")
    assert not list(store.evaluations.untried("car", covered.candidates, "f1", edge="cones", glue="g"))
    assert store.evaluations.coverage("car", "f1", edge="cones").avoided[0].why == "the camera is too slow"


def test_a_system_without_versions_covers_nothing(store: Store) -> None:
    store.systems.declare("van", {"camera": "image -> boxes"})
    assert store.evaluations.coverage("van", "f1").possible == 0
    assert store.evaluations.matrix("van", "f1").rows == ()


def test_two_versions_are_compared_slot_by_slot_and_edge_by_edge(store: Store) -> None:
    found = store.compare("car:2", "car:3")
    assert [(each.slot, str(each.before), str(each.after), each.same) for each in found.slots] == [
        ("camera", "camera 1", "camera 2", False), ("lidar", "lidar 2", "lidar 2", True),
    ]  # fmt: skip
    assert {(each.edge, each.metric): each.verdict for each in found.measures} == {
        ("cones", "f1"): "better", ("", "latency"): "equal",
    }  # fmt: skip
    assert store.compare("car:1", "car:2").measures[1].verdict == "not apart"
    assert store.compare("car:3", "car:1").measures[1].verdict == "worse"
    assert found.code == ()
    assert "better" in str(found)


def test_code_that_differs_is_named(store: Store) -> None:
    pinned = store.systems.get("car", 1).pins
    store.systems.pin("car", pinned, glue="g1", parts={"fusion": "a", "matching": "b"})
    store.systems.pin("car", pinned, glue="g2", parts={"fusion": "c", "matching": "b"})
    assert store.compare("car:4", "car:5").code == ("fusion",)
    assert store.compare("car:1", "car:5").code == ("unknown",)


def test_things_are_found_as_people_call_them(store: Store) -> None:
    store.promotions.promote(store.systems.get("car", 2), "night")
    store.data.add(DataSet("e" * 32, "scenes", 10))
    key = store.runs.begin("x", "car", pattern="individual")
    assert [str(store.find(each)) for each in ("car:1", "car 1", "car@night", "car")] == [
        "car 1",
        "car 1",
        "car 2",
        "car 3",
    ]
    assert isinstance(store.find("camera:2"), ComponentVersion)
    assert isinstance(store.find(store.systems.get("car", 2).digest[:8]), SystemVersion)
    assert store.find("scenes") == store.data.get("scenes")
    assert store.find("last") == store.runs.get(key)
    assert store.find(f"run:{key[:6]}") == store.runs.get(key)
    with pytest.raises(UnknownVersionError, match=r"nothing is called 'truck'.*perception:3.*Systems: car"):
        store.find("truck")


def test_a_recorded_fit_leaves_the_diagram_and_curves_that_can_be_thinned(tmp_path: Path) -> None:
    car = join()
    experiment = Experiment("race-car", tmp_path / "drivetrain.db", mlflow=False)
    with experiment.run(car.system) as run:
        fit(car.system, car.data, SimultaneousEndLoss(F.mse_loss), epochs=5, batch_size=4, callbacks=[run])
    diagram = experiment.store.systems.diagram("perception")
    assert diagram is not None
    assert [each["name"] for each in diagram["components"] if each["learns"]] == ["camera", "lidar", "judge"]
    whole = experiment.store.runs.measures(run.key or "")["loss"]
    thin = experiment.store.runs.measures(run.key or "", at_most=7)["loss"]
    assert len(thin) == 7 < len(whole)
    assert (thin[0], thin[-1]) == (whole[0], whole[-1])


def test_a_store_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, text

    url = f"sqlite:///{tmp_path / 'old.db'}"
    config = Config()
    config.set_main_option("script_location", "drivetrain.experiments.store:migrations")
    config.set_main_option("path_separator", "os")
    engine = create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in OLD.split(";"):
            connection.execute(text(statement))
    engine.dispose()
    with Store(url) as store:
        assert store.systems.names() == ["car"]
        assert store.systems.diagram("car") is None
        (row,) = store.evaluations.matrix("car", "f1").rows
        assert (row.number, row.pins, row.value) == (1, ("digest of a camera", "digest of a lidar"), 0.5)
        again = store.systems.pin("car", store.systems.get("car", 1).pins, glue="g")
        assert store.evaluations.matrix("car", "f1").rows[again.number - 1].pins == row.pins


def test_a_slot_that_came_later_leaves_a_gap_in_older_versions(store: Store) -> None:
    store.systems.declare("car", {"camera": "image -> boxes", "lidar": "scan -> hits", "fusion": "boxes -> cones"})
    fusion = store.components.add("fusion", b"fusion 1")
    pinned = store.systems.get("car", 1).pins | {"fusion": fusion.digest}
    store.evaluations.record("car", pinned, [Evaluation("f1", 0.7, edge="cones")], glue="g")
    matrix = store.evaluations.matrix("car", "f1", edge="cones")
    assert matrix.slots == ("camera", "lidar", "fusion")
    assert [row.pins[2] for row in matrix.rows] == ["", "", "", fusion.digest]
    assert dict(zip(matrix.slots, matrix.rows[3].pins, strict=True)) == pinned


def test_the_newest_measurement_counts_and_other_data_does_not(store: Store) -> None:
    pinned = store.systems.get("car", 1).pins
    store.evaluations.record("car", pinned, [Evaluation("f1", 0.6, edge="cones", data="e")], glue="g")
    assert [row.value for row in store.evaluations.matrix("car", "f1", edge="cones").rows] == [0.6, 0.55, 0.9]
    assert store.evaluations.matrix("car", "f1", edge="cones", data="d").rows[0].value == 0.5


OLD = """
INSERT INTO drivetrain_systems (id, name, created) VALUES (1, 'car', 1.0);
INSERT INTO drivetrain_slots (id, system_id, name, signature, position)
VALUES (1, 1, 'lidar', 'scan -> hits', 1), (2, 1, 'camera', 'image -> boxes', 0);
INSERT INTO drivetrain_component_versions (id, digest, name, number, kind, code, parameters, facts, created)
VALUES (1, 'digest of a lidar', 'lidar', 1, 'torch', '', 0, '{}', 1.0),
(2, 'digest of a camera', 'camera', 1, 'torch', '', 0, '{}', 1.0);
INSERT INTO drivetrain_system_versions (id, system_id, number, digest, glue, created) VALUES (1, 1, 1, 'd', 'g', 1.0);
INSERT INTO drivetrain_pins (system_version_id, slot_id, component_version_id) VALUES (1, 1, 1), (1, 2, 2);
INSERT INTO drivetrain_evaluations (system_version_id, metric, edge, value, data, higher_is_better, unit, created)
VALUES (1, 'f1', '', 0.5, '', true, '', 1.0)
"""


def _digest(store: Store, name: str) -> str:
    return store.components.get(name).digest
