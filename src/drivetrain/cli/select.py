"""``drivetrain select``: which versions together make the best system."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from drivetrain.cli.references import by_edge, load, load_data, load_system
from drivetrain.errors import DeclarationError, listed
from drivetrain.experiments.selecting.selection import select as select_versions
from drivetrain.experiments.store import Store
from drivetrain.experiments.tracking.experiment import Experiment
from drivetrain.experiments.tracking.stored import stored_candidates
from drivetrain.experiments.versions.candidates import Candidates
from drivetrain.graph import System

STRATEGIES = ("interactions", "exhaustive", "coordinate", "random", "optuna")


def select(
    candidates: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:THING", help="A system, whose versions are taken from the store; or Candidates of yours."
        ),
    ],
    data: Annotated[str, typer.Option(metavar="MODULE:DATA", help="Where to search. Not the test data.")],
    metric: Annotated[list[str], typer.Option(metavar="[EDGE=]MODULE:METRIC", help="The first one is searched for.")],
    test: Annotated[
        str | None, typer.Option(metavar="MODULE:DATA", help="The chosen combination is measured on it, once.")
    ] = None,
    slot: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only these models vary. Repeat it.")] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="MODULE:SYSTEM", help="The system with other models, for their versions. Repeat it."),
    ] = None,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Evaluations at most; otherwise twice the number of versions.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="After this time no combination is begun.")] = None,
    strategy: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"One of {', '.join(STRATEGIES)}; or MODULE:STRATEGY of yours.")
    ] = None,
    objective: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A cost to weigh: size, latency, or a fact. Repeat it.")
    ] = None,
    on: Annotated[
        str | None, typer.Option(metavar="WHERE", help="A number of processes; ray; or a cluster: ray://HOST:10001.")
    ] = None,
    store: Annotated[
        str | None, typer.Option(metavar="FILE|URL", help="Where versions are; else $DRIVETRAIN_STORE, drivetrain.db.")
    ] = None,
    record: Annotated[bool, typer.Option(help="Keep every evaluated combination in the store.")] = True,
    outputs: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep what models answer for the next selection, too.")
    ] = None,
    unit: Annotated[str | None, typer.Option(metavar="FIELD", help="What is independent in the data.")] = None,
    seed: Annotated[int, typer.Option(help="Of the search, of what models draw, and of intervals.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report for programs.")] = False,
) -> None:
    """Find the versions that together make the best system, without trying every combination.

    The versions that earlier runs left in drivetrain.db:

      drivetrain select cars:perception --data cars:validation --metric cars:cone_f1 --test cars:test

    What was evaluated is not evaluated again: the same line, stopped or killed, goes on where it stood. Versions that
    are in no store: let MODULE:THING be Candidates(perception, {"camera": [first, second], ...}).

    What is cheap and good enough: --objective size --objective latency shows what nothing beats.
    """
    place = Store(store)
    offered = _candidates(candidates, place, slot or (), also or ())
    report = select_versions(
        offered, load_data(data), by_edge(metric, "the metric"), test=None if test is None else load_data(test),
        strategy=_strategy(strategy), budget=budget, seconds=seconds, objectives=tuple(objective or ()),
        executor=int(on) if on is not None and on.isdigit() else on, store=outputs,
        experiment=Experiment(offered.system.name, place, mlflow=False) if record else None, unit=unit, seed=seed,
    )  # fmt: skip
    place.close()
    typer.echo(json.dumps(report.to_dict(), indent=2) if as_json else str(report))


def _candidates(reference: str, store: Store, slots: Sequence[str], also: Sequence[str]) -> Candidates:
    found = load(reference, "the candidates")
    if not isinstance(found, Candidates | System) and callable(found):
        found = load_data(reference, "the candidates")
    if isinstance(found, System):
        return stored_candidates(found, store, slots, [load_system(each) for each in also])
    if isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], System):
        found = Candidates(*found)
    if not isinstance(found, Candidates):
        raise DeclarationError(
            f"the candidates: {reference} is a {type(found).__name__}; name a system, whose versions are in the store, "
            f'or Candidates(perception, {{"camera": [first, second]}})'
        )
    if also:
        raise DeclarationError(f"--also {listed(also)}: versions are in the Candidates already; name a system instead")
    if strange := [slot for slot in slots if slot not in found.slots]:
        raise DeclarationError(f"--slot {listed(strange)}: the candidates have versions of {listed(found.slots)}")
    return Candidates(found.system, {slot: found.versions[slot] for slot in slots}) if slots else found


def _strategy(name: str | None) -> Any:
    if name is None:
        return None
    if ":" in name:
        return load_data(name, "the strategy")
    from drivetrain.experiments.selecting import search

    known: dict[str, Any] = {
        "interactions": search.Interactions, "exhaustive": search.Exhaustive, "coordinate": search.Coordinate,
        "random": search.Random, "optuna": search.Optuna,
    }  # fmt: skip
    if name not in known:
        raise DeclarationError(f"no strategy '{name}'; there are: {', '.join(STRATEGIES)}; yours is MODULE:STRATEGY")
    return known[name]()
