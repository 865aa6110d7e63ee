"""A study: parallel, resumable, never stopped by one bad repository; its table, its statistics and its page."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from drivetrain.cli import app
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.experiments.selecting.over_machines import over_machines
from drivetrain.mining import study_row
from drivetrain.mining.scan import scan
from drivetrain.mining.study import over_cores, study
from drivetrain.mining.study_list import Entry, brought, read_list
from drivetrain.mining.study_report import StudyReport, share
from drivetrain.mining.study_row import Settings, examined, row_of
from drivetrain.mining.study_table import COLUMNS, Journal, read_table, write_table
from tests.mining.test_libraries import write

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed; pip install 'drivetrain[scan]'")

Row = dict[str, Any]


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A list of three repositories: two that can be read, and one that is not there."""
    write(tmp_path / "one", {"a.py": "import torch\nnet = torch.nn.Linear(1, 1)\nnet.fit()", "a.pt": b"PK\0"})
    write(tmp_path / "two", {"a.py": "x = 1", "tests/test_a.py": "def test_x():\n    assert True"})
    path = tmp_path / "list.csv"
    path.write_text("path,stars,name\none,120,first\ntwo,3,second\n,,\nabsent,,third\ntwo,3,again\n")
    return path


def here(function: Callable[[Entry], Row], entries: Sequence[Entry]) -> Iterator[Row]:
    """An engine that reads in this process."""
    for entry in entries:
        try:
            with brought(entry) as folder:
                yield row_of(entry, scan(folder, name=entry.name))
        except DataError as error:
            yield row_of(entry, None, str(error))


def test_the_list_says_where_repositories_are_how_popular_and_each_once(listed: Path) -> None:
    entries = read_list(listed)
    assert [(entry.name, Path(entry.where).name, entry.stars) for entry in entries] == [
        ("first", "one", 120),
        ("second", "two", 3),
        ("third", "absent", None),
    ]


