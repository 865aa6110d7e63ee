"""Libraries and model files: as a person counts them, and exactly as the paper's data set does."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import pytest

from drivetrain.mining.files import Listing, walk
from drivetrain.mining.findings import Library
from drivetrain.mining.git import write_commit
from drivetrain.mining.libraries import Names, own_modules, used, used_as_paper
from drivetrain.mining.model_files import is_pointer, model_files, model_files_as_paper
from drivetrain.mining.outline import outline
from drivetrain.mining.parsing import parse
from drivetrain.mining.reading import read_sources
from tests.mining.practice import at_least_one, clone, rows
from tests.mining.test_reading import notebook


def write(folder: Path, files: dict[str, str | bytes]) -> Listing:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return walk(folder)


def counted(folder: Path, files: dict[str, str | bytes]) -> dict[str, list[str]]:
    listing = write(folder, files)
    outlines = [outline(source) for source in read_sources(listing).sources]
    return {library.name: list(library.files) for library in used(outlines, own_modules(listing))}


def test_a_person_counts_every_library_and_the_notebooks_too(tmp_path: Path) -> None:
    found = counted(
        tmp_path,
        {
            "a.py": "import torch.nn as nn\nfrom tensorflow.keras import layers",
            "b.py": "def late():\n    from transformers import pipeline\n    import cv2\n    cv2.dnn.readNet('x')",
            "c.ipynb": notebook("import keras", "%time\nfrom sklearn import svm"),
            "d.py": "import cv2, os, numpy",
            "old.py": "import torch\nprint 'x'",
        },
    )
    assert found == {
        "Keras": ["a.py", "c.ipynb"],
        "PyTorch": ["a.py", "old.py"],
        "Hugging Face": ["b.py"],
        "OpenCV DNN": ["b.py"],
        "TensorFlow": ["a.py"],
        "scikit-learn": ["c.ipynb"],
    }


def test_a_module_of_the_repository_is_no_library(tmp_path: Path) -> None:
    found = counted(
        tmp_path,
        {
            "datasets/__init__.py": "",
            "train.py": "import datasets",
            "nets/whisper.py": "from .torch import x",
            "nets/run.py": "import whisper\nimport torch",
            "nets/torch.py": "",
        },
    )
    assert found == {"PyTorch": ["nets/run.py"]}


def test_the_paper_counts_first_components_of_what_python_3_parses(tmp_path: Path) -> None:
    listing = write(
        tmp_path,
        {
            "a.py": "from torch.nn import Linear\nimport sklearn.svm",
            "b.py": "from .tensorflow import x",
            "c.py": "import keras\nfrom torchvision import models",
            "d.py": "import torch\nprint 'Python 2'",
            "e.ipynb": notebook("import torch"),
            "site-packages/f.py": "import torch",
            "g.txt": "import torch",
            "weights/a.h5": b"",
            "weights/b.PT": b"",
            "weights/c.pth": "text",
            "weights/d.onnx": b"\0",
            "e.pb": b"x",
        },
    )
    assert used_as_paper(listing) == (
        Library("sklearn", ("a.py",)),
        Library("tensorflow", ("b.py",)),
        Library("torch", ("a.py",)),
    )
    everything = walk(tmp_path, everything=True)
    assert used_as_paper(everything)[2].files == ("a.py", "site-packages/f.py")
    assert [file.path for file in model_files_as_paper(everything)] == ["e.pb", "weights/a.h5", "weights/c.pth"]


def test_the_paper_counts_links_by_name_and_by_the_file_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text("import sklearn")
    root = tmp_path / "repository"
    write(root, {"a.py": "import torch"})
    for name, leads in (
        ("b.py", "a.py"),
        ("c.py", "../outside.py"),
        ("d.py", "absent"),
        ("tool.pt", "a.py"),
        ("e.py", "e.py"),
    ):
        (root / name).symlink_to(leads)
    listing = walk(root, everything=True)
    assert used_as_paper(listing) == (Library("torch", ("a.py", "b.py")),)
    assert [file.path for file in model_files_as_paper(listing)] == ["tool.pt"]
    assert [file.path for file in listing.files] == ["a.py"]


def test_a_model_file_is_known_by_what_is_in_it_and_never_loaded(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    estimator = io.BytesIO(b"\x80\x04csklearn.svm._classes\nSVC\n")
    listing = write(
        tmp_path,
        {
            "a.pt": b"PK\x03\x04\0",
            "site.pth": "import sys; sys.path.append('x')\n",
            "data.h5": b"\x89HDF\r\n\x1a\n table",
            "keras.h5": b"\x89HDF\r\n\x1a\n\0\0 model_weights layer_names",
            "svc.pkl": estimator.getvalue(),
            "table.pkl": pickle.dumps([1, 2]),
            "bomb.pkl": pickle.dumps(Bomb()) + b"sklearn.svm",
            "plan.engine": "a plan in words",
            "face.xml": "<opencv_storage><cascade type_id='x'>",
            "page.xml": "<html/>",
            "big.safetensors": "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 900\n",
            "yolo.weights": b"\0\x01\x02",
            "pytorch_model.bin": b"PK",
            "firmware.bin": b"PK",
        },
    )
    found = {file.path: file.format for file in model_files(listing)}
    assert found == {
        "a.pt": "PyTorch",
        "big.safetensors": "safetensors",
        "bomb.pkl": "pickle",
        "face.xml": "OpenCV cascade",
        "keras.h5": "Keras or other HDF5",
        "pytorch_model.bin": "weights of a network",
        "svc.pkl": "pickle",
        "yolo.weights": "Darknet",
    }
    assert not (tmp_path / "ran").exists()
    assert [file.path for file in model_files(listing) if is_pointer(listing, file)] == ["big.safetensors"]


@pytest.mark.parametrize(
    ("name", "matched"),
    [
        ("torch.hub.load", True),
        ("torch.hub", False),
        ("a.b.from_pretrained", True),
        ("gdown.download", True),
        ("x", False),
    ],
)
def test_names_with_stars_match_whole_names(name: str, matched: bool) -> None:
    assert Names(["torch.hub.*", "*.from_pretrained", "gdown.download"]).match(name) is matched


def test_calls_are_named_by_imports_and_by_what_variables_were_made_from() -> None:
    code = """
