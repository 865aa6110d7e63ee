"""The verb scan: a repository's report prints, draws, turns into a dict and decides exit codes; it runs nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import drivetrain
from drivetrain.cli import app
from drivetrain.errors import ComponentError, DataError
from drivetrain.mining import scan as scan_module
from drivetrain.mining.drawing import diagram
from drivetrain.mining.findings import Place
from drivetrain.mining.scan import scan
from tests.mining.findings import edge, merge, model, wiring
from tests.mining.test_libraries import write
from tests.mining.test_reading import notebook

PLATES = """
import cv2
import numpy as np
from ultralytics import YOLO
import easyocr

class PlateReader:
    def __init__(self):
        self.detector = YOLO("plates.pt")
        self.reader = easyocr.Reader(["en"])

    def read(self, image):
        assert image.shape[2] == 3
        boxes = self.detector(image)[0].boxes.data.tolist()
        return [self.reader.readtext(image[int(y):int(b), int(x):int(a)]) for x, y, a, b, *_ in boxes]
"""
NET = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()

    def forward(self, x):
        return self.block(x)

class Block(torch.nn.Module):
    pass
"""
TRAIN = """
import torch
from net import Net

def main(data):
    net = Net()
    optimizer = torch.optim.Adam(net.parameters())
    for x, y in data:
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
"""
TEST = """
from net import Net

def test_shape():
    assert Net()(1) == 1

def test_sum():
    assert 1 + 1 == 2
"""
REPOSITORY: dict[str, str | bytes] = {
    "plates.py": PLATES,
    "net.py": NET,
    "train.py": TRAIN,
    "tests/test_net.py": TEST,
    "glue.py": "def add(a, b):\n    return a + b\n",
    "look.ipynb": notebook("import sklearn.svm", "from transformers import pipeline\nreader = pipeline('ner')"),
    "plates.pt": b"PK\x03\x04\0",
    "README.md": "Get the weights from https://drive.google.com/file/d/1 and run.\nSee https://huggingface.co too.\n",
    "src/infer.cpp": '#include <torch/script.h>\nint main() {\n  auto m = torch::jit::load("a.pt");\n}\n',
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "plate-reader"
    write(root, REPOSITORY)
    return root


def test_the_report_holds_what_a_person_would_count(repository: Path) -> None:
    report = scan(repository)
    found, facts = report.repository, report.facts
    assert found.notices == ()
    assert found.name == "plate-reader"
    assert {library.name for library in found.libraries} >= {"PyTorch", "Ultralytics", "OCR models", "scikit-learn"}
    assert [file.path for file in found.model_files] == ["plates.pt"]
    assert [(one.name, one.part) for one in facts.implementations] == [("Net", False), ("Block", True)]
    assert facts.training_files == ("train.py",)
    assert found.training.code
    assert facts.notebooks == 1
    assert [str(place) for place in facts.downloads] == ["look.ipynb[2]:2", "plates.py:10"]
    assert [str(place) for place in facts.elsewhere] == ["README.md:1"]
    assert [str(place) for place in facts.validation] == ["plates.py:13"]
    assert [str(place) for place in found.tests] == ["tests/test_net.py:4"]
    assert (facts.tested.tests, facts.tested.other_touched, facts.tested.other_lines) == (2, 0, 2)
    assert 0 < facts.tested.ml_touched < facts.tested.ml_lines
    assert [(language.name, list(map(str, language.loading))) for language in facts.languages] == [
        ("C++", ["src/infer.cpp:3"])
    ]
    assert found.stages["Training"] == 1


def test_the_models_that_meet_are_followed_into_a_pattern(repository: Path) -> None:
    report = scan(repository)
    makers = {model.name: model.maker for model in report.repository.wiring.models}
    pairs = {(makers[edge.source], makers[edge.target]) for edge in report.repository.wiring.edges}
    assert ("ultralytics.YOLO", "easyocr.Reader") in pairs
    assert "sequential" in {found.pattern for found in report.repository.integrations}


def test_the_report_prints_turns_into_json_and_draws(repository: Path) -> None:
    report = scan(repository)
    shown = str(report)
    for words in (
        "plate-reader: ",
        "Libraries of",
        "ultralytics.YOLO",
        "sequential",
        "2, of which 1 run a model",
        "C++: ",
    ):
        assert words in shown
    data = json.loads(json.dumps(report.to_dict()))
    assert data["repository"]["model_files"] == [{"path": "plates.pt", "format": "PyTorch", "bytes": 5}]
    assert data["measures"]["tests_of_models"] == 1
    picture, drawn = report.svg(), report.drawing()
    assert picture is not None
    assert picture.startswith("<svg")
    assert drawn is not None
    assert "sequential: " in drawn


def test_a_repository_without_models_is_told_so(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "print('hello')"})
    report = scan(tmp_path)
    assert report.svg() is None
    assert "No machine-learning library is used." in str(report)
    assert "None: no model was found." in str(report)


