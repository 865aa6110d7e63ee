"""The grading of a scan: what counts as found, as right, and as neither."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.scan_accuracy import ANSWERS
from benchmarks.scan_grading import grade, itself

ANSWER = {
    "repo": "a/b",
    "models": [
        {"id": "finder", "loaded_at": "main.py:10", "also_at": ["other.py:3"]},
        {"id": "small", "loaded_at": "main.py:20", "also_at": [], "slot": "reader"},
        {"id": "large", "loaded_at": "main.py:30", "also_at": [], "slot": "reader"},
        {"id": "judge", "loaded_at": "main.py:40", "also_at": []},
    ],
    "edges": [
        {"from": "finder", "to": "small", "kind": "feeds"},
        {"from": "small", "to": "judge", "kind": "feeds", "hard": True},
        {"from": "finder", "to": "judge", "kind": "trains_on"},
    ],
    "patterns": {
        "paper": ["sequential"],
        "beyond": ["fallback", "cascade_filter"],
        "acceptable_extra": ["joining_parallel"],
        "acceptable_missing": [],
    },
    "training": {"scope_class": "none", "training_code": False},
}
FOUND = {
    "models": [
        {"id": "a", "file": "other.py", "line": 6},
        {"id": "b", "file": "main.py", "line": 28},
        {"id": "c", "file": "main.py", "line": 44},
    ],
    "edges": [["a", "b", "feeds"], ["b", "a", "feeds"], ["a", "c", "feeds"]],
    "patterns": ["sequential", "joining_parallel", "forking_parallel"],
    "beyond": ["fallback", "feedback_loop"],
    "training_scope": "none",
    "has_training_code": True,
}


def test_every_figure_of_a_small_repository() -> None:
    assert grade({"a/b": FOUND}, [ANSWER]) == {
        "repos": 1,
        "model_slot_recall": 2 / 3,  # the judge is four lines off
        "edge_recall": 1.0,
        "edge_recall_hard": 0.0,
        "edge_precision_between_labelled_models": 0.5,  # reader -> finder runs the wrong way
        "edge_precision_by_nearest": 0.5,
        "control_edge_recall": 0.0,
        "pattern_F1": {"sequential": 1.0, "joining_parallel": None, "forking_parallel": 0.0},
        "pattern_macro_F1": 1 / 3,
        "none_correct": None,
        "beyond_F1": 0.5,
        "training_scope_accuracy": 1.0,
        "training_code_accuracy": 0.0,
    }


def test_several_models_and_no_pattern_are_right_only_if_nothing_is_claimed() -> None:
    none = ANSWER | {"patterns": {"paper": [], "beyond": [], "acceptable_extra": [], "acceptable_missing": []}}
    assert grade({"a/b": FOUND}, [none])["none_correct"] == 0.0
    assert grade({"a/b": FOUND | {"patterns": []}}, [none])["none_correct"] == 1.0


def test_models_on_neighbouring_lines_are_told_apart_by_the_nearest() -> None:
    models = [
        {"id": name, "loaded_at": f"main.py:{line}", "also_at": []} for name, line in (("one", 10), ("other", 11))
    ]
    close = ANSWER | {"models": models, "edges": [{"from": "one", "to": "other", "kind": "feeds"}]}
    found = [{"id": "a", "file": "main.py", "line": 10}, {"id": "b", "file": "main.py", "line": 11}]
    told = grade({"a/b": FOUND | {"models": found, "edges": [["a", "b", "feeds"]]}}, [close])
    assert (told["edge_precision_between_labelled_models"], told["edge_precision_by_nearest"]) == (0.5, 1.0)


@pytest.mark.parametrize("file", sorted(ANSWERS.glob("*.json")), ids=lambda file: file.stem)
def test_the_answers_are_whole(file: Path) -> None:
    for answer in json.loads(file.read_text())["repos"]:
        names = {model["id"] for model in answer["models"]}
        assert len(names) == len(answer["models"])
        assert len(answer["commit"]) == 40
        for edge in answer["edges"]:
            assert edge["from"] in names, (answer["repo"], edge)
            assert edge["to"] in names or edge["kind"] == "merges", (answer["repo"], edge)


def test_it_grades_as_the_grader_that_came_with_the_practice_set(tmp_path: Path, shared_scan: Path) -> None:
    answers, predictions = tmp_path / "answers.json", tmp_path / "predictions.json"
    answers.write_text(json.dumps({"repos": [{**ANSWER, "merge_points": []}]}))
    predictions.write_text(json.dumps({"a/b": FOUND}))
    command = [sys.executable, str(shared_scan / "grade_topology.py"), str(predictions), "--gt", str(answers)]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    own = grade({"a/b": FOUND}, [ANSWER])
    assert {name: own[name] for name in said if name in own and name != "pattern_F1"} == pytest.approx(
        {name: value for name, value in said.items() if name in own and name != "pattern_F1"}, abs=1e-3
    )


@pytest.fixture
def shared_scan() -> Path:
    """The folder of the practice set."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "scan"
    if not folder.is_dir():
        pytest.skip(f"needs the practice set of scanned repositories; looked for at {folder}")
    return folder


def test_answers_handed_in_as_a_prediction_are_right_but_for_neighbouring_lines() -> None:
    perfect = grade({"a/b": itself(ANSWER)}, [ANSWER])
    assert (perfect["model_slot_recall"], perfect["edge_recall"], perfect["edge_recall_hard"]) == (1.0, 1.0, 1.0)
    assert perfect["edge_precision_between_labelled_models"] == 1.0
    beside = {**ANSWER, "models": [*ANSWER["models"][:1], {"id": "judge", "loaded_at": "main.py:12", "also_at": []}]}
    beside["edges"] = [{"from": "finder", "to": "judge", "kind": "feeds"}]
    perfect = grade({"a/b": itself(beside)}, [beside])
    assert perfect["edge_precision_between_labelled_models"] == 0.5  # judge -> finder, too
    assert perfect["edge_precision_by_nearest"] == 1.0
