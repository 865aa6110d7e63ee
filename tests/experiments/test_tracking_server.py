"""Where the tracking URI is an HTTP server: runs are shown there, systems are kept here, and nothing waits for it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch.nn import functional as F

from drivetrain import fit
from drivetrain.experiments import Experiment
from drivetrain.training import SimultaneousEndLoss
from tests.training.systems import join

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real MLflow server on loopback."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", str(folder),
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=os.environ | {"DO_NOT_TRACK": "true"}, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/health", process, folder / "log")
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its workers, too; left to itself it takes its time
        process.wait(20)


def test_a_real_server_shows_the_run_and_the_store_keeps_the_system(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    car = join()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)  # as plain users of MLflow say it
    experiment = Experiment("race-car", tmp_path / "drivetrain.db")
    with experiment.run(car.system) as run:
        fit(car.system, car.data, SimultaneousEndLoss(F.mse_loss), epochs=1, callbacks=[run])
    recorded = experiment.store.runs.get(run.key or "")
    shown = MlflowClient(tracking_uri=server).get_run(recorded.mlflow_run)
    assert shown.data.params["pattern"] == "simultaneous end-loss"
    assert len(shown.inputs.model_inputs) == 3
    assert experiment.store.systems.get("perception", 2) == run.version


def test_a_server_that_is_gone_costs_a_warning_and_no_training(tmp_path: Path) -> None:
    car = join()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{free.getsockname()[1]}"
    experiment = Experiment("race-car", tmp_path / "drivetrain.db", mlflow=gone)
    begin = time.monotonic()
    with (
        pytest.warns(UserWarning, match="is recorded in .*but MLflow does not show it"),
        experiment.run(car.system) as run,
    ):
        fit(car.system, car.data, SimultaneousEndLoss(F.mse_loss), epochs=1, callbacks=[run])
    assert time.monotonic() - begin < 60
    assert experiment.store.runs.get(run.key or "").status == "finished"


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            urllib.request.urlopen(address, timeout=1)
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the server does not answer: {log.read_text()[-2000:]}")