def test_counting_as_the_paper_changes_libraries_and_model_files_alone(repository: Path) -> None:
    report = scan(repository, counting="paper")
    assert [(library.name, library.files) for library in report.repository.libraries] == [
        ("torch", ("net.py", "train.py"))
    ]
    assert report.repository.ml_files == ("net.py", "train.py")
    assert "counted as in the paper's data set" in str(report)
    with pytest.raises(DataError, match="counting='people' is no way to count; there are: person, paper"):
        scan(repository, counting="people")


def test_time_that_runs_out_leaves_a_partial_result_with_a_notice(repository: Path) -> None:
    report = scan(repository, seconds=0.0)
    assert any("time ran out" in notice for notice in report.repository.notices)
    assert "! time ran out" in str(report)


def test_a_fault_of_the_analysis_loses_only_the_models(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("an odd file")

    monkeypatch.setattr(scan_module, "wire", fail)
    report = scan(repository)
    assert report.repository.notices == (
        "a fault of ours came before the models were followed: RuntimeError: an odd file",
    )
    assert report.repository.libraries


def test_the_face_gives_scan_when_it_is_asked_for() -> None:
    assert drivetrain.scan is scan
    code = "import sys, drivetrain\nsys.exit('drivetrain.mining' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(AttributeError, match="has no attribute 'scans'"):
        drivetrain.scans  # noqa: B018


def test_the_diagram_names_boxes_safely_and_does_not_run() -> None:
    found = wiring(
        model("load"), model("图像"), model("x" * 200), edge("load -> 图像"), merge("load, 图像", what="a + b")
    )
    graph = diagram("1-odd name/2 go", found)
    assert graph is not None
    names = [node.name for node in graph.nodes]
    assert names[0] == "load_2"
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 35
    with pytest.raises(ComponentError, match=r"was found by a scan .* and cannot run"):
        graph.nodes[0].component(1)


def run(*words: str) -> tuple[int, str, str]:
    answer = CliRunner().invoke(app, ["scan", *words], env={"COLUMNS": "160"})
    return answer.exit_code, answer.stdout, answer.stderr


def test_the_command_prints_draws_and_sketches(repository: Path, tmp_path: Path) -> None:
    code, shown, _ = run(str(repository), "--svg", str(tmp_path / "out" / "system.svg"))
    assert code == 0
    assert "Integration patterns" in shown
    assert (tmp_path / "out" / "system.svg").read_text().startswith("<svg")
    code, shown, _ = run(str(repository), "--json", "--as", "paper")
    assert json.loads(shown)["counting"] == "paper"
    code, shown, _ = run(str(repository), "--sketch")
    assert code == 0
    assert "component(" in shown


def test_a_repository_is_read_as_it_was_at_a_commit(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "import torch"})
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    for words in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-q", "-m", "first")):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    (tmp_path / "a.py").write_text("import keras")

    def libraries(*words: str) -> list[str]:
        return [one["name"] for one in json.loads(run(*words, "--json")[1])["repository"]["libraries"]]

    assert libraries(str(tmp_path)) == ["Keras"]
    assert libraries(str(tmp_path), "--at", "HEAD") == ["PyTorch"]
    assert libraries(f"file://{tmp_path}") == ["PyTorch"]


@pytest.mark.parametrize(
    ("condition", "code", "words"),
    [
        ("models > 0", 1, "failed: models > 0"),
        ("tests_of_models == 0", 0, ""),
        ("pattern sequential >= 1", 1, "failed: pattern sequential >= 1"),
        ("pattern feedback loop > 0", 0, ""),
        ("model > 0", 2, "--fail-if knows no 'model'; it knows: files, lines, libraries"),
        ("models", 2, 'is no condition; write one such as "models > 3"'),
    ],
)
def test_conditions_decide_the_exit_code(repository: Path, condition: str, code: int, words: str) -> None:
    answered, _, error = run(str(repository), "--fail-if", condition)
    assert answered == code
    assert words in error


def test_mistakes_are_answered_with_the_line_to_write(tmp_path: Path) -> None:
    assert "name the folder of a repository: drivetrain scan PATH" in run()[2]
    code, _, error = run(str(tmp_path / "absent"))
    assert code == 2
    assert "absent is neither a folder nor the address of a repository; write: drivetrain scan PATH" in error
    assert "has no history in git, so it cannot be read as it was at HEAD" in run(str(tmp_path), "--at", "HEAD")[2]
    assert "there are: resolved, idowu2024" in run(str(tmp_path), "--stages", "x")[2]


SPEED = """
import sys, time
from drivetrain.mining.scan import scan
scan(sys.argv[1])  # tables of names are compiled once
begin = time.process_time()
report = scan(sys.argv[1])
print(report.repository.lines / (time.process_time() - begin))
"""


@pytest.mark.slow
def test_a_scan_reads_ten_thousand_lines_a_second(tmp_path: Path) -> None:
    write(tmp_path, {f"part_{i}.py": PLATES * 10 for i in range(40)})
    run = subprocess.run([sys.executable, "-c", SPEED, str(tmp_path)], capture_output=True, text=True, check=True)
    assert float(run.stdout) > 5_000, "asked for are 10,000; half of it leaves room for busy machines"


def test_places_print_as_file_cell_and_line() -> None:
    assert (str(Place("a.py", 3)), str(Place("a.ipynb", 3, 2))) == ("a.py:3", "a.ipynb[2]:3")
