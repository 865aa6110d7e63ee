"""The seconds of a scan hold wherever the time goes: in one file, one statement, or one step of what follows."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from drivetrain.mining import limit, reading, wiring
from drivetrain.mining import scan as scan_module
from drivetrain.mining.dataflow import imports, names
from drivetrain.mining.limit import OutOfTime, stopped_at
from drivetrain.mining.scan import scan

CODE = (
    "from ultralytics import YOLO\nimport easyocr\nfinder = YOLO('a.pt')\neasyocr.Reader(['en']).readtext(finder(x))\n"
)


def _never_ends(*_: object, **__: object) -> None:
    while True:
        pass


@pytest.mark.parametrize(
    ("owner", "part", "notice"),
    [
        (reading, "_source", "time ran out after 0 of 1 Python files, in main.py"),
        (scan_module, "outline", "time ran out before everything was counted"),
        (imports, "run_module", "models and edges are those found until then"),
        (wiring, "keep", "before what was found could be sorted"),
        (scan_module, "with_slots", "time ran out before alternatives were told apart"),
        (scan_module, "integrations", "time ran out before the patterns were read off"),
        (scan_module, "training", "time ran out before training was read off"),
    ],
)
def test_a_part_that_never_ends_is_stopped_and_told(
    owner: object, part: str, notice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "main.py").write_text(CODE)
    monkeypatch.setattr(owner, part, _never_ends)
    started = time.monotonic()
    report = scan(tmp_path, seconds=1.0)
    assert time.monotonic() - started < 2.0
    assert any(notice in told for told in report.repository.notices), report.repository.notices


def test_what_is_stopped_late_keeps_what_came_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "main.py").write_text(CODE)
    monkeypatch.setattr(scan_module, "training", _never_ends)
    report = scan(tmp_path, seconds=1.0)
    assert [model.name for model in report.models] == ["finder", "reader"]
    assert [found.pattern for found in report.repository.integrations] == ["sequential"]


def test_work_that_ends_in_time_is_never_stopped() -> None:
    for _ in range(300):  # the clock rings about when the work ends; it may stop the work, but nothing after it
        try:
            with stopped_at(time.monotonic() + 0.0005):
                while time.monotonic() % 0.001 < 0.0008:
                    pass
        except OutOfTime:
            pass
        sum(range(2000))


def test_the_clock_works_in_any_thread() -> None:
    seen: list[str] = []

    def work() -> None:
        try:
            with stopped_at(time.monotonic() + 0.05):
                _never_ends()
        except OutOfTime:
            seen.append("stopped")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(5.0)
    assert seen == ["stopped"]


def test_time_that_is_up_is_no_fault() -> None:
    assert not issubclass(limit.OutOfTime, Exception)


def test_lists_that_are_poured_into_themselves_stay_as_they_are(tmp_path: Path) -> None:
    pour = "".join("all_of_them.extend(all_of_them)\nmore = dict(more.items())\n" for _ in range(60))
    (tmp_path / "main.py").write_text(CODE + "all_of_them = [finder(x)]\nmore = {'a': finder(y)}\n" + pour)
    report = scan(tmp_path, seconds=20.0)
    assert report.repository.seconds < 5
    assert not report.repository.notices


@pytest.mark.parametrize("text", ["a_" * 38 + "!", "a-" * 5000 + "!", "x" * 2_000_000, "insert into " + " " * 500_000])
def test_no_text_makes_a_pattern_run_long(text: str) -> None:
    started = time.monotonic()
    for find in (names.file_name, names.key_name, names.tables):
        find(text)
    assert time.monotonic() - started < 0.5
