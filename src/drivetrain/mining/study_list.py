"""The list of a study: which repositories, at which commit, how popular; and how each comes onto this machine."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from drivetrain.errors import DataError, listed
from drivetrain.mining.git import fetch, is_repository, write_commit

# Columns that say where a repository is, the surest first; then its commit, its name, and who likes it.
_WHERE = ("path", "url", "clone_url", "html_url", "repo", "repository", "full_name")
_NAME = ("full_name", "name", "repo")
_STARS = ("stars", "stargazers_count")
_FORKS = ("forks", "forks_count")
_SERVER = "https://github.com/"  # where a bare owner/name is looked for


@dataclass(frozen=True)
class Entry:
    """One repository of a study.

    Attributes:
        name: as it stands in the results.
        where: a folder, or the address of a repository of git.
        commit: to look at; the newest if empty.
        stars: how many people marked it; None if the list does not say.
        forks: how many copies were made of it; None if the list does not say.
    """

    name: str
    where: str
    commit: str = ""
    stars: int | None = None
    forks: int | None = None


def read_list(path: str | Path) -> tuple[Entry, ...]:
    """The repositories of a CSV file with a header; each once.

    Raises:
        DataError: the file cannot be read, or no column says where the repositories are.
    """
    try:
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = list(csv.DictReader(file))
            header = list(rows[0]) if rows else []
    except (OSError, csv.Error) as error:
        raise DataError(f"the list of repositories {path} cannot be read: {error}") from None
    if not any(column in header for column in _WHERE):
        raise DataError(
            f"{path}: no column says where the repositories are; write one of {listed(_WHERE)} in the first line, "
            f"found: {listed(header)}"
        )
    here = Path(path).resolve().parent
    found: dict[tuple[str, str], Entry] = {}
    for entry in (_entry(row, here) for row in rows):
        if entry is not None:
            found.setdefault((entry.where, entry.commit), entry)
    return tuple(found.values())


@contextmanager
def brought(entry: Entry) -> Iterator[Path]:
    """The folder of a repository, for as long as it is looked at: itself, or a shallow copy that is thrown away.

    A copy holds regular files alone: no link, no hook, nothing that a filter of git would make.

    Raises:
        DataError: there is no such folder, address or commit.
    """
    folder = Path(entry.where)
    if folder.is_dir() and not entry.commit and not is_repository(folder, bare=True):
        yield folder
        return
    with TemporaryDirectory(prefix="drivetrain-scan-") as made:
        files, history = Path(made, "files"), Path(made, "history")
        files.mkdir()
        if is_repository(folder):
            write_commit(folder, entry.commit or "HEAD", files)
        elif "://" in entry.where:
            fetch(entry.where, entry.commit or "HEAD", history)
            write_commit(history, "FETCH_HEAD", files)
        else:
            if folder.is_dir():
                raise DataError(
                    f"{entry.where} has no history in git, so it cannot be read as it was at {entry.commit}"
                )
            raise DataError(
                f"{entry.where} is neither a folder nor the address of a repository; "
                f"write: drivetrain scan PATH-OF-A-REPOSITORY"
            )
        yield files


def _entry(row: dict[str, str], here: Path) -> Entry | None:
    where = _first(row, _WHERE)
    if not where:
        return None
    if "://" not in where:
        beside = here / where
        where = str(beside) if beside.exists() or where.count("/") != 1 else f"{_SERVER}{where}"
    name = _first(row, _NAME) or where.rstrip("/").rpartition("/")[2]
    return Entry(name, where, _first(row, ("commit",)), _count(_first(row, _STARS)), _count(_first(row, _FORKS)))


def _first(row: dict[str, str], columns: tuple[str, ...]) -> str:
    return next((row[column].strip() for column in columns if row.get(column)), "")


def _count(text: str) -> int | None:
    return int(text) if text.isdigit() else None
