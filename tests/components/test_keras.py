"""Keras models in a system, on each backend; Keras has one backend a process, so each question gets a process."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

if importlib.util.find_spec("keras") is None:
    pytest.skip("Keras is not installed", allow_module_level=True)
HERE = Path(__file__).parent
QUESTIONS = [
    "exam_of_adapters",
    "gradients_are_those_of_the_framework",
    "the_users_model_holds_what_was_learned",
    "every_pattern_sits_its_exam_with_a_keras_model",
    "chains_of_a_keras_trunk_learn_in_processes_as_in_one",
    "inputs_that_a_model_does_not_take_are_refused_at_declaration",
    "unbuilt_models_are_refused_by_name",
]


@pytest.mark.slow
@pytest.mark.timeout(180)  # Keras exams of six patterns take half a minute of one core; workers share it
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_keras_models(backend: str, question: str) -> None:
    paths = os.pathsep.join([str(HERE.parents[1] / "src"), str(HERE.parents[1])])
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(HERE / "keras_models.py"), question]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=170)
    assert run.returncode == 0, run.stdout + run.stderr
