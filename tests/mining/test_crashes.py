"""The benchmark that counts crashes counts them: it can tell a good end from a bad one, and sees what is run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import scan_crashes
from tests.mining.test_hostile import hostile

__all__ = ["hostile"]


@pytest.mark.slow
def test_a_hostile_repository_ends_well_and_runs_nothing(hostile: tuple[Path, Path]) -> None:
    root, trace = hostile
    row = scan_crashes.examined(root, 30.0)
    assert (row["crash"], row["faults"], row["run"]) == ("", [], [])
    assert row["lines"] > 0
    assert not trace.exists()


def test_what_would_run_a_repository_is_seen(tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("ran = True\n")
    code = (
        "import sys, pathlib\nfrom benchmarks.scan_crashes import _watched\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\nseen = _watched(folder)\nsys.path.insert(0, str(folder))\n"
        "import evil, os\nos.system('true')\nassert any('evil' in one for one in seen), seen\n"
        "assert any('os.system' in one for one in seen), seen\n"
    )
    import subprocess

    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_a_crash_a_fault_and_a_late_report_all_fail_the_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    good = {"folder": "a", "crash": "", "files": 1, "lines": 5, "models": 1, "seconds": 1.0, "faults": [], "run": []}
    good["stopped"] = []
    assert scan_crashes.told([good], 60.0) == 0
    assert scan_crashes.told([good, {"folder": "b", "crash": "exit -11"}], 60.0) == 1
    assert scan_crashes.told([good | {"faults": ["a fault of ours"]}], 60.0) == 1
    assert scan_crashes.told([good | {"run": ["import evil"]}], 60.0) == 1
    assert scan_crashes.told([good | {"seconds": 90.0}], 60.0) == 1
    assert "b: exit -11" in capsys.readouterr().out
