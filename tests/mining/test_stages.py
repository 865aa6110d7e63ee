"""Stages of development: the published mapping reproduced, our own by resolved names, per file and per commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from drivetrain.errors import DataError
from drivetrain.mining.git import commits, git, write_commit
from drivetrain.mining.history import commit_stages
from drivetrain.mining.stages import STAGES, published, stage_mapping
from tests.mining.practice import at_least_one, clone, dictionary, rows
from tests.mining.test_reading import notebook

COLUMNS = "\ufeffAcquisition,Preparation,Modeling,Training,Evaluation,Prediction,Others,\n"
SMALL = COLUMNS + "read_csv,astype,Dense,fit,score,predict,print,\nload,Lasso,Lasso,,,score,imshow,\n,,,,,,astype,\n"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.csv"
    path.write_text(SMALL, encoding="utf-8")
    return path


def vector(stages: frozenset[str]) -> str:
    return "".join(stage[0] if stage in stages else "." for stage in STAGES)


@pytest.mark.parametrize(
    ("code", "stages"),
    [
        ("x.y.read_csv('a').astype(int)", "A....."),  # astype stands in Others, too
        ("Lasso()", "..M..."),  # in two columns: the later one
        ("a.score()", ".....P"),
        ("model.fit(); predict()", "...T.P"),
        ("fit", "......"),  # no call
        ("fit()\nprint 'x'", "......"),  # Python 2
    ],
)
def test_a_published_call_counts_by_its_bare_last_name(small: Path, code: str, stages: str) -> None:
    assert vector(published(small).stages(code.encode(), "a.py")) == stages


def test_notebooks_are_converted_and_a_cell_of_a_magic_holds_no_python(small: Path) -> None:
    cells = ("%matplotlib inline\nfit()", "%%time\npredict()", "!pip install x\nload()")
    assert vector(published(small).stages(notebook(*cells), "a.ipynb")) == "A..T.."
    assert vector(published(small).stages(b"no notebook", "a.ipynb")) == "......"


RESOLVED = """
import pandas as pd
from sklearn.svm import SVC
from sklearn.model_selection import train_test_split
frame = pd.read_csv("a.csv").dropna()
model = SVC()
model.fit(*train_test_split(frame))
model.predict(frame)
"""


def test_our_own_mapping_resolves_names() -> None:
    own = stage_mapping("resolved")
    assert vector(own.stages(RESOLVED.encode(), "a.py")) == "APMT.P"
    assert vector(own.stages(b"import torch\nself.net.fit(x)", "a.py")) == "...T.."
    assert (
        vector(own.stages(b"import re\nfit(open('x').read()); suit.fit(); sorted(list('a')).format()", "a.py"))
        == "......"
    )
    assert (
        vector(own.stages(notebook("import torch", "loss = torch.nn.MSELoss()(x)\nloss.backward()"), "a.ipynb"))
        == "..MT.."
    )


def test_an_unknown_or_absent_mapping_is_answered_with_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no mapping of calls to stages 'idowu'; there are: resolved, idowu2024"):
        stage_mapping("idowu")
    with pytest.raises(DataError, match=r"is not at .*; it is not part of Drivetrain. Name the folder"):
        stage_mapping("idowu2024", tmp_path / "absent.csv")
    (tmp_path / "other.csv").write_text("Acquisition,Training\nload,fit\n")
    with pytest.raises(DataError, match="has no column Preparation, Modeling, Evaluation, Prediction; its columns:"):
        published(tmp_path / "other.csv")


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A repository whose commits add, change, rename and delete a file, with a merge in between."""
    root = tmp_path / "repository"
    root.mkdir()

    def run(*words: str) -> None:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", str(root), *identity, *words], check=True, capture_output=True)

    def commit(message: str) -> None:
        run("add", "-A")
        run("commit", "-q", "-m", message)

    run("init", "-q", "-b", "main")
    padding = "".join(f"x{i} = {i}\n" for i in range(20))
    (root / "a.py").write_text(padding + "model.fit()")
    (root / "b.txt").write_text("fit()")
    commit("add")
    (root / "a.py").rename(root / "c.py")
    (root / "c.py").write_text(padding + "model.predict()")
    commit("rename")
    run("checkout", "-q", "-b", "side", "HEAD~1")
    (root / "n.ipynb").write_bytes(notebook("read_csv()"))
    commit("side")
    run("checkout", "-q", "main")
    run("merge", "-q", "--no-edit", "side")
    (root / "c.py").unlink()
    commit("delete")
    return root


def test_a_commit_works_on_what_its_files_held_before_or_after(history: Path, small: Path) -> None:
    found = {
        git(history, "log", "-1", "--format=%s", one.commit).decode().strip(): one
        for one in commit_stages(history, published(small))
    }
    assert {message: vector(frozenset(s for s in STAGES if one.counts[s])) for message, one in found.items()} == {
        "add": "...T..",
        "rename": "...T.P",
        "side": "A.....",
        "delete": ".....P",
    }
    assert [(file.path, file.stages) for file in found["rename"].files] == [("c.py", ("Training", "Prediction"))]
    merge = git(history, "rev-list", "--merges", "HEAD").decode().strip()
    assert next(commit_stages(history, published(small), [merge])).files == ()


def test_a_commit_that_is_not_there_is_named(history: Path, small: Path) -> None:
    with pytest.raises(DataError, match=r"git rev-list failed in .*: fatal: .*'absent'"):
        list(commit_stages(history, published(small), ["absent"]))
    with pytest.raises(DataError, match="not a git repository"):
        commits(small.parent)


def test_programs_named_in_the_settings_of_a_repository_are_not_run(history: Path, small: Path, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\ncat\n")
    program.chmod(0o755)
    with open(history / ".git" / "config", "a") as settings:
        settings.write(
            f'[core]\nfsmonitor = {program}\n[diff]\nexternal = {program}\n[diff "p"]\ntextconv = {program}\n'
        )
        settings.write(f'[filter "p"]\nsmudge = {program}\nclean = {program}\n')
    (history / ".gitattributes").write_text("*.py diff=p filter=p\n")
    list(commit_stages(history, published(small)))
    write_commit(history, "HEAD~1", tmp_path)
    assert (tmp_path / "c.py").exists()
    assert not (tmp_path / "ran").exists()


def test_links_of_a_commit_that_lead_out_of_it_are_not_written(history: Path, tmp_path: Path) -> None:
    (history / "link.py").symlink_to("/etc/passwd")
    (history / "up.py").symlink_to("../../small.csv")
    (history / "same.txt").symlink_to("b.txt")
    subprocess.run(["git", "-C", str(history), "add", "-A"], check=True)
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    subprocess.run(["git", "-C", str(history), *identity, "commit", "-q", "-m", "link"], check=True)
    folder = tmp_path / "written"
    folder.mkdir()
    write_commit(history, "HEAD", folder)
    assert sorted(path.name for path in folder.iterdir()) == ["b.txt", "n.ipynb", "same.txt"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_published_stage_vectors_are_reproduced() -> None:
    mapping = published(dictionary())
    table = rows("practice_stages.csv")
    compared = same = 0
    for name in sorted({row["full_name"] for row in table}):
        repository = clone(name)
        of_it = [row for row in table if row["full_name"] == name]
        if repository is not None:
            found = commit_stages(repository, mapping, [row["commit"] for row in of_it])
            for row, one in zip(of_it, found, strict=True):
                compared += 1
                same += one.counts == {stage: int(row[stage]) for stage in STAGES}
    at_least_one(compared)
    assert same >= 0.99 * compared, f"{same} of {compared} vectors"
