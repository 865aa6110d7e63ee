"""``drivetrain show``: print or draw a system."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from drivetrain.cli.references import load_system
from drivetrain.errors import DrivetrainError
from drivetrain.graph.describing import described
from drivetrain.graph.weights import write_whole


def show(
    system: Annotated[str, typer.Argument(metavar="MODULE:SYSTEM", help="What stands below @system.")],
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the drawing as a picture.")] = None,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print it as Mermaid, for Markdown pages.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it for programs.")] = False,
) -> None:
    """Print or draw a system.

    Example:  drivetrain show cars:perception --svg perception.svg
    """
    if mermaid and as_json:
        raise typer.BadParameter("--mermaid and --json both print; choose one")
    shown = load_system(system)
    if svg is not None:
        _write(svg, shown.svg())
    if mermaid:
        typer.echo(shown.mermaid(), nl=False)
    elif as_json:
        typer.echo(json.dumps(described(shown), indent=2))
    elif svg is None:
        typer.echo(shown.text())
    else:
        typer.echo(f"{shown.name} is drawn in {svg}")


def _write(path: Path, content: str) -> None:
    try:
        write_whole(path, content.encode())
    except DrivetrainError:
        raise
    except OSError as error:
        raise typer.BadParameter(f"cannot write {path}: {error.strerror or error}") from error
