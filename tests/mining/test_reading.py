"""Reading a repository: links, huge, binary and damaged files, Python 2 and notebooks stop nothing and run nothing."""

from __future__ import annotations

import ast
import gc
import json
import os
import sys
import time
from pathlib import Path

import pytest

from drivetrain.errors import DataError
from drivetrain.mining import reading
from drivetrain.mining.files import File, Listing, read, walk
from drivetrain.mining.notebooks import parse_notebook, without_magics
from drivetrain.mining.parsing import parse, repaired
from drivetrain.mining.reading import read_sources


def notebook(*cells: str, language: str = "python", kind: str = "code") -> bytes:
    listed = [{"cell_type": kind, "source": cell.splitlines(keepends=True)} for cell in cells]
    return json.dumps({"cells": listed, "metadata": {"language_info": {"name": language}}}).encode()


def names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def test_links_are_not_followed_out_of_the_repository_nor_round_in_circles(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("password = 1")
    inside = tmp_path / "repository"
    (inside / "package").mkdir(parents=True)
    (inside / "package" / "a.py").write_text("x = 1")
    (inside / "out.py").symlink_to(tmp_path / "secret.py")
    (inside / "round").symlink_to(inside)
    (inside / "gone.py").symlink_to(inside / "absent.py")
    os.mkfifo(inside / "pipe.py")
    assert [file.path for file in walk(inside).files] == ["package/a.py"]


def test_a_file_that_becomes_a_link_after_listing_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "target.py").write_text("x = 1")
    (tmp_path / "link.py").symlink_to(tmp_path / "target.py")
    listing = Listing(tmp_path, (File("link.py", 5), File("absent.py", 5)))
    assert [read(listing, file, 100) for file in listing.files] == [None, None]


def test_installed_packages_do_not_count_unless_everything_is_asked_for(tmp_path: Path) -> None:
    for folder in (".git", "node_modules/x", "mine", "environment/lib", "lib/site-packages/torch"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.py").write_text("x = 1")
    (tmp_path / "environment" / "pyvenv.cfg").write_text("")
    listing = walk(tmp_path)
    assert [file.path for file in listing.files] == ["mine/a.py"]
    assert listing.notices == ("environment is a virtual environment; it was left out",)
    everything = [file.path for file in walk(tmp_path, everything=True).having(".py")]
    assert everything == ["environment/lib/a.py", "lib/site-packages/torch/a.py", "mine/a.py", "node_modules/x/a.py"]


def test_more_files_than_the_limit_and_names_that_are_no_text_are_told(tmp_path: Path) -> None:
    for i in range(5):
        (tmp_path / f"{i}.py").write_text("")
    assert walk(tmp_path, most_files=3).notices == (
        "the repository has more than 3 files; only the first 3 were listed",
    )
    (tmp_path / os.fsdecode(b"\xff.py")).write_text("")
    listing = walk(tmp_path)
    assert len(listing.files) == 5
    assert "the name is not text" in listing.notices[0]


def test_what_is_no_folder_is_refused_with_the_line_to_write(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("")
    with pytest.raises(DataError, match=r"found a file at .*a\.py; write: drivetrain scan PATH"):
        walk(tmp_path / "a.py")
    with pytest.raises(DataError, match="found nothing at"):
        walk(tmp_path / "absent")


def test_nothing_that_is_read_is_run_or_imported(tmp_path: Path) -> None:
    code = "open('ran', 'w').write('x')\nraise SystemExit"
    (tmp_path / "a.py").write_text(code)
    (tmp_path / "sitecustomize.py").write_text(code)
    (tmp_path / "b.ipynb").write_bytes(notebook(code))
    assert len(read_sources(walk(tmp_path)).sources) == 3
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0",
        b"\xff\xfe\x00",
        bytes(range(256)),
        b"(" * 5000,
        b"x = " + b"-" * 5000 + b"1",
        b"x = " + b"+".join([b"1"] * 30000),
        b"x = " + b"9" * 6000,
        b"# coding: no-such-encoding\nx = 1",
        b"if x:\n",
        b"def f(:\n",
        b"\t\tx\n y\n\tz",
    ],
)
def test_no_content_of_a_file_stops_the_reading(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_bytes(data)
    (tmp_path / "odd.ipynb").write_bytes(data)
    (tmp_path / "plain.py").write_text("x = 1")
    assert "plain.py" in [source.path for source in read_sources(walk(tmp_path)).sources]


def test_a_file_is_read_in_the_encoding_that_it_declares() -> None:
    source = parse("# -*- coding: cp1252 -*-\nname = 'é€'".encode("cp1252"), "a.py")
    assert source is not None
    assert "é€" in ast.unparse(source.tree)
    undeclared = parse("name = 'é'; y = 2".encode("latin-1"), "a.py")
    assert undeclared is not None
    assert names(undeclared.tree) == {"name", "y"}


PYTHON_2 = """
import urllib2
def load(path, (width, height)):
    return model(path)
class Camera:
    def see(self):
        print "boxes:", detect(self), \\
            classify(self)
        print >>log, "seen"
        if boxes: print "some"
        exec "x = 1" in names
        try:
            pass
        except (IOError, ValueError), error:
            raise RuntimeError, "no " + `error`
        return 0777L <> size
"""


def test_python_2_is_read_with_its_line_numbers() -> None:
    source = parse(PYTHON_2.encode(), "old.py")
    assert source is not None
    assert source.damaged
    assert {"detect", "classify", "RuntimeError", "model", "log", "size"} <= names(source.tree)
    calls = {node.func.id: node.lineno for node in ast.walk(source.tree) if _is_named_call(node)}  # type: ignore[attr-defined]
    assert (calls["detect"], calls["classify"]) == (7, 8)


def test_a_fraction_is_no_octal_number_of_python_2() -> None:
    source = parse(b"print 'x'\nmodels = [Boost(0.05),\n          Tree(0.5)]\n", "old.py")
    assert source is not None
    assert {"models", "Boost", "Tree"} <= names(source.tree)


def test_mixed_tabs_and_spaces_are_read() -> None:
    source = parse(b"def f():\n        x = 1\n\treturn x\n", "a.py")
    assert source is not None
    assert names(source.tree) == {"x"}


DAMAGED = """
import torch
def first(x):
    y = camera(x
    return y
def second(x)
    return lidar(x)
class Third:
    def run(self):
        try:
            value = fusion(self)
        except:
            value = = 1
<<<<<<< HEAD
a = 1
=======
a = 2
>>>>>>> other
name = {{ cookiecutter.name }} {% if x %}
from {{cookiecutter.package}} import thing
last = end(a)
"""


def test_of_a_damaged_file_the_whole_statements_are_read() -> None:
    source = parse(DAMAGED.encode(), "a.py")
    assert source is not None
    assert source.damaged
    assert {"lidar", "fusion", "end", "value"} <= names(source.tree)
    assert next(n.lineno for n in ast.walk(source.tree) if _is_named_call(n) and n.func.id == "end") == 21  # type: ignore[attr-defined]
    assert repaired(DAMAGED).count("\n") == DAMAGED.count("\n")


def test_without_the_parser_of_damaged_files_whole_blocks_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "parso.grammar", None)
    source = parse(DAMAGED.encode(), "a.py")
    assert source is not None
    assert {"end", "a"} <= names(source.tree)
    assert "lidar" not in names(source.tree)


