"""``drivetrain scan``: say which models a repository holds and how they are integrated; or study many of them."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from drivetrain.errors import DataError, listed
from drivetrain.graph.weights import write_whole
from drivetrain.mining.history import commit_stages
from drivetrain.mining.scan import scan as scan_repository
from drivetrain.mining.scan_report import ScanReport
from drivetrain.mining.stages import STAGES, stage_mapping

FAILED = 1  # the exit code when a condition of --fail-if holds; 2 is for what was asked wrongly


def scan(
    path: Annotated[Path | None, typer.Argument(metavar="[PATH]", help="The folder of a repository.")] = None,
    counting: Annotated[
        str, typer.Option("--as", metavar="person|paper", help="Count libraries and model files as who would.")
    ] = "person",
    stages: Annotated[
        str, typer.Option(metavar="resolved|idowu2024", help="How calls are mapped to stages of development.")
    ] = "resolved",
    commits: Annotated[
        str, typer.Option(metavar="all|HASH,...", help="Print the stages that commits work on, instead.")
    ] = "",
    seconds: Annotated[float, typer.Option(help="For one repository; then what was found until then.")] = 60.0,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the found system as a picture.")] = None,
    sketch: Annotated[
        bool, typer.Option("--sketch", help="Print a Python module that declares the found system.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything for programs.")] = False,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(metavar="CONDITION", help='Exit with 1 if it holds: "models > 3", "tests_of_models == 0".'),
    ] = None,
) -> None:
    """Say which models a repository holds, how they are integrated, trained and tested. Nothing of it is run.

    Example:  drivetrain scan path/to/repository --svg system.svg --fail-if "tests_of_models == 0"
    """
    if path is None:
        raise typer.BadParameter("name the folder of a repository: drivetrain scan PATH")
    if commits:
        _commits(path, stages, commits, as_json)
        return
    conditions = [_condition(text) for text in fail_if or ()]
    report = scan_repository(path, counting=counting, stages=stages, seconds=seconds)
    if svg is not None:
        _draw(report, svg)
    if sketch:
        typer.echo(report.sketch(), nl=False)
    elif as_json:
        typer.echo(json.dumps(report.to_dict(), indent=2))
    else:
        typer.echo(str(report))
    failed = [text for text, name, compare, number in conditions if compare(_measure(report, name), number)]
    for text in failed:
        typer.echo(f"failed: {text}", err=True)
    if failed:
        raise typer.Exit(FAILED)


def _draw(report: ScanReport, path: Path) -> None:
    picture = report.svg()
    if picture is None:
        typer.echo(f"no model was found, so {path} was not drawn", err=True)
        return
    try:
        write_whole(path, picture.encode())
    except OSError as error:
        raise typer.BadParameter(f"cannot write {path}: {error.strerror or error}") from error


_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_CONDITION = re.compile(rf"\s*(\w[\w' -]*?)\s*({'|'.join(_COMPARE)})\s*(\d+)\s*")


def _condition(text: str) -> tuple[str, str, Callable[[int, int], bool], int]:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise DataError(f'--fail-if {text!r} is no condition; write one such as "models > 3" or "notices > 0"')
    return text, found[1], _COMPARE[found[2]], int(found[3])


def _measure(report: ScanReport, name: str) -> int:
    """A number of the report; a pattern that was not found is a number, too."""
    if name in report.measures:
        return report.measures[name]
    if name.startswith("pattern "):
        return 0
    raise DataError(f"--fail-if knows no {name!r}; it knows: {listed(report.measures)}, and pattern NAME")


def _commits(path: Path, stages: str, commits: str, as_json: bool) -> None:
    of = None if commits == "all" else [commit.strip() for commit in commits.split(",")]
    if not as_json:
        typer.echo("\t".join(("commit", *STAGES)))
    found = []
    for one in commit_stages(path, stage_mapping(stages), of):
        if as_json:
            files = {file.path: list(file.stages) for file in one.files}
            found.append({"commit": one.commit, **one.counts, "files": files})
        else:
            typer.echo("\t".join((one.commit, *(str(one.counts[stage]) for stage in STAGES))))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