def test_a_list_as_the_papers_data_set_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("full_name,html_url,stargazers_count,forks_count\no/n,https://example.org/o/n,5,2\n")
    assert read_list(path) == (Entry("o/n", "https://example.org/o/n", "", 5, 2),)
    path.write_text("full_name\no/n\n")
    assert read_list(path)[0].where == "https://github.com/o/n"
    path.write_text("who,what\na,b\n")
    with pytest.raises(DataError, match=r"no column says where the repositories are; write one of path, url"):
        read_list(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_list(tmp_path / "absent.csv")


def test_a_repository_of_git_is_fetched_at_its_commit_without_links(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    write(origin, {"a.py": "x = 1"})
    (origin / "link.py").symlink_to("/etc/passwd")

    def run(*words: str) -> str:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
        done = subprocess.run(["git", "-C", str(origin), *identity, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    run("init", "-q")
    run("config", "uploadpack.allowAnySHA1InWant", "true")
    for content in ("x = 1", "x = 2"):
        (origin / "a.py").write_text(content)
        run("add", "-A")
        run("commit", "-q", "-m", content)
    first = run("rev-parse", "HEAD~1")
    for where, commit, content in (
        (str(origin), first, "x = 1"),
        (f"file://{origin}", "", "x = 2"),
        (f"file://{origin}", first, "x = 1"),
        (str(origin / ".git"), "", "x = 2"),
    ):
        with brought(Entry("o", where, commit)) as folder:
            assert [path.name for path in folder.iterdir()] == ["a.py"]
            assert (folder / "a.py").read_text() == content
        assert not folder.exists()
    with (
        pytest.raises(DataError, match=r"could not be fetched at HEAD: fatal"),
        brought(Entry("x", "ext::sh -c true://")),
    ):
        pass
    with pytest.raises(DataError, match="neither a folder nor the address"), brought(Entry("x", "--upload-pack=x")):
        pass


def test_a_study_keeps_a_row_for_every_repository_and_goes_on_after_a_bad_one(listed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "study.parquet"
    report = study(listed, out, run=here)
    rows = {row["name"]: row for row in read_table(out)}
    assert set(rows["first"]) == set(COLUMNS)
    assert rows["first"]["libraries"] == ["PyTorch"]
    assert rows["first"]["model_files"] == 1
    assert rows["second"]["tests"] == 1
    assert "absent is neither a folder nor the address of a repository" in rows["third"]["error"]
    assert len(report.read) == 2
    assert not list(out.parent.glob("*.journal"))


def test_an_interrupted_study_goes_on_where_it_stopped(listed: Path, tmp_path: Path) -> None:
    out = tmp_path / "study.parquet"

    def stopped(function: Callable[[Entry], Row], entries: Sequence[Entry]) -> Iterator[Row]:
        yield from here(function, entries[:1])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study(listed, out, run=stopped)
    assert [row["name"] for row in read_table(out)] == ["first"]
    asked: list[str] = []

    def counted(function: Callable[[Entry], Row], entries: Sequence[Entry]) -> Iterator[Row]:
        asked.extend(entry.name for entry in entries)
        yield from here(function, entries)

    study(listed, out, run=counted)
    assert asked == ["second", "third"]
    study(listed, out, run=counted)
    assert asked == ["second", "third"]


def test_a_journal_whose_last_line_was_cut_off_is_continued(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "study.parquet")
    journal.add({"where": "a", "commit": ""})
    with journal.path.open("a") as file:
        file.write('{"where": "b", "comm')
    journal.add({"where": "c", "commit": ""})
    assert [row["where"] for row in journal.rows()] == ["a", "c"]


def test_other_files_are_not_taken_for_results(tmp_path: Path, listed: Path) -> None:
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(DataError, match="is no result of a study"):
        read_table(tmp_path / "text.parquet")
    with pytest.raises(DataError, match="no repository is left to study; minimum_stars=1000"):
        study(listed, tmp_path / "study.parquet", minimum_stars=1000, run=here)


def test_a_process_that_crashes_or_never_answers_costs_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_row, "_FETCHING", 0.1)

    def awaited(*said: Any, ended: bool = False) -> tuple[Row | None, str]:
        answers, answering = multiprocessing.Pipe(duplex=False)
        for one in said:
            answering.send(one)
        if ended:
            answering.close()
        return study_row._awaited(answers, 0.1)

    early, whole, failed = {"error": "", "models": 0}, {"error": "", "models": 2}, {"error": "x"}
    assert awaited(None, early, whole) == (whole, "")
    assert awaited(failed) == (failed, "")
    assert awaited(None, failed) == (failed, "")
    assert awaited() == (None, "it was not here after 0.1 s")
    assert awaited(None, early) == (early, "stopped after 0.1 s: the models were not followed to the end")
    gone = "the process ended before it answered: the models were not followed to the end"
    assert awaited(None, early, ended=True) == (early, gone)
    assert awaited(ended=True) == (None, gone)


def row(**more: Any) -> Row:
    empty: Row = {column: [] if kind in ("texts", "contexts", "languages") else 0 for column, kind in COLUMNS.items()}
    return empty | {"error": "", "training_scope": "none", "name": "x", "where": "x", "commit": ""} | more


def test_the_statistics_are_shares_with_intervals_and_can_be_filtered_by_popularity() -> None:
    context = {
        "pattern": "sequential",
        "models": 2,
        "libraries": ["torch"],
        "tasks": [],
        "media": ["file"],
        "confidence": 1.0,
    }
    rows = (
        row(models=2, patterns=["sequential"], contexts=[context], libraries=["PyTorch", "Keras"], stars=500),
        row(models=1, libraries=["PyTorch"], model_files=1, model_formats=["ONNX"], stars=2),
        row(models=3, stars=5, training_code=True, training_scope="individual", training_patterns=["individual"]),
        row(models=0, stars=0, tests=2, tests_of_models=1, ml_lines=10, ml_lines_tested=5),
        row(error="gone"),
    )
    report = StudyReport(rows, "study.parquet")
    tables = {table.title: {cells[0]: cells[1:] for cells in table.rows} for table in report.tables()}
    assert tables["Libraries"]["PyTorch"] == ("2", "50 % [15, 85]")
    assert tables["Integration patterns"] == {"sequential": ("1", "50 % [9, 91]"), "none": ("1", "50 % [9, 91]")}
    assert tables["The context of each pattern"]["sequential"] == ("1", "2", "torch (1)", "", "file (1)")
    assert tables["Models per system"]["3 models"][0] == "1"
    assert tables["Training"]["scope: individual"][0] == "1"
    assert tables["Tests"]["ML code that tests touch, median where there are any"] == ("1", "50%")
    assert tables["Where trained models are"]["format ONNX"][0] == "1"
    assert tables["By popularity"]["0 to 9"][0] == "3"
    assert len(report.popular(10).rows) == 1
    shown = str(report)
    assert "5 repositories, 4 of them read" in shown
    assert "! x: gone" in shown
    assert json.loads(json.dumps(report.to_dict()))["table"] == "study.parquet"


def test_a_study_of_nothing_readable_still_answers(tmp_path: Path) -> None:
    report = StudyReport((row(error="gone"),))
    assert "1 repositories, 0 of them read" in str(report)
    assert report.tables() == ()
    write_table(tmp_path / "a.parquet", [])
    assert read_table(tmp_path / "a.parquet") == []


def test_a_share_has_wilsons_interval() -> None:
    assert share(40, 100) == "40 % [31, 50]"
    assert share(0, 0) == ""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_repository_is_read_in_a_process_of_its_own(listed: Path, tmp_path: Path) -> None:
    report = study(listed, tmp_path / "study.parquet", run=over_cores(2))
    assert {row["name"]: bool(row["error"]) for row in report.rows} == {"first": False, "second": False, "third": True}
    first = next(row for row in report.rows if row["name"] == "first")
    assert (first["paper_libraries"], first["paper_ml_files"], first["paper_model_files"]) == (["torch"], 1, 1)
    answered = CliRunner().invoke(
        app,
        ["scan", "--repos", str(listed), "--out", str(tmp_path / "study.parquet"), "--page", str(tmp_path / "a.html")],
    )
    assert answered.exit_code == 0, answered.output
    assert "3 repositories, 2 of them read" in answered.stdout
    assert "How models are integrated in practice" in (tmp_path / "a.html").read_text()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_time_that_is_over_leaves_what_was_counted(tmp_path: Path) -> None:
    write(tmp_path / "one", {f"part_{i}.py": "import torch\n" + "x = torch.ones(1)\n" * 500 for i in range(20)})
    found = examined(Entry("one", str(tmp_path / "one")), Settings(seconds=0.01))
    assert found["error"] == ""
    assert any("time ran out" in notice for notice in found["notices"])


def test_one_repository_and_a_list_exclude_each_other(listed: Path) -> None:
    answered = CliRunner().invoke(app, ["scan", ".", "--repos", str(listed)])
    assert answered.exit_code == 2
    assert "choose one" in answered.stderr


def test_without_ray_the_engine_of_many_machines_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DrivetrainError, match=r"pip install 'drivetrain\[ray\]'"):
        over_machines("local")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_cluster_answers_every_task() -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed; pip install 'drivetrain[ray]'")
    try:
        assert sorted(over_machines("local")(lambda task: task * task, [1, 2, 3])) == [1, 4, 9]
    finally:
        ray.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_study_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    names = [f"repository_{i}" for i in range(6)]
    for name in names:
        write(tmp_path / name, {"main.py": "import torch\nnet = torch.hub.load('a', 'b')\nnet(x)\n" * 200})
    listed, table = tmp_path / "list.csv", tmp_path / "study.parquet"
    listed.write_text("path\n" + "".join(f"{tmp_path / name}\n" for name in names))
    source = str(Path(__file__).resolve().parents[2] / "src")
    code = "from drivetrain.cli import app; app()"
    command = [sys.executable, "-c", code, "scan", "--repos", str(listed), "--out", str(table), "--workers", "1"]
    surroundings = {**os.environ, "PYTHONPATH": source}
    running = subprocess.Popen(command, env=surroundings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = Journal(table)
    while len(journal.rows()) < 2:
        assert running.poll() is None
        time.sleep(0.02)
    running.kill()
    running.wait()
    before = {row["name"]: row["seconds"] for row in journal.rows()}
    assert 2 <= len(before) < len(names)
    assert not table.exists()
    again = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=True)
    after = {row["name"]: row["seconds"] for row in read_table(table)}
    assert set(after) == set(names)
    assert {name: after[name] for name in before} == before, "what was done was done again"
    assert "6 repositories, 6 of them read" in again.stdout
    assert not journal.rows()


def test_the_page_of_a_study_says_what_could_not_be_read_and_why(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path\n/nowhere/at/all\n")
    table, page = tmp_path / "study.parquet", tmp_path / "study.html"
    write_table(table, [row_of(Entry("lost", "/nowhere/at/all"), None, "there is nothing")])
    command = ["scan", "--repos", str(tmp_path / "list.csv"), "--out", str(table), "--page", str(page)]
    assert CliRunner().invoke(app, command).exit_code == 0
    written = page.read_text()
    assert "was given 1 repository and read 0" in written
    assert "there is nothing" in written
