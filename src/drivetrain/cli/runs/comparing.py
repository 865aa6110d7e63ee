"""``drivetrain runs compare``, ``lineage``, ``untried``: versions side by side, their past, and what is left to try."""

from __future__ import annotations

import itertools
import json
from typing import Annotated, Any

import typer
from rich.table import Table

from drivetrain.cli.runs.opening import AsJson, Place, opened, say
from drivetrain.errors import StoreError, UnknownVersionError, listed
from drivetrain.experiments.store import Store
from drivetrain.experiments.store.naming import system_version
from drivetrain.experiments.store.runs import RunRecord
from drivetrain.experiments.store.staleness import stale
from drivetrain.experiments.tracking.openlineage import events
from drivetrain.experiments.versions.version import SystemVersion


def compare(
    before: Annotated[str, typer.Argument(metavar="SYSTEM:VERSION", help="Such as perception:2; or a run.")],
    after: Annotated[str, typer.Argument(metavar="SYSTEM:VERSION", help="Such as perception:production; or a run.")],
    store: Place = None,
    as_json: AsJson = False,
) -> None:
    """Compare two versions of a system: which models and code differ, and what was measured on both, edge by edge.

    A run stands for the version that it made.

    Example:  drivetrain runs compare perception:production perception:7
    """
    asked = opened(store)
    say(asked.compare(_version(asked, before), _version(asked, after)), as_json)


def lineage(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A system version, a model, a data set or a run.")
    ] = None,
    downstream: Annotated[
        bool, typer.Option("--downstream", help="What was made from it: stale once it has changed.")
    ] = False,
    only_stale: Annotated[
        bool, typer.Option("--stale", help="Of a system version: what no longer fits what it stands beside.")
    ] = False,
    openlineage: Annotated[
        bool, typer.Option("--openlineage", help="Print runs as OpenLineage events, one a line; NAME may be a run.")
    ] = False,
    store: Place = None,
    as_json: AsJson = False,
) -> None:
    """Show what something came from: data, code, models, trainings and systems; or what was made from it.

    Example:  drivetrain runs lineage perception:3
              drivetrain runs lineage scenes --downstream
              drivetrain runs lineage perception:production --stale
              drivetrain runs lineage --openlineage > events.ndjson
    """
    asked = opened(store)
    if openlineage:
        for event in events(asked, run=asked.runs.get(name).key if name else None):
            typer.echo(json.dumps(event))
        return
    if name is None:
        raise typer.BadParameter("of what? Name it: drivetrain runs lineage perception:3")
    if only_stale:
        version = _version(asked, name)
        found = stale(asked, version)
        say(found, as_json, _stale(found) if found else f"nothing of {version} is stale")
        return
    thing = asked.find(name)
    say(asked.lineage.downstream(thing) if downstream else asked.lineage.upstream(thing), as_json)


def untried(
    system: Annotated[str, typer.Argument(metavar="SYSTEM", help="Its name.")],
    metric: Annotated[str | None, typer.Option(help="What is missing; needed where several were measured.")] = None,
    edge: Annotated[
        str | None, typer.Option(help="Where; the one that the metric was measured on if not said.")
    ] = None,
    first: Annotated[int, typer.Option("-n", min=1, help="How many to list.")] = 20,
    store: Place = None,
    as_json: AsJson = False,
) -> None:
    """List combinations of known model versions that were not measured, and may be.

    What `drivetrain runs avoid` refused is left out. `drivetrain select` finds the best without trying all.

    Example:  drivetrain runs untried perception --metric f1 -n 5
    """
    asked = opened(store)
    newest = asked.systems.newest(system)
    chosen, place = _metric(asked, system, metric, edge)
    covered = asked.evaluations.coverage(system, chosen, edge=place)
    rest = asked.evaluations.untried(system, covered.candidates, chosen, edge=place, glue=newest.glue)
    shown = [
        {slot: str(asked.components.get(one)) for slot, one in each.items()} for each in itertools.islice(rest, first)
    ]
    facts = {"system": system, "metric": chosen, "edge": place, "possible": covered.possible, "tried": covered.tried,
             "untried": shown}  # fmt: skip
    table = Table(
        title=f"{system}: {covered.tried:,} of {covered.possible:,} combinations have a {chosen}", title_justify="left",
        caption="refuse one for good: drivetrain runs avoid", caption_justify="left",
    )  # fmt: skip
    for slot in covered.candidates:
        table.add_column(slot)
    for each in shown:
        table.add_row(*each.values())
    say(facts, as_json, table if shown else f"{system}: every combination that may be tried has a {chosen}")


def _version(store: Store, name: str) -> SystemVersion:
    """A system version; of a run the one that it made."""
    try:
        return system_version(store, name)
    except UnknownVersionError as error:
        try:
            found: Any = store.find(name)
        except UnknownVersionError:
            raise error from None
        if isinstance(found, RunRecord) and found.result is not None:
            return store.systems.get(found.system, found.result)
        raise


def _metric(store: Store, system: str, metric: str | None, edge: str | None) -> tuple[str, str]:
    known = [(name, place) for name, place, _ in store.evaluations.metrics(system)]
    fitting = [each for each in dict.fromkeys(known) if metric in (None, each[0]) and edge in (None, each[1])]
    if len(fitting) == 1:
        return fitting[0]
    there = listed((f"--metric {name}" + (f" --edge {place}" if place else "") for name, place in dict.fromkeys(known)))
    raise StoreError(
        f"{system}: {'several metrics fit' if fitting else 'no such metric was measured'}; say one of: {there}"
    )


def _stale(found: list[Any]) -> Table:
    table = Table()
    for column in ("what", "name", "why it is stale"):
        table.add_column(column)
    for each in found:
        table.add_row(each.what, each.name, each.why)
    return table
