"""From the shell: a fit is recorded by itself, and what was recorded is listed, compared, traced and restored."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from drivetrain.cli import app
from drivetrain.experiments import Store
from drivetrain.experiments.versions.version import DataSet, Evaluation
from tests.test_cli import MODULE

Run = Callable[..., Result]

FIT = (
    "fit small:listener --data small:train --pattern simultaneous --loss small:squares --epochs 2 --seed 1 --no-mlflow "
    "--validation 'small:train(samples=32)' --metric small:closeness"
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a line in a folder that holds the module ``small``; an exit code that is not expected fails."""
    (tmp_path / "small.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DRIVETRAIN_STORE", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def line(*words: str, code: int = 0) -> Result:
        answer = CliRunner().invoke(app, shlex.split(" ".join(words)), env={"COLUMNS": "160"})
        assert answer.exit_code == code, answer.output
        return answer

    yield line
    sys.modules.pop("small", None)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A car of which production is version 1, and two of four combinations were measured."""
    store = Store(tmp_path / "drivetrain.db")
    store.systems.declare("car", {"camera": "image -> boxes", "lidar": "scan -> hits"})
    for slot in ("camera", "lidar"):
        for number in (1, 2):
            store.components.add(slot, f"{slot} {number}".encode())
    for number, value in ((1, 0.5), (2, 0.9)):
        pinned = {slot: store.components.get(f"{slot} {number}").digest for slot in ("camera", "lidar")}
        found = [Evaluation("f1", value, edge="cones", low=value - 0.1, high=value + 0.1, n=50, data="d" * 32)]
        store.evaluations.record("car", pinned, found, glue="g")
    store.promotions.promote(store.systems.get("car", 1))
    return store


def test_a_fit_is_recorded_without_a_word_and_told_of(run: Run) -> None:
    fitted = run(FIT)
    assert "which made listener 2; more: drivetrain runs show" in fitted.stdout
    (recorded,) = json.loads(run("runs list --json").stdout)
    assert (recorded["status"], recorded["start"], recorded["result"]) == ("finished", 1, 2)
    listed = " ".join(run("runs list").stdout.replace("│", " ").split())
    assert re.search(r"\w+: closeness -?[\d.]+ ->", listed), listed
    shown = run("runs show last").stdout
    for words in ("simultaneous end-loss", "who was trained in whose context", "initialised from", "small:train"):
        assert words in shown
    assert json.loads(run("runs show last --json").stdout)["data"][0]["data"] == "small:train"


def test_what_was_trained_is_brought_back_with_its_weights(run: Run) -> None:
    run(FIT)
    judged = "evaluate small:listener --data small:train --metric small:closeness --json"
    now = json.loads(run(judged).stdout)
    restored = run("runs restore listener:2 --save restored.safetensors")
    assert "listener 2 is back: its weights are in restored.safetensors" in restored.stdout
    sys.modules.pop("small")
    assert _value(json.loads(run(judged).stdout)) != _value(now)
    assert _value(json.loads(run(judged, "--weights restored.safetensors").stdout)) == _value(now)


def test_two_versions_are_compared_edge_by_edge(run: Run, store: Store) -> None:
    told = run("runs compare car:production car:2").stdout
    assert "camera 1" in told
    assert "better" in told
    answer = json.loads(run("runs compare car:1 car:2 --json").stdout)
    assert answer["measures"][0]["verdict"] == "better"


def test_measures_that_say_nothing_of_each_other_are_told(run: Run, store: Store) -> None:
    pinned = dict(store.systems.get("car", 2).pins)
    store.evaluations.record("car", pinned, [Evaluation("loss", 0.1, edge="boxes")], glue="h")
    store.evaluations.record("car", pinned, [Evaluation("mean squared error", 0.2, edge="boxes")], glue="i")
    told = " ".join(run("runs compare car:3 car:4").stdout.split())
    assert "boxes: loss before, mean squared error after, which say nothing of each other" in told
    assert "say nothing" not in run("runs compare car:1 car:2").stdout


def test_lineage_goes_up_and_down_and_says_what_is_stale(run: Run) -> None:
    run(FIT)
    assert "run " in run("runs lineage listener:2").stdout
    down = json.loads(run("runs lineage encoder:1 --downstream --json").stdout)
    assert {"encoder 2", "listener 2"} <= {thing["label"] for thing in down["things"]}
    assert "nothing of listener 2 is stale" in run("runs lineage listener:2 --stale").stdout
    with Store("drivetrain.db") as store:
        store.data.add(DataSet("e" * 32, "small:train", 99))
    (_, second) = json.loads(run("runs lineage listener:2 --stale --json").stdout)[:2]
    assert "eeeeeeee is the newest" in second["why"]


def test_runs_are_handed_to_other_tools_as_events(run: Run) -> None:
    run(FIT)
    first, second = (json.loads(line) for line in run("runs lineage --openlineage").stdout.splitlines())
    assert (first["eventType"], second["eventType"]) == ("START", "COMPLETE")


def test_what_was_not_tried_is_listed_and_may_be_refused(run: Run, store: Store) -> None:
    told = json.loads(run("runs untried car --json").stdout)
    assert (told["possible"], told["tried"], len(told["untried"])) == (4, 2, 2)
    answer = run("runs avoid car camera=camera:1 lidar=lidar:2 --why 'flickers in rain'")
    assert "car is not to be run with camera 1 in camera, lidar 2 in lidar: flickers in rain" in answer.stdout
    assert json.loads(run("runs untried car --json").stdout)["untried"] == [{"camera": "camera 2", "lidar": "lidar 1"}]


def test_a_whole_system_is_promoted_at_once(run: Run, store: Store) -> None:
    assert "production of car is version 2 now; it was car 1" in run("runs promote car:2 --why night").stdout
    assert store.promotions.current("car") == {"production": 2}
    assert "production: 2" in run("runs list --systems").stdout


def test_what_a_system_pins_is_not_deleted(run: Run, store: Store) -> None:
    assert "camera 1 cannot be deleted: it is pinned by car 1" in run("runs delete camera:1", code=2).stderr
    assert "car 1 cannot be deleted: it was promoted to 'production'" in run("runs delete car:1", code=2).stderr
    assert "car 2 is deleted" in run("runs delete car:2").stdout
    assert "camera 2 is deleted, 8 bytes are free" in run("runs delete camera:2").stdout


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("runs show truck:1", "nothing is called 'truck:1'"),
        ("runs compare car:1 car:7", "no version '7' of car"),
        ("runs untried car --metric speed", "say one of: --metric f1 --edge cones"),
        ("runs untried truck", "no system 'truck'"),
        ("runs avoid car camera --why x", "write SLOT=MODEL, such as camera=camera:2"),
        ("runs avoid car radar=camera:1 --why x", "avoid names slots of car: camera, lidar"),
        ("runs restore car:1 --save x.safetensors", "say it: --system MODULE:SYSTEM"),
        ("runs lineage", "drivetrain runs lineage perception:3"),
        ("runs promote car:1 --to 7", "an alias is a word such as 'production', found '7'"),
        ("runs list --store http://tracking:5000", "is an MLflow server"),
    ],
)
def test_a_mistake_is_answered_with_the_line_to_write(run: Run, store: Store, line: str, words: str) -> None:
    answer = run(line, code=2)
    assert words in " ".join(answer.output.replace("│", " ").split())
    assert "Traceback" not in answer.output


def test_asking_where_nothing_was_recorded_says_how_to_begin_and_makes_no_file(run: Run, tmp_path: Path) -> None:
    answer = run("runs list", code=2)
    assert "no experiments in drivetrain.db; record one first: drivetrain fit MODULE:SYSTEM" in answer.stderr
    assert not (tmp_path / "drivetrain.db").exists()


@pytest.mark.parametrize(
    "command", ["list", "show", "compare", "lineage", "untried", "restore", "promote", "avoid", "delete"]
)
def test_the_help_of_every_command_has_an_example(run: Run, command: str) -> None:
    assert f"Example:  drivetrain runs {command}" in run(f"runs {command} --help").stdout


def test_the_help_of_runs_says_what_can_be_named(run: Run) -> None:
    told = run("runs --help").stdout
    assert "perception:production" in told
    assert "First:  drivetrain runs list" in told


def _value(report: dict[str, Any]) -> float:
    return next(iter(report["scores"].values()))["value"]
