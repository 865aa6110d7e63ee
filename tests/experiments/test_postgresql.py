"""A team's store: a real PostgreSQL, started here on loopback, passes the exam that SQLite passes."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from torch.nn import functional as F

from drivetrain import fit
from drivetrain.errors import StoreError
from drivetrain.experiments import Experiment, Store, conformance
from drivetrain.experiments.versions.version import Evaluation
from drivetrain.training import PartialEndLoss
from tests.training.systems import join

pytestmark = pytest.mark.slow

Database = Callable[[], str]


@pytest.fixture(scope="module")
def server(debian_program: Callable[..., str]) -> Iterator[str]:
    """The URL of a server without databases of ours, in a folder that goes away; it listens on loopback alone."""
    beside = "/usr/lib/postgresql/*/bin"
    initdb, control = (debian_program(name, "postgresql", beside) for name in ("initdb", "pg_ctl"))
    folder = Path(tempfile.mkdtemp(prefix="drivetrain-postgresql-"))
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}  # root is refused
    if user:
        shutil.chown(folder, "postgres", "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*command: str) -> None:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            **user,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    data = str(folder / "data")
    run(initdb, "-D", data, "-U", "drivetrain", "-A", "trust", "-E", "UTF8", "--no-sync")
    run(control, "-D", data, "-w", "-l", f"{data}/log", "-o", f"-h 127.0.0.1 -p {port} -k {folder} -F", "start")
    try:
        yield f"postgresql://drivetrain@127.0.0.1:{port}"
    finally:
        run(control, "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(server: str) -> Database:
    """Answers the URL of a new, empty database."""
    import psycopg

    def make() -> str:
        name = f"team{next(_numbers)}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"{server}/{name}"

    return make


_numbers = itertools.count(1)


def test_it_keeps_every_promise_that_sqlite_keeps(database: Database) -> None:
    for promise in conformance.PROMISES:
        with Store(database()) as store:
            promise(store)
    conformance.examine(database())


def test_writers_at_the_same_time_count_versions_without_gaps_and_make_no_tuple_twice(database: Database) -> None:
    url = database()
    with Store(url) as store:
        store.systems.declare("car", {"camera": "image -> boxes", "lidar": "scan -> hits"})
        made = {
            slot: [store.components.add(slot, f"{slot} {number}".encode()).digest for number in range(4)]
            for slot in ("camera", "lidar")
        }
    grid = [{"camera": camera, "lidar": lidar} for camera in made["camera"] for lidar in made["lidar"]]

    def write(start: int) -> None:
        with Store(url) as own:
            for place in range(len(grid)):
                combination = grid[(start + place) % len(grid)]
                own.evaluations.record("car", combination, [Evaluation("f1", float(start))], glue="g")

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(write, range(0, 16, 4)))
    with Store(url) as store:
        versions = store.systems.all("car")
        assert [each.number for each in versions] == list(range(1, 17))
        assert len({each.digest for each in versions}) == 16
        assert all(len(store.evaluations.of(each)) == 4 for each in versions)


def test_a_fit_is_recorded_traced_compared_and_restored(database: Database) -> None:
    car = join()
    experiment = Experiment("race-car", database(), mlflow=False)
    with experiment.run(car.system, data="scenes") as run:
        fit(car.system, car.data, PartialEndLoss("lidar", F.mse_loss), epochs=1, callbacks=[run])
    assert run.version is not None
    store = experiment.store
    labels = {thing.label for thing in store.lineage.upstream(run.version).things}
    assert {"camera 1", "lidar 1", "lidar 2", "scenes"} <= labels
    assert "lidar 2" in {thing.label for thing in store.lineage.downstream(store.find("camera:1")).things}
    assert [each.same for each in store.compare("perception:1", "perception:2").slots] == [True, False, True]
    assert store.stale("perception:2") == []
    assert store.systems.overview()[0].runs == 1
    fit(car.system, car.data, PartialEndLoss("lidar", F.mse_loss), epochs=1)
    assert experiment.register(experiment.restore(2, car.system)) == run.version
    store.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_mlflows_tables_stand_beside_ours_in_the_same_database(database: Database) -> None:
    from mlflow.tracking import MlflowClient

    car = join()
    experiment = Experiment("race-car", database())
    with experiment.run(car.system) as run:
        fit(car.system, car.data, PartialEndLoss("lidar", F.mse_loss), epochs=1, callbacks=[run])
    client = MlflowClient(tracking_uri=experiment.store.url)
    shown = client.get_run(experiment.store.runs.get(run.key or "").mlflow_run)
    assert shown.data.tags["drivetrain.system"] == "perception"
    assert len(shown.inputs.model_inputs) == 1
    experiment.store.close()


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(StoreError, match=rf"me:\*\*\*@127.0.0.1:{port}/team") as refused:
        Store(f"postgresql://me:secret@127.0.0.1:{port}/team").systems.names()
    assert "secret" not in str(refused.value)
