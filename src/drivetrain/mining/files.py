"""Walks a repository safely: regular files alone, no link followed, nothing opened that is not asked for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drivetrain.errors import DataError

MOST_FILES = 200_000  # a repository with more is read up to here, with a notice
DEEPEST = 60  # folders within folders

# Never the authors' own code, whatever else is asked.
_HISTORIES = frozenset({".git", ".hg", ".svn", ".bzr"})

# Installed packages, caches and copies that a person would not count as part of the repository.
_NOT_THEIRS = frozenset(
    {
        ".eggs",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".nox",
        ".pytest_cache",
        ".tox",
        "__pycache__",
        "__pypackages__",
        "bower_components",
        "dist-packages",
        "node_modules",
        "site-packages",
    }
)


@dataclass(frozen=True)
class File:
    """A regular file: its path from the root of the repository, with forward slashes, and its size in bytes."""

    path: str
    bytes: int

    @property
    def suffix(self) -> str:
        """What stands behind the last dot of the name, in lower case and with the dot; ``.py``."""
        return os.path.splitext(self.path)[1].lower()


@dataclass(frozen=True)
class Listing:
    """The files of a repository in order of path.

    Attributes:
        root: the folder that was walked.
        files: every regular file that counts.
        notices: what was left out and why.
        links: links to what looks like files; they are listed by name, and followed only on purpose.
    """

    root: Path
    files: tuple[File, ...]
    notices: tuple[str, ...] = ()
    links: tuple[File, ...] = ()

    def having(self, *suffixes: str) -> tuple[File, ...]:
        """The files with any of these suffixes: ``listing.having(".py", ".ipynb")``."""
        return tuple(file for file in self.files if file.suffix in suffixes)


def walk(root: str | Path, *, everything: bool = False, most_files: int = MOST_FILES) -> Listing:
    """Every regular file below a folder; links are not followed, so nothing outside the folder is ever read.

    Args:
        root: the folder of the repository.
        everything: also installed packages, virtual environments and caches that happen to lie there.
        most_files: how many files to list at most.

    Raises:
        DataError: this is not a folder that can be read.
    """
    folder = Path(root)
    if not folder.is_dir():
        found = "a file" if folder.is_file() else "nothing"
        raise DataError(f"scan reads a folder, found {found} at {folder}; write: drivetrain scan PATH-OF-A-REPOSITORY")
    files: list[File] = []
    links: list[File] = []
    notices: list[str] = []
    skipped = _HISTORIES if everything else _HISTORIES | _NOT_THEIRS
    for file in _files(folder, skipped, not everything, notices, links):
        if len(files) == most_files:
            notices.append(f"the repository has more than {most_files} files; only the first {most_files} were listed")
            break
        files.append(file)
    files.sort(key=lambda file: file.path)
    return Listing(folder, tuple(files), tuple(notices), tuple(sorted(links, key=lambda file: file.path)))


def read(listing: Listing, file: File, most: int) -> bytes | None:
    """The first ``most`` bytes of a listed file; None if it can no longer be read, or has become a link."""
    try:
        descriptor = os.open(listing.root / file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError):
        return None
    with os.fdopen(descriptor, "rb") as opened:
        try:
            return opened.read(most) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
        except OSError:
            return None


def target(listing: Listing, link: File) -> File | None:
    """The listed file that a link stands for; None if it leads out of the repository or nowhere."""
    try:
        reached = (listing.root / link.path).resolve(strict=True)
        path = reached.relative_to(listing.root.resolve()).as_posix()
    except (OSError, ValueError, RuntimeError):
        return None
    return next((file for file in listing.files if file.path == path), None)


def _files(
    root: Path, skipped: frozenset[str], skip_environments: bool, notices: list[str], links: list[File]
) -> Iterator[File]:
    waiting: list[tuple[str, int]] = [("", 0)]
    while waiting:
        folder, depth = waiting.pop()
        try:
            with os.scandir(root / folder if folder else root) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            notices.append(f"{folder or '.'} cannot be read: {error.strerror or error}")
            continue
        if skip_environments and folder and any(entry.name == "pyvenv.cfg" for entry in entries):
            notices.append(f"{folder} is a virtual environment; it was left out")
            continue
        below = []
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in skipped:
                        below.append((path, depth + 1))
                elif entry.is_symlink():
                    path.encode()
                    links += [] if entry.is_dir() else [File(path, 0)]
                elif entry.is_file(follow_symlinks=False):
                    path.encode()  # a name that is no text could not be written into any report
                    yield File(path, entry.stat(follow_symlinks=False).st_size)
            except UnicodeEncodeError:
                notices.append(f"{path.encode(errors='replace').decode()}: the name is not text; it was left out")
            except OSError as error:
                notices.append(f"{path} cannot be read: {error.strerror or error}")
        if depth >= DEEPEST and below:
            notices.append(f"{folder} is nested deeper than {DEEPEST} folders; what lies below was left out")
        else:
            waiting.extend(reversed(below))
