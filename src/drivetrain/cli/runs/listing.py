"""``drivetrain runs list``: the runs of a store, or its systems, each in a line."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from drivetrain.cli.runs.opening import FIRST, AsJson, Place, moment, opened, say
from drivetrain.experiments.store import Store
from drivetrain.experiments.store.runs import RunRecord


def listing(
    system: Annotated[str | None, typer.Option(metavar="NAME", help="Only runs that trained it.")] = None,
    experiment: Annotated[str | None, typer.Option(metavar="NAME", help="Only its runs.")] = None,
    newest: Annotated[int, typer.Option("-n", min=1, help="How many runs; the newest come last.")] = 20,
    systems: Annotated[bool, typer.Option("--systems", help="The systems instead, each in a line.")] = False,
    store: Place = None,
    as_json: AsJson = False,
) -> None:
    """List the newest runs, or the systems.

    Example:  drivetrain runs list --system perception -n 5
              drivetrain runs list --systems
    """
    asked = opened(store)
    if systems:
        found = asked.systems.overview()
        say(found, as_json, _systems(found) if found else f"no systems yet; {FIRST}")
        return
    runs = asked.runs.all(experiment=experiment, system=system)
    shown = runs[-newest:]
    say(shown, as_json, _runs(asked, shown, len(runs)) if shown else _nothing(asked, system, experiment))


def _systems(found: list[Any]) -> Table:
    table = Table()
    for name in ("system", "models", "versions", "runs", "measurements", "newest version", "promoted"):
        table.add_column(name, justify="right" if name in ("models", "versions", "runs", "measurements") else "left")
    for each in found:
        promoted = ", ".join(f"{alias}: {number}" for alias, number in each.promoted.items())
        table.add_row(
            each.name, str(each.slots), str(each.versions), str(each.runs), str(each.evaluations), moment(each.changed),
            promoted or "-",
        )  # fmt: skip
    return table


def _runs(store: Store, shown: list[RunRecord], total: int) -> Table:
    table = Table(
        caption=f"{len(shown)} of {total} runs; more of one: drivetrain runs show KEY", caption_justify="left"
    )
    for name in ("run", "started (UTC)", "system", "pattern", "status", "what training did"):
        table.add_column(name, overflow="fold")
    for run in shown:
        versions = f"{run.system} {run.start or '-'} -> {run.result or '-'}"
        table.add_row(run.key[:8], moment(run.started), versions, run.pattern, run.status, Text(_effect(run)))
    return table


def _effect(run: RunRecord) -> str:
    """The metrics of a run before and after; why it failed, if it did."""
    if run.error:
        return run.error.splitlines()[0]
    edges = ((run.report or {}).get("edges") or {}).values()
    told = [
        f"{change['edge']}: {change['metric']} {change['before']:.4g} -> {change['after']:.4g}"
        for change in edges if change.get("before") is not None and change.get("after") is not None
    ]  # fmt: skip
    return ", ".join(told[:3]) or "-"


def _nothing(store: Store, system: str | None, experiment: str | None) -> str:
    asked = " and ".join(
        f"{what} '{name}'" for what, name in (("system", system), ("experiment", experiment)) if name is not None
    )
    if asked and store.runs.all():
        return f"no run of {asked}; all of them: drivetrain runs list"
    return f"no runs yet in {store.database.place}; {FIRST}"
