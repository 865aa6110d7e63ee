"""A repository given as texts, and what the analysis of its code finds."""

from __future__ import annotations

import ast
import textwrap

from drivetrain.mining.alternatives import with_slots
from drivetrain.mining.findings import Source, Wiring
from drivetrain.mining.wiring import wire


def sources(**files: str) -> list[Source]:
    """Files by name, a double underscore for a folder; each text may be indented."""
    found = []
    for name, text in files.items():
        code = textwrap.dedent(text)
        found.append(Source(f"{name.replace('__', '/')}.py", ast.parse(code), code.count("\n") + 1))
    return found


def wired(**files: str) -> Wiring:
    """What the analysis finds, alternatives told apart."""
    read = sources(**files)
    return with_slots(wire(read), read)


def edges(found: Wiring, kind: str = "feeds") -> dict[tuple[str, str], str]:
    """The medium of every edge of a kind, by the names of its ends."""
    return {(edge.source, edge.target): edge.medium for edge in found.edges if edge.kind == kind}
