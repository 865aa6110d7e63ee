"""The command line names the user's own things, teaches by examples, and never answers a mistake with a traceback."""

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
"""A small system with data, losses and metrics."""
import torch
from torch import nn
from drivetrain import component, system
from drivetrain.training.simultaneous_end_loss import SimultaneousEndLoss

def build(seed=0):
    torch.manual_seed(seed)
    encoder = component("encoder", nn.Linear(3, 2), "signal -> code")
    reader = component("reader", nn.Linear(2, 1), "code -> word")

    @system
    def listener(signal):
        return reader(encoder(signal))

    return listener

listener = build()
number = 7

def train(samples=64):
    signal = torch.randn(samples, 3, generator=torch.Generator().manual_seed(1))
    return {"signal": signal, "code": signal[:, :2], "word": signal.sum(1, keepdim=True)}

def squares(prediction, truth):
    return ((prediction - truth) ** 2).mean()

def closeness(prediction, truth):
    return 1 / (1 + (prediction - truth).abs().mean(1))

together = SimultaneousEndLoss(squares)
'''

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a line in a folder that holds the module ``small``."""
    (tmp_path / "small.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield lambda *lines: CliRunner().invoke(app, shlex.split(" ".join(lines)), env={"COLUMNS": "160"})
    sys.modules.pop("small", None)


def test_show_prints_the_system(run: Run) -> None:
    answer = run("show small:listener")
    assert answer.exit_code == 0, answer.output
    assert "sequential: encoder -> reader" in answer.stdout


def test_show_writes_the_picture(run: Run, tmp_path: Path) -> None:
    answer = run("show small:listener --svg drawings/listener.svg")
    assert answer.exit_code == 0, answer.output
    assert (tmp_path / "drawings" / "listener.svg").read_text().startswith("<svg")


def test_show_prints_mermaid(run: Run) -> None:
    assert run("show small:listener --mermaid").stdout.startswith("flowchart LR\n")


def test_show_prints_json(run: Run) -> None:
    shown = json.loads(run("show small:listener --json").stdout)
    assert shown["components"][0]["name"] == "encoder"
    assert shown["patterns"] == [{"pattern": "sequential", "models": ["encoder", "reader"], "at": ""}]


@pytest.mark.parametrize("reference", ["small:build", "small:build()", "small:build(seed=3)", "small:build(3)"])
def test_a_function_is_called_for_the_system_that_it_builds(run: Run, reference: str) -> None:
    assert run("show", shlex.quote(reference)).exit_code == 0


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("small", "write MODULE:NAME"),
        ("small:1+1", "write MODULE:NAME"),
        ("small:build(seed=open('x'))", "write MODULE:NAME"),
        ("absent:listener", "no module 'absent'"),
        ("small:hearer", "no 'hearer' in small; it has: torch, nn"),
        ("small:number", "is an int; name what stands below @system"),
        ("small:build(depth=3)", "cannot be called so"),
    ],
)
def test_a_wrong_reference_is_answered_with_what_to_write(run: Run, reference: str, words: str) -> None:
    answer = run("show", shlex.quote(reference))
    assert answer.exit_code == 2
    assert words in answer.stderr
    assert "Traceback" not in answer.output


def test_a_module_that_cannot_be_imported_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import not_installed_at_all")
    answer = run("show broken:listener")
    assert answer.exit_code == 2
    assert "importing broken failed: ModuleNotFoundError: No module named 'not_installed_at_all'" in answer.stderr
    assert "(broken.py, line 1)" in answer.stderr


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("broken:listener", "importing broken failed: ValueError: no camera found (broken.py, line 2)"),
        ("unreadable:listener", "importing unreadable failed: SyntaxError"),
        ("small:build(seed='one')", "calling small:build(seed='one') failed: ValueError"),
        ("helpless:build", "calling build() failed: RuntimeError: no weights (helpless.py, line 2)"),
        ("./small.py:listener", "the system: ./small.py is a file; MODULE is written as in an import: small"),
        ("cars/small.py:listener", "MODULE is written as in an import: cars.small"),
    ],
)
def test_a_failure_of_the_users_own_code_is_said_with_its_line(
    run: Run, tmp_path: Path, reference: str, words: str
) -> None:
    (tmp_path / "broken.py").write_text("# finds no camera\nraise ValueError('no camera found')\n")
    (tmp_path / "unreadable.py").write_text("def listener(:\n")
    (tmp_path / "helpless.py").write_text("def build():\n    raise RuntimeError('no weights')\n")
    answer = run(f'show "{reference}"')
    assert answer.exit_code == 2
    assert words in answer.output


def test_a_batch_without_samples_is_refused(run: Run) -> None:
    answer = run("evaluate small:listener --data small:train --metric small:closeness --batch-size 0")
    assert answer.exit_code == 2
    assert "'--batch-size'" in answer.output


def test_fit_trains_and_keeps_weights_that_evaluate_reads(run: Run, tmp_path: Path) -> None:
    fitted = run(
        "fit small:listener --data small:train --pattern simultaneous --loss small:squares --epochs 3 --seed 1",
        "--validation 'small:train(samples=32)' --metric small:closeness --save listener.safetensors --no-record",
    )
    assert fitted.exit_code == 0, fitted.output
    assert "the weights are in listener.safetensors" in fitted.stdout
    judged = "evaluate small:listener --data small:train --metric small:closeness --json"
    before = json.loads(run(judged).stdout)
    sys.modules.pop("small")
    after = json.loads(run(judged, "--weights listener.safetensors").stdout)
    assert _value(after) >= _value(before)


@pytest.mark.parametrize(
    "how",
    [
        "--pattern small:together",
        "--pattern SimultaneousEndLoss --loss small:squares",
        "--pattern alternating --loss word=small:squares",
        "--pattern partial --model reader --loss small:squares",
        "--pattern individual --loss code=small:squares --loss word=small:squares",
    ],
)
def test_fit_knows_every_pattern_by_name_and_your_own_by_reference(run: Run, how: str) -> None:
    answer = run("fit small:listener --data small:train --epochs 1 --seed 0 --json --no-record", how)
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["iterations"] > 0
    assert not list(Path.cwd().glob("*.db"))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("--pattern random --loss small:squares", "no training pattern 'random'; there are: individual, partial"),
        ("--pattern simultaneous", "needs what to minimise: --loss MODULE:LOSS"),
        ("--pattern partial --loss small:squares", "--pattern partial and --model NAME belong together"),
        ("--pattern partial --model radar --loss small:squares", "no component 'radar' in listener"),
        ("--pattern individual --loss small:squares", "needs a loss per edge"),
        ("--pattern small:number", "no training pattern"),
        ("--pattern small:together --epochs many", "write a number, or one per stage"),
    ],
)
def test_fit_answers_a_mistake_with_the_line_to_write(run: Run, how: str, words: str) -> None:
    answer = run("fit small:listener --data small:train", how)
    assert answer.exit_code == 2
    assert words in answer.stderr
    assert "Traceback" not in answer.output


@pytest.mark.parametrize("command", ["show", "fit", "evaluate"])
def test_the_help_of_every_command_has_an_example(run: Run, command: str) -> None:
    answer = run(command, "--help")
    assert answer.exit_code == 0
    assert f"drivetrain {command} cars:perception" in answer.stdout


def test_the_version_is_that_of_the_package(run: Run) -> None:
    assert run("--version").stdout.startswith("drivetrain 0.")


def _value(report: dict[str, dict[str, dict[str, float]]]) -> float:
    return next(iter(report["scores"].values()))["value"]
