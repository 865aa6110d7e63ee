"""Reads every Python file and notebook of a repository into syntax trees, within a time, and says what it left out."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from drivetrain.errors import listed
from drivetrain.mining.files import File, Listing, read
from drivetrain.mining.findings import Source
from drivetrain.mining.limit import OutOfTime, stopped_at
from drivetrain.mining.notebooks import parse_notebook
from drivetrain.mining.parsing import parse

LARGEST = 2_000_000  # bytes of Python; what is larger is generated: tables of numbers, bundled resources
LARGEST_NOTEBOOK = 50_000_000  # bytes; most of them are pictures


@dataclass(frozen=True)
class Reading:
    """The sources of a repository in order of path, and what was left out."""

    sources: tuple[Source, ...]
    notices: tuple[str, ...] = ()

    @property
    def lines(self) -> int:
        """Lines of code in all sources."""
        return sum(source.lines for source in self.sources)


def read_sources(listing: Listing, *, until: float = math.inf) -> Reading:
    """Parse every Python file and notebook that was listed; nothing of it is run.

    Args:
        listing: from ``walk``.
        until: the time of ``time.monotonic()`` at which to stop with what there is.
    """
    found: list[Source] = []
    too_large: list[str] = []
    unreadable: list[str] = []
    damaged: list[str] = []
    files = listing.having(".py", ".pyw", ".ipynb")
    waiting = list(files[::-1])
    notices = []
    try:
        with without_collection(), stopped_at(until):
            while waiting:
                file = waiting[-1]
                if file.bytes > (LARGEST_NOTEBOOK if file.suffix == ".ipynb" else LARGEST):
                    too_large.append(file.path)
                elif (source := _source(listing, file)) is not None:
                    found.append(source)
                    if source.damaged:
                        damaged.append(file.path)
                elif file.bytes and file.suffix != ".ipynb":  # a notebook without a source is in another language
                    unreadable.append(file.path)
                waiting.pop()
    except OutOfTime:
        done = len(files) - len(waiting)
        notices.append(
            f"time ran out after {done} of {len(files)} Python files, in {_some([f.path for f in waiting[-1:]])}; "
            f"the others were not read"
        )
    for paths, what in (
        (too_large, "larger than a person writes and was not read"),
        (unreadable, "no Python that can be read"),
        (damaged, "damaged or Python 2 and was read in part"),
    ):
        if paths:
            notices.append(f"{_some(paths)}: {what}")
    return Reading(tuple(found), tuple(notices))


@contextmanager
def without_collection() -> Iterator[None]:
    """Without garbage collection, which would walk through all trees again and again while they are made."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _source(listing: Listing, file: File) -> Source | None:
    data = read(listing, file, LARGEST_NOTEBOOK if file.suffix == ".ipynb" else LARGEST)
    if data is None:
        return None
    return parse_notebook(data, file.path) if file.suffix == ".ipynb" else parse(data, file.path)


def _some(paths: list[str], shown: int = 3) -> str:
    rest = f" and {len(paths) - shown} more" if len(paths) > shown else ""
    return listed(paths[:shown]) + rest
