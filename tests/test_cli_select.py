"""``drivetrain select``: versions from the store or declared, a report for people or programs, errors with the line."""

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
"""A system, versions of its models, and data."""
import torch
from torch import nn
from drivetrain import component, fit, system
from drivetrain.experiments import Candidates, Experiment
from drivetrain.training import SimultaneousEndLoss

def build():
    torch.manual_seed(0)
    encoder = component("encoder", nn.Linear(3, 2), "signal -> code")
    reader = component("reader", nn.Linear(2, 1), "code -> word")

    @system
    def listener(signal):
        return reader(encoder(signal))

    return listener

listener = build()
number = 7

def declared():
    torch.manual_seed(1)
    return Candidates(listener, {"encoder": [nn.Linear(3, 2) for _ in range(3)], "reader": [nn.Linear(2, 1)] * 2})

def validation(samples=32):
    signal = torch.randn(samples, 3, generator=torch.Generator().manual_seed(1))
    return {"signal": signal, "word": signal.sum(1, keepdim=True)}

def closeness(prediction, truth):
    return 1 / (1 + (prediction - truth).abs().mean(1))

def trained(times=3):
    for seed in range(times):
        with Experiment("hearing", mlflow=False).run(listener) as run:
            loss = SimultaneousEndLoss(lambda p, t: ((p - t) ** 2).mean())
            fit(listener, validation(), loss, epochs=1, seed=seed, callbacks=[run])
'''
LINE = "--data small:validation --metric small:closeness"

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a line in a folder that holds the module ``small``."""
    (tmp_path / "small.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DRIVETRAIN_STORE", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    sys.modules.pop("small", None)
    yield lambda *lines: CliRunner().invoke(app, shlex.split(" ".join(lines)), env={"COLUMNS": "160"})
    sys.modules.pop("small", None)


def test_declared_candidates_are_searched_and_recorded(run: Run, tmp_path: Path) -> None:
    answer = run("select small:declared", LINE, "--json")
    assert answer.exit_code == 0, answer.output
    report = json.loads(answer.stdout)
    assert (report["combinations"], report["evaluations"], report["untried"]) == (6, 6, 0)
    assert (tmp_path / "drivetrain.db").exists()
    again = json.loads(run("select small:declared", LINE, "--json").stdout)
    assert (again["evaluations"], again["remembered"]) == (0, 6)
    assert again["best"] == report["best"]


def test_the_versions_that_runs_left_in_the_store_are_combined_with_those_that_they_began_with(run: Run) -> None:
    import small  # type: ignore[import-not-found]

    small.trained(3)
    answer = run("select small:listener", LINE, "--test 'small:validation(samples=9)'", "--json")
    assert answer.exit_code == 0, answer.output
    report = json.loads(answer.stdout)
    assert report["combinations"] == 16  # two models, of each the first version and three that were trained
    assert set(report["best"]) == {"encoder", "reader"}
    assert report["test"]["word"]["n"] == 9


def test_nothing_is_written_without_record(run: Run, tmp_path: Path) -> None:
    assert run("select small:declared", LINE, "--no-record --slot encoder").exit_code == 0
    assert not (tmp_path / "drivetrain.db").exists()


def test_the_report_is_for_people_unless_json_is_asked_for(run: Run) -> None:
    answer = run("select small:declared", LINE, "--strategy random --budget 4 --objective size")
    assert answer.exit_code == 0, answer.output
    assert "best of 4 of 6 combinations by word" in answer.stdout
    assert "no evaluated combination beats these" in answer.stdout


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("select small:number", "name a system, whose versions are in the store"),
        ("select small:listener", "no model of 'listener' has two versions in"),
        ("select small:listener --slot ear", "ear"),
        ("select small:declared --slot ear", "the candidates have versions of"),
        ("select small:declared --strategy best", "there are: interactions, exhaustive"),
    ],
)
def test_a_mistake_is_answered_with_what_to_write(run: Run, line: str, words: str) -> None:
    answer = run(line, LINE)
    assert answer.exit_code == 2
    assert words in answer.stderr
    assert "Traceback" not in answer.output


def test_the_help_teaches_by_a_line_to_copy() -> None:
    text = CliRunner().invoke(app, ["select", "--help"], env={"COLUMNS": "120"}).stdout
    assert "drivetrain select cars:perception --data cars:validation --metric cars:cone_f1" in " ".join(text.split())
