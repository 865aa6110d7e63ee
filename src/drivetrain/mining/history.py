"""The stages of development that each commit of a repository works on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from drivetrain.mining.git import Contents, changes, commits, contents
from drivetrain.mining.stages import STAGES, AbstractStageMapping


@dataclass(frozen=True)
class FileStages:
    """A file and the stages that it belongs to, in the order of development."""

    path: str
    stages: tuple[str, ...]


@dataclass(frozen=True)
class CommitStages:
    """What one commit worked on.

    Attributes:
        commit: its full name.
        files: the Python files and notebooks it changed, each with the stages that it belonged to before or after.
        counts: stage -> number of those files.
    """

    commit: str
    files: tuple[FileStages, ...]
    counts: dict[str, int]


def ordered(stages: Iterable[str]) -> tuple[str, ...]:
    """Stages in the order of development."""
    found = frozenset(stages)
    return tuple(stage for stage in STAGES if stage in found)


def counted(files: Iterable[FileStages]) -> dict[str, int]:
    """Stage -> number of files that belong to it."""
    counts = Counter(stage for file in files for stage in file.stages)
    return {stage: counts[stage] for stage in STAGES}


def commit_stages(
    repository: str | Path, mapping: AbstractStageMapping, of: Sequence[str] | None = None
) -> Iterator[CommitStages]:
    """The stages of commits, one after another, the oldest first unless they are named.

    A changed file belongs to the stages that its text before or after the commit shows, so that deleting a file works
    on what it held; this is how Idowu et al. 2024 counted. Merges are skipped, renames followed.

    Args:
        repository: a folder with a history in git; files need not be checked out.
        mapping: says which stages a file belongs to.
        of: names of commits; all of the current branch if None.
    """
    root = Path(repository)
    known: dict[tuple[str, bool], frozenset[str]] = {}
    with contents(root) as kept:
        for commit in commits(root) if of is None else of:
            files = []
            for change in changes(root, commit):
                path = change.new_path or change.old_path
                if path.endswith((".py", ".ipynb")):
                    stages = {
                        stage
                        for blob, name in ((change.old_blob, change.old_path), (change.new_blob, change.new_path))
                        if blob
                        for stage in _stages(blob, name, mapping, kept, known)
                    }
                    files.append(FileStages(path, ordered(stages)))
            yield CommitStages(commit, tuple(files), counted(files))


def _stages(
    blob: str, path: str, mapping: AbstractStageMapping, kept: Contents, known: dict[tuple[str, bool], frozenset[str]]
) -> frozenset[str]:
    """The stages of a content; the same content is read once, though many commits touch it."""
    key = (blob, path.endswith(".ipynb"))
    if key not in known:
        known[key] = mapping.stages(kept[blob] or b"", path)
    return known[key]
