"""A repository that is made to be run by whoever looks at it is read, told about, and not run."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from drivetrain.mining.scan import scan
from tests.mining.test_reading import notebook

# Code that leaves a trace if anybody runs it, whatever it is called.
TRAP = "import pathlib\npathlib.Path({trace!r}).write_text('ran')\nimport torch\nmodel = torch.hub.load('a/b', 'c')\n"


class _Trap:
    def __init__(self, trace: Path) -> None:
        self.trace = str(trace)

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.trace}",)


@pytest.fixture
def hostile(tmp_path: Path) -> tuple[Path, Path]:
    """The repository, and the file that exists once any part of it was run."""
    root, trace = tmp_path / "repository", tmp_path / "ran"
    root.mkdir()
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    code = TRAP.format(trace=str(trace))
    for name in ("setup.py", "conftest.py", "sitecustomize.py", "usercustomize.py", "__main__.py", "torch/__init__.py"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(code)
    (root / "evil.pth").write_text(f"import os; os.system('touch {trace}')\n")
    (root / "work.ipynb").write_bytes(notebook(code, f"!touch {trace}"))
    for name in ("model.pkl", "model.pt", "model.joblib"):
        (root / name).write_bytes(pickle.dumps(_Trap(trace)))
    for hook in ("post-checkout", "pre-commit", "fsmonitor-watchman"):
        file = root / ".git" / "hooks" / hook
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\ntouch {trace}\n")
        file.chmod(0o755)
    with open(root / ".git" / "config", "a") as config:
        config.write(f"[core]\n\tfsmonitor = touch {trace}\n\tsshCommand = touch {trace}\n\tpager = touch {trace}\n")
        config.write(f'[diff "evil"]\n\ttextconv = touch {trace}\n')
    (root / ".gitattributes").write_text("*.py diff=evil filter=evil\n")
    (root / "out.py").symlink_to("/etc/passwd")
    (root / "up").symlink_to(tmp_path, target_is_directory=True)
    (root / "binary.py").write_bytes(os.urandom(20_000))
    (root / "deep.py").write_text("x = " + "(" * 3000 + ")" * 3000 + "\n" + "if x:\n".join(" " * n for n in range(200)))
    (root / "long.py").write_text("x = [" + "1, " * 200_000 + "]\n")
    with open(root / "huge.py", "wb") as huge:
        huge.truncate(3 * 1024**3)  # holes take no room
    return root, trace


def test_nothing_of_a_hostile_repository_is_run(hostile: tuple[Path, Path]) -> None:
    root, trace = hostile
    report = scan(root, seconds=30.0)
    report.sketch()
    str(report)
    assert not trace.exists()
    assert any("huge.py" in notice or "large" in notice for notice in report.repository.notices)
    assert not any("fault of ours" in notice for notice in report.repository.notices)


def test_the_command_runs_nothing_in_the_folder_where_it_is_started(hostile: tuple[Path, Path]) -> None:
    root, trace = hostile
    program = "from drivetrain.cli import app; app()"
    source = Path(__file__).resolve().parents[2] / "src"
    run = subprocess.run(
        [sys.executable, "-c", program, "scan", ".", "--json", "--stages", "resolved"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(source), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        timeout=100,
    )
    assert run.returncode == 0, run.stderr.decode()[-500:]
    assert json.loads(run.stdout)["measures"]
    assert not trace.exists()


def test_ten_thousand_files_are_read_or_told_to_be_left_out(tmp_path: Path) -> None:
    for folder in range(100):
        (tmp_path / f"p{folder}").mkdir()
        for file in range(100):
            (tmp_path / f"p{folder}" / f"m{file}.py").write_text("import torch\n")
    report = scan(tmp_path, seconds=20.0)
    assert report.repository.files == 10_000 or report.repository.notices
    assert report.repository.seconds < 40


def test_folders_in_folders_do_not_end_the_reading(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(120):
        folder = folder / "d"
    folder.mkdir(parents=True)
    (folder / "deep.py").write_text("import torch\n")
    assert scan(tmp_path).repository.files in (0, 1)