import numpy as np
from sklearn import svm
from .nets import CameraNet
def early():
    return torch.zeros(3)
import torch
class Pipeline:
    def __init__(self):
        self.model = svm.SVC(kernel="rbf")
    def run(self, x):
        loop = loop()
        return self.model.fit(np.asarray(x)).predict(x), CameraNet()(x), loop.go()
"""
    source = parse(code.encode(), "a.py")
    assert source is not None
    read = outline(source)
    assert {call.name for call in read.calls} == {
        "torch.zeros",
        "sklearn.svm.SVC",
        "loop",
        "sklearn.svm.SVC.fit",
        "sklearn.svm.SVC.fit.predict",
        "numpy.asarray",
        ".nets.CameraNet",
        "loop.go",
    }
    assert {call.within for call in read.calls} == {"early", "Pipeline.__init__", "Pipeline.run"}
    assert next(list(call.strings()) for call in read.calls if call.name == "sklearn.svm.SVC") == ["rbf"]
    assert read.functions["Pipeline.run"] == (11, 13)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_published_counts_of_the_paper_are_reproduced(tmp_path: Path) -> None:
    compared = 0
    for row in rows("practice_libraries.csv"):
        repository = clone(row["full_name"])
        if repository is None:
            continue
        folder = tmp_path / row["full_name"].replace("/", "+")
        folder.mkdir()
        write_commit(repository, row["commit"], folder)
        listing = walk(folder, everything=True)
        libraries = used_as_paper(listing)
        files = {path for library in libraries for path in library.files}
        found = ("|".join(library.name for library in libraries), len(files), len(model_files_as_paper(listing)))
        assert found == (row["ml_libraries"], int(row["ml_files"]), int(row["model_files"])), row["full_name"]
        compared += 1
    at_least_one(compared)
