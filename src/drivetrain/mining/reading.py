"""Reads every Python file and notebook of a repository into syntax trees, within a time, and says what it left out."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from drivetrain.errors import listed
from drivetrain.mining.files import File, Listing, read
from drivetrain.mining.findings import Source
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
    too_large, unreadable, damaged = [], [], []
    files = listing.having(".py", ".pyw", ".ipynb")
    notices = []
    with without_collection():
        for count, file in enumerate(files):
            if time.monotonic() > until:
                notices.append(f"time ran out after {count} of {len(files)} Python files; the others were not read")
                break
            if file.bytes > (LARGEST_NOTEBOOK if file.suffix == ".ipynb" else LARGEST):
                too_large.append(file.path)
                continue
            source = _source(listing, file)
            if source is not None:
                found.append(source)
                if source.damaged:
                    damaged.append(file.path)
            elif file.bytes and file.suffix != ".ipynb":  # a notebook without a source is in another language
                unreadable.append(file.path)
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
