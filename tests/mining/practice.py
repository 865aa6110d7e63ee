"""Where the published data sets and the repositories they speak of are, for the tests that compare with them."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("DRIVETRAIN_DATA", REPOSITORY.parent / "shared" / "data"))
# One folder per repository: owner+name, or owner+name/repo, each with a history in git.
CLONES = Path(os.environ.get("DRIVETRAIN_REPOSITORIES", REPOSITORY.parent / ".mirror"))


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a table of practice material, or a skipped test that says what is missing."""
    path = DATA.parent / "scan" / name
    if not path.is_file():
        pytest.skip(f"{path} is absent; set DRIVETRAIN_DATA to the folder `data` that lies beside the folder `scan`")
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def dictionary() -> Path:
    """The published mapping of calls to stages, or a skipped test that says where it was looked for."""
    path = DATA / "idowu_API-dictionary.csv"
    if not path.is_file():
        pytest.skip(f"{path} is absent; set DRIVETRAIN_DATA to the folder that holds it")
    return path


def clone(name: str) -> Path | None:
    """A repository with its history; None if nobody fetched it."""
    folder = CLONES / name.replace("/", "+")
    found = [path for path in (folder / "repo", folder) if (path / "HEAD").exists() or (path / ".git").exists()]
    return found[0] if found else None


def at_least_one(clones: int) -> None:
    """Skip a test for which no repository was fetched."""
    if not clones:
        pytest.skip(f"no repository of the table is in {CLONES}; set DRIVETRAIN_REPOSITORIES to a folder of clones")
