"""The store that a command asks, and how its answers are printed: as a table for people, as JSON for programs."""

from __future__ import annotations

import io
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from sqlalchemy.engine import make_url

from drivetrain.errors import StoreError
from drivetrain.experiments.store import Store
from drivetrain.experiments.store.database import DEFAULT, VARIABLE, url_of
from drivetrain.report import plain

Place = Annotated[
    str | None,
    typer.Option("--store", metavar="FILE|URL", help=f"Where experiments are kept; ${VARIABLE}, else {DEFAULT}."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print it for programs.")]

FIRST = (
    "record one first: drivetrain fit MODULE:SYSTEM ..., or in Python "
    'with Experiment("race-car").run(perception) as run: fit(..., callbacks=[run])'
)


def opened(place: str | None) -> Store:
    """The store at a place, which must be there: asking makes no file.

    Raises:
        StoreError: there is none; the message says how one comes to be.
    """
    url = url_of(place)
    file = make_url(url).database if url.startswith("sqlite") else None
    if file and file != ":memory:" and not Path(file).exists():
        raise StoreError(f"no experiments in {file}; {FIRST}; or name another place: --store FILE, ${VARIABLE}")
    return Store(place)


def say(answer: Any, as_json: bool, table: RenderableType | None = None) -> None:
    """Print an answer: itself as JSON, or its table; a report draws its own."""
    if as_json:
        typer.echo(json.dumps(plain(answer), indent=2))
    else:
        typer.echo(drawn(answer if table is None else table))


def drawn(table: RenderableType) -> str:
    """A table as text, as wide as the terminal."""
    width = shutil.get_terminal_size(fallback=(120, 24)).columns
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    with console.capture() as text:
        console.print(table)
    return "\n".join(line.rstrip() for line in text.get().splitlines())


def moment(seconds: float | None) -> str:
    """A time as people read it, UTC."""
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def number(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """A value with its interval."""
    if value is None:
        return "-"
    return f"{value:.4g}" if low is None or high is None else f"{value:.4g} ({low:.4g} to {high:.4g})"
