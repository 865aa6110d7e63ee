"""Sources in other languages than Python: counted, and searched for the calls by which they load a model."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from functools import cache

from drivetrain.mining.files import Listing, read
from drivetrain.mining.findings import Place
from drivetrain.mining.libraries import knowledge

_LARGEST = 1_000_000  # bytes; what is larger is generated or bundled


@dataclass(frozen=True)
class OtherLanguage:
    """A language besides Python.

    Attributes:
        name: ``"C++"``.
        files: how many.
        lines: in all of them.
        loading: where a model is loaded.
    """

    name: str
    files: int
    lines: int
    loading: tuple[Place, ...] = ()


def other_languages(listing: Listing, *, until: float = math.inf) -> tuple[OtherLanguage, ...]:
    """The other languages of a repository, the one with most lines first."""
    by_suffix = _by_suffix()
    files: dict[str, int] = {}
    lines: dict[str, int] = {}
    loading: dict[str, list[Place]] = {}
    for file in listing.files:
        if file.suffix not in by_suffix or file.bytes > _LARGEST or time.monotonic() > until:
            continue
        language, loads = by_suffix[file.suffix]
        text = read(listing, file, _LARGEST) or b""
        files[language] = files.get(language, 0) + 1
        lines[language] = lines.get(language, 0) + text.count(b"\n")
        loading.setdefault(language, []).extend(
            Place(file.path, text.count(b"\n", 0, found.start()) + 1) for found in loads.finditer(text)
        )
    found = [OtherLanguage(name, files[name], lines[name], tuple(loading[name])) for name in files]
    return tuple(sorted(found, key=lambda language: -language.lines))


@cache
def _by_suffix() -> dict[str, tuple[str, re.Pattern[bytes]]]:
    return {
        suffix: (language["name"], re.compile("|".join(language["loading"]).encode()))
        for language in knowledge().data["language"]
        for suffix in language["suffixes"]
    }
