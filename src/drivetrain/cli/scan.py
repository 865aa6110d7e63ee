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
from drivetrain.experiments.selecting.over_machines import over_machines
from drivetrain.graph.weights import write_whole
from drivetrain.mining.history import commit_stages
from drivetrain.mining.scan import scan as scan_repository
from drivetrain.mining.scan_report import ScanReport
from drivetrain.mining.stages import STAGES, stage_mapping
from drivetrain.mining.study import over_cores, study
from drivetrain.mining.study_list import Entry, brought
from drivetrain.mining.study_report import StudyReport
from drivetrain.page import Page, table, text

MOST_FAILED = 20  # repositories that could not be read of which a page says why
FAILED = 1  # the exit code when a condition of --fail-if holds; 2 is for what was asked wrongly


def scan(
    path: Annotated[
        str | None, typer.Argument(metavar="[PATH]", help="The folder of a repository, or its https address.")
    ] = None,
    at: Annotated[str, typer.Option(metavar="COMMIT", help="As it was then; its history in git has to know it.")] = "",
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
    repos: Annotated[
        Path | None, typer.Option(metavar="LIST.csv", help="Study many: a column path, url or full_name says where.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Of a study: its rows, as Parquet.")] = Path(
        "study.parquet"
    ),
    page: Annotated[Path | None, typer.Option(metavar="FILE", help="Of a study: its statistics, as HTML.")] = None,
    workers: Annotated[int, typer.Option(help="Of a study: repositories at once; 0 is one per core.")] = 0,
    min_stars: Annotated[int, typer.Option(help="Of a study: leave out what fewer people marked.")] = 0,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help='Of a study: run on a Ray cluster, "local" or "auto".')
    ] = None,
) -> None:
    """Say which models a repository holds, how they are integrated, trained and tested. Nothing of it is run.

    Example:  drivetrain scan path/to/repository --svg system.svg --fail-if "tests_of_models == 0"
              drivetrain scan --repos list.csv --out study.parquet --page study.html
    """
    if repos is not None:
        if path is not None:
            raise typer.BadParameter("PATH is one repository, --repos a list of them; choose one")
        engine = over_cores(workers) if ray is None else over_machines(ray)
        studied = study(repos, out, stages=stages, seconds=seconds, run=engine, minimum_stars=min_stars)
        if page is not None:
            _page(studied).write(page)
        typer.echo(json.dumps(studied.to_dict(), indent=2) if as_json else str(studied))
        return
    if path is None:
        raise typer.BadParameter("name the folder of a repository: drivetrain scan PATH; or a list: --repos LIST.csv")
    if commits:
        _commits(Path(path), stages, commits, as_json)
        return
    conditions = [_condition(words) for words in fail_if or ()]
    name = path.rstrip("/").rpartition("/")[2].removesuffix(".git") if "://" in path else ""
    with brought(Entry(name, path, at)) as folder:
        name = name or Path(path).resolve().name
        report = scan_repository(folder, counting=counting, stages=stages, seconds=seconds, name=name)
    if svg is not None:
        _draw(report, svg)
    if sketch:
        typer.echo(report.sketch(), nl=False)
    elif as_json:
        typer.echo(json.dumps(report.to_dict(), indent=2))
    else:
        typer.echo(str(report))
    failed = [words for words, name, compare, number in conditions if compare(_measure(report, name), number)]
    for words in failed:
        typer.echo(f"failed: {words}", err=True)
    if failed:
        raise typer.Exit(FAILED)


def _page(studied: StudyReport) -> Page:
    """The statistics of a study as a page."""
    made = Page("How models are integrated in practice")
    failed = [(row["name"], row["error"]) for row in studied.rows if row.get("error")]
    given = f"{len(studied.rows)} {'repository' if len(studied.rows) == 1 else 'repositories'}"
    made = made.add(
        text(
            f"`drivetrain scan` was given {given} and read {len(studied.read)}. Nothing of them was run. "
            f"A share stands with its 95 % interval."
        )
    )
    for one in studied.tables():
        made = made.add(text(f"# {one.title}"), table(one.headers, one.rows, one.caption))
    if failed:
        more = f"and {len(failed) - MOST_FAILED} more" if len(failed) > MOST_FAILED else ""
        made = made.add(text("# Not read"), table(("repository", "why"), failed[:MOST_FAILED], more))
    return made


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


def _condition(words: str) -> tuple[str, str, Callable[[int, int], bool], int]:
    found = _CONDITION.fullmatch(words)
    if found is None:
        raise DataError(f'--fail-if {words!r} is no condition; write one such as "models > 3" or "notices > 0"')
    return words, found[1], _COMPARE[found[2]], int(found[3])


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
