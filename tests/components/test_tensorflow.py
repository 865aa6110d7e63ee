"""Plain TensorFlow modules in a system: the exam, gradients, and generators of random numbers."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

if importlib.util.find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed", allow_module_level=True)
HERE = Path(__file__).parent


@pytest.mark.slow
def test_plain_tensorflow_modules() -> None:
    paths = os.pathsep.join([str(HERE.parents[1] / "src"), str(HERE.parents[1])])
    environment = {**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(HERE / "tensorflow_models.py")]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110)
    assert run.returncode == 0, run.stdout + run.stderr
