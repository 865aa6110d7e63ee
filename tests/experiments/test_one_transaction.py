"""What many calls leave in MLflow's database is the same in one transaction, or nothing where one of them fails."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from torch.nn import functional as F

from drivetrain import fit
from drivetrain.experiments import Experiment
from drivetrain.experiments.tracking import mirror
from drivetrain.training import SimultaneousEndLoss
from tests.training.systems import join

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

OWN = {  # columns that differ between any two showings of the same run
    "run_uuid", "source_id", "destination_id", "input_uuid", "model_id", "artifact_uri", "artifact_location",
    "creation_timestamp_ms", "last_updated_timestamp_ms", "end_time", "source_run_id",
    "creation_time", "last_update_time",
}  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, str]:
    """An experiment with one run, and its key; MLflow was not told of it."""
    car = join()
    experiment = Experiment("race-car", tmp_path_factory.mktemp("store") / "drivetrain.db", mlflow=False)
    with experiment.run(car.system) as run:
        fit(car.system, car.data, SimultaneousEndLoss(F.mse_loss), epochs=2, callbacks=[run])
    return experiment, run.key or ""


def test_one_transaction_leaves_what_many_leave(
    recorded: tuple[Experiment, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, key = recorded
    mirror.mirror(experiment.store, key, f"sqlite:///{tmp_path / 'one.db'}")
    monkeypatch.setattr(mirror, "one_transaction", nullcontext)
    mirror.mirror(experiment.store, key, f"sqlite:///{tmp_path / 'many.db'}")
    one, many = contents(tmp_path / "one.db"), contents(tmp_path / "many.db")
    assert len(one["runs"]) == 4
    assert len(one["logged_models"]) == 3
    assert one == many


def test_a_call_that_fails_leaves_nothing_and_the_next_showing_all(
    recorded: tuple[Experiment, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    experiment, key = recorded
    place = tmp_path / "mlflow.db"

    def refuse(*values: Any, **named: Any) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(MlflowClient, "finalize_logged_model", refuse)
        with pytest.warns(UserWarning, match="MLflow does not show it: the disk is full"):
            mirror.mirror(experiment.store, key, f"sqlite:///{place}")
    assert contents(place)["runs"] == []
    assert mirror.mirror(experiment.store, key, f"sqlite:///{place}") is not None
    assert len(contents(place)["runs"]) == 4


def test_another_thread_keeps_its_own_transactions(recorded: tuple[Experiment, str], tmp_path: Path) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    from drivetrain.experiments.tracking.one_transaction import one_transaction

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.create_experiment("race-car")

    def both_and_fail() -> None:
        with one_transaction(client):
            other = threading.Thread(target=client.create_run, args=(experiment,), kwargs={"run_name": "theirs"})
            other.start()
            other.join()
            client.create_run(experiment, run_name="ours")
            raise OSError("here")

    with pytest.raises(MlflowException, match="here"):
        both_and_fail()
    assert [run.info.run_name for run in client.search_runs([experiment])] == ["theirs"]


def contents(place: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of every table of MLflow's, without what is another in every database."""
    found = {}
    with sqlite3.connect(place) as database:
        for (table,) in database.execute("select name from sqlite_master where type = 'table'").fetchall():
            columns = [row[1] for row in database.execute(f"pragma table_info({table})") if row[1] not in OWN]
            if columns and not table.startswith("alembic"):
                rows = database.execute(f"select {', '.join(columns)} from {table}").fetchall()
                found[table] = sorted((row for row in rows if "mlflow.parentRunId" not in row), key=repr)
    database.close()
    return found
