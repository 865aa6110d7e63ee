"""Asks git about a repository that nobody has checked: its settings are overruled, nothing is started or fetched."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from drivetrain.errors import DataError

# A repository's own settings can name programs: hooks, monitors, textual differences, remote shells. None may run.
_HARMLESS = (
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.attributesFile=/dev/null"),
    *("-c", "core.sshCommand=false"),
    *("-c", "protocol.allow=never"),
    *("-c", "log.showSignature=false"),
    *("-c", "safe.directory=*"),
)
_QUIET = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "LC_ALL": "C",
}
_SECONDS = 120  # for one question
_FETCHING = 600  # seconds, for one repository
# Where repositories may come from; ssh and git's own helpers could be made to start programs.
_FETCHABLE = tuple(
    word for protocol in ("https", "http", "file") for word in ("-c", f"protocol.{protocol}.allow=always")
)
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@dataclass(frozen=True)
class Change:
    """A file that a commit changed; a path and the name of its content are empty where the file did not exist."""

    old_path: str
    new_path: str
    old_blob: str
    new_blob: str


def git(repository: Path, *question: str) -> bytes:
    """What git answers about a repository.

    Raises:
        DataError: git is not installed, this is no repository of it, or the question has no answer.
    """
    try:
        run = subprocess.run(
            _command(repository, *question), capture_output=True, env=_surroundings(), timeout=_SECONDS
        )
    except FileNotFoundError:
        raise DataError("the history of a repository needs the program git, which is not installed") from None
    except subprocess.TimeoutExpired:
        raise DataError(f"git {question[0]} took longer than {_SECONDS} s in {repository}") from None
    if run.returncode:
        said = run.stderr.decode(errors="replace").strip().splitlines() or ["without a word"]
        why = next((line for line in said if line.startswith("fatal: ")), said[-1])
        raise DataError(f"git {question[0]} failed in {repository}: {why}")
    return run.stdout


def is_repository(folder: Path, *, bare: bool = False) -> bool:
    """Whether a folder has a history in git; or whether it is nothing but one."""
    alone = all((folder / part).exists() for part in ("HEAD", "objects", "refs"))
    return alone or (not bare and (folder / ".git").exists())


def fetch(address: str, commit: str, folder: Path) -> None:
    """Bring one commit, without what went before, into a new folder that holds the history alone.

    Raises:
        DataError: there is no such repository or commit, or it took longer than ten minutes.
    """
    folder.mkdir()
    git(folder, "init", "-q", "--bare")
    words = ("fetch", "-q", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", address, commit)
    try:
        run = subprocess.run(
            ["git", "--no-pager", *_HARMLESS, *_FETCHABLE, "-C", str(folder), *words],
            capture_output=True,
            env=_surroundings(),
            timeout=_FETCHING,
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"{address} did not arrive within {_FETCHING} s") from None
    if run.returncode:
        said = run.stderr.decode(errors="replace").strip().splitlines() or ["without a word"]
        raise DataError(f"{address} could not be fetched at {commit}: {said[-1]}")


def commits(repository: Path) -> list[str]:
    """Every commit that the current one descends from, the oldest first; merges are skipped."""
    return git(repository, "rev-list", "--no-merges", "--reverse", "HEAD").decode().split()


def changes(repository: Path, commit: str) -> tuple[Change, ...]:
    """The files that a commit changed; renames are followed, submodules left out. A merge changes nothing by itself."""
    commit, *parents = git(repository, "rev-list", "--parents", "-n", "1", "--end-of-options", commit).decode().split()
    if len(parents) > 1:
        return ()
    before = parents[0] if parents else _EMPTY_TREE
    answer = git(repository, "diff-tree", "-r", "-M", "--no-ext-diff", "-z", "--raw", "--no-abbrev", before, commit)
    fields = answer.decode(errors="replace").split("\0")
    found, at = [], 0
    while at < len(fields) and fields[at].startswith(":"):
        old_mode, new_mode, old_blob, new_blob, status = fields[at][1:].split(" ")
        old_path = fields[at + 1]
        renamed = status[0] in "RC"
        new_path = fields[at + 2] if renamed else old_path
        at += 3 if renamed else 2
        if "160000" not in (old_mode, new_mode):
            is_new, is_gone = status[0] == "A", status[0] == "D"
            found.append(
                Change(
                    "" if is_new else old_path,
                    "" if is_gone else new_path,
                    "" if is_new else old_blob,
                    "" if is_gone else new_blob,
                )
            )
    return tuple(found)


class Contents:
    """Answers the contents that git keeps, one after another, from one process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def __getitem__(self, blob: str) -> bytes | None:
        """A content by its name; None if the repository does not hold it."""
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answered is not None
        asked.write(blob.encode() + b"\n")
        asked.flush()
        head = answered.readline().split()
        if len(head) != 3:
            return None
        data = answered.read(int(head[2]))
        answered.read(1)
        return data


@contextmanager
def contents(repository: Path) -> Iterator[Contents]:
    """Opens the contents that a repository keeps."""
    process = subprocess.Popen(
        _command(repository, "cat-file", "--batch"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_surroundings(),
    )
    try:
        yield Contents(process)
    finally:
        process.terminate()
        process.communicate()


def write_commit(repository: Path, commit: str, folder: Path) -> None:
    """Write the files of a commit into an empty folder: no filter, no hook, and no link that leads out of the folder.

    A content that the repository does not hold becomes an empty file.
    """
    links: list[tuple[Path, bytes]] = []
    inside = folder.resolve()
    answer = git(repository, "ls-tree", "-r", "-z", commit)
    with contents(repository) as kept:
        for entry in filter(None, answer.split(b"\0")):
            described, _, name = entry.partition(b"\t")
            mode, _, blob = described.decode().split(" ")
            path = inside / os.fsdecode(name)
            if mode in ("100644", "100755") and path.resolve().is_relative_to(inside):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(kept[blob] or b"")
            elif mode == "120000":
                links.append((path, (kept[blob] or b"").replace(b"\0", b"")))
    for path, leads in links:  # after the files, so that none of those is written through a link
        reached = Path(os.path.realpath(path.parent / os.fsdecode(leads)))
        if leads and reached.is_relative_to(inside) and not os.path.lexists(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(os.fsdecode(leads))


def _command(repository: Path, *question: str) -> list[str]:
    return ["git", "--no-pager", *_HARMLESS, "-C", str(repository), *question]


def _surroundings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | _QUIET