def test_a_notebook_keeps_cells_and_lines_and_loses_its_magics() -> None:
    cells = (
        "%matplotlib inline\nimport torch\n!pip install x \\\n  y\nfiles = !ls",
        "%%time\nmodel = torch.load('a.pt')",
        "%%bash\nrm -rf /",
        "model?\n\nprediction = model(files)",
    )
    source = parse_notebook(notebook(*cells), "a.ipynb")
    assert source is not None
    assert not source.damaged
    assert source.lines == 12
    lines = {node.id: node.lineno for node in ast.walk(source.tree) if isinstance(node, ast.Name)}
    assert str(source.place(lines["prediction"])) == "a.ipynb[4]:3"
    assert str(source.place(lines["torch"])) == "a.ipynb[2]:2"


def test_a_damaged_cell_costs_only_itself() -> None:
    source = parse_notebook(notebook("x = load(", "pip install torch\ny = 2", "z = x + y"), "a.ipynb")
    assert source is not None
    assert source.damaged
    assert {"y", "z"} <= names(source.tree)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b'{"cells": 3, "worksheets": [1]}', notebook("x <- 1", language="R"), b"[" * 100000]
)
def test_what_is_no_python_notebook_is_left_out(data: bytes) -> None:
    assert parse_notebook(data, "a.ipynb") is None


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("# first\n%%shell\nls", "\n\n"),
        ("  x = 1\n  y = 2", "x = 1\ny = 2"),
        ("x = %time f()", "x = None"),
        ("if a:\n    !ls", "if a:\n    pass"),
        ("x = 5 % 2", "x = 5 % 2"),
    ],
)
def test_magics_become_empty_statements_of_the_same_lines(cell: str, code: str) -> None:
    assert without_magics(cell) == code


def test_what_is_left_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST", 100)
    (tmp_path / "huge.py").write_text("x = 1\n" * 100)
    (tmp_path / "old.py").write_text("print 'a'")
    (tmp_path / "text.py").write_text(") this is ( no Python")
    notices = read_sources(walk(tmp_path)).notices
    assert notices == (
        "huge.py: larger than a person writes and was not read",
        "text.py: no Python that can be read",
        "old.py: damaged or Python 2 and was read in part",
    )


def test_when_time_runs_out_the_rest_is_left_with_a_notice(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}.py").write_text("x = 1")
    answer = read_sources(walk(tmp_path), until=time.monotonic() - 1)
    assert answer.sources == ()
    assert answer.notices == ("time ran out after 0 of 3 Python files, in 0.py; the others were not read",)
    assert gc.isenabled()


def _is_named_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
