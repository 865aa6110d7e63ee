"""Four frameworks in one system, learning from end labels alone; TensorFlow is loaded in processes of their own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

for needed in ("keras", "tensorflow", "sklearn", "onnxruntime", "onnx2torch"):
    if importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed", allow_module_level=True)
HERE = Path(__file__).parent
QUESTIONS = ["one_system chain", "one_system join", "one_system fork", "declarations"]


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_system_of_four_frameworks(question: str) -> None:
    paths = os.pathsep.join([str(HERE.parents[1] / "src"), str(HERE.parents[1])])
    environment = {**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(HERE / "mixed_systems.py"), *question.split()]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=170)
    assert run.returncode == 0, run.stdout + run.stderr
