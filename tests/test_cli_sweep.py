"""``drivetrain sweep``: what is swept of each model by name, resumable, a report for people or programs."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from drivetrain.cli import app

MODULE = '''
"""A system whose two models have one hyper-parameter each."""
import torch
from torch import nn
from drivetrain import component, system
from drivetrain.experiments import Swept

class Shift(nn.Module):
    def __init__(self):
        super().__init__()
        self.by = nn.Parameter(torch.zeros(1))
    def forward(self, value):
        return value + self.by

first = component("first", Shift(), "signal -> near")
second = component("second", Shift(), "near -> far")

@system
def listener(signal):
    return second(first(signal))

def swept(name):
    def train(system, seed, by):
        system.component(name).thing.by.data.fill_(by)
    return Swept({"by": (0.0, 4.0)}, build=lambda by: Shift(), train=train)

one, other = swept("first"), swept("second")

def validation(samples=16):
    signal = torch.randn(samples, 1, generator=torch.Generator().manual_seed(1))
    return {"signal": signal, "far": signal + 5}

def closeness(prediction, truth):
    return 1 / (1 + (prediction - truth).abs().mean(1))
'''
LINE = "sweep small:listener --data small:validation --metric small:closeness --runs 6"
MODELS = "--model first=small:one --model second=small:other"

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a line in a folder that holds the module ``small``."""
    (tmp_path / "small.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    sys.modules.pop("small", None)
    yield lambda *lines: CliRunner().invoke(app, shlex.split(" ".join(lines)), env={"COLUMNS": "160"})
    sys.modules.pop("small", None)


def test_a_sweep_goes_on_where_it_stopped_and_keeps_what_it_found(run: Run, tmp_path: Path) -> None:
    first = run(LINE, MODELS, "--store kept --save best.safetensors --json")
    assert first.exit_code == 0, first.output
    report = json.loads(first.stdout)
    assert (len(report["runs"]), report["remembered"]) == (6, 0)
    assert (tmp_path / "best.safetensors").exists()
    again = json.loads(run(LINE, MODELS, "--store kept --json --runs 8").stdout)
    assert (len(again["runs"]), again["remembered"]) == (8, 6)


def test_the_requirement_is_said_to_hold_or_not(run: Run) -> None:
    assert "the requirement, 0.2, held after" in run(LINE, MODELS, "--until 0.2").stdout
    assert "was not reached in 6 training runs" in run(LINE, MODELS, "--until 0.99999").stdout


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ("--model small:one", "say whose it is: NAME=small:one"),
        ("--model third=small:one", "third"),
        ("--model first=small:listener", "write Swept"),
    ],
)
def test_a_mistake_is_answered_with_what_to_write(run: Run, models: str, words: str) -> None:
    answer = run(LINE, models)
    assert answer.exit_code == 2, answer.output
    assert words in answer.stderr
    assert "Traceback" not in answer.output
