"""MLflow's own server shows the pages, too."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.ui import stores

PATIENCE = 90.0


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_mlflow_serves_its_pages_and_ours_over_one_database(tmp_path: Path) -> None:
    place = tmp_path / "drivetrain.db"
    stores.trained(place).close()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "server", "--app-name", "drivetrain", "--backend-store-uri", f"sqlite:///{place}",
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    with (tmp_path / "said").open("wb") as said:
        server = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
        )  # fmt: skip
    try:
        begin = time.monotonic()
        while True:
            assert server.poll() is None, (tmp_path / "said").read_text()[-2000:]
            assert time.monotonic() - begin < PATIENCE, (tmp_path / "said").read_text()[-2000:]
            try:
                ours = httpx.get(f"http://127.0.0.1:{port}/drivetrain/", timeout=10)
                break
            except httpx.TransportError:
                time.sleep(0.5)
        assert 'href="/drivetrain/systems/perception"' in ours.text
        assert httpx.get(f"http://127.0.0.1:{port}/drivetrain/systems/perception/patterns").status_code == 200
        assert httpx.get(f"http://127.0.0.1:{port}/drivetrain/static/style.css").status_code == 200
        assert httpx.get(f"http://127.0.0.1:{port}/health").text == "OK"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)
