"""What tracking costs is measured, and is not far from what is claimed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def test_recording_and_reading_combinations_cost_little_beside_mlflow(tmp_path: Path) -> None:
    one, many, matrix = (ratio for record in _measured("recording", tmp_path) for ratio in record)
    slack = 4  # the full run is for judging; a quick one beside other work only catches what went badly wrong
    assert one < slack * 0.01
    assert many < slack * 0.01
    assert matrix < slack * 0.02


def test_recording_a_short_fit_costs_a_few_percent_of_it(tmp_path: Path) -> None:
    ((recorded, shown),) = _measured("tracking", tmp_path)
    assert 1 < recorded < shown < 1.5  # of six epochs; what is fixed weighs less in a longer fit


def _measured(script: str, results: Path) -> list[list[float]]:
    """The ratios that a script judges, by what it measured in the order of its printing."""
    environment = {**os.environ, "DRIVETRAIN_RESULTS": str(results), "PYTHONPATH": "src"}
    command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{script}", "--quick"]
    run = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert "Traceback" not in run.stderr, run.stderr
    records = [
        json.loads(path.read_text()) for path in sorted(results.iterdir(), key=lambda each: each.stat().st_mtime)
    ]
    return [[_ratio(record, claim["contestant"]) for claim in record["claims"]] for record in records]


def _ratio(record: dict, contestant: str) -> float:
    return next(each["median"] for each in record["ratios"] if each["contestant"] == contestant)
