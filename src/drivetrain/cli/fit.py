"""``drivetrain fit``: train a system by a pattern, and keep its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from drivetrain.cli.references import by_edge, load, load_data, load_system
from drivetrain.cli.runs.opening import Place
from drivetrain.errors import DeclarationError
from drivetrain.experiments.tracking.experiment import Experiment
from drivetrain.experiments.tracking.recorder import Recorder
from drivetrain.training.alternating_end_loss import AlternatingEndLoss
from drivetrain.training.base import TrainingPattern
from drivetrain.training.fit import fit as fit_system
from drivetrain.training.individual import Individual
from drivetrain.training.partial_end_loss import PartialEndLoss
from drivetrain.training.simultaneous_end_loss import SimultaneousEndLoss

NAMES = "individual, partial, simultaneous, alternating"


def fit(
    system: Annotated[str, typer.Argument(metavar="MODULE:SYSTEM", help="What to train.")],
    data: Annotated[str, typer.Option(metavar="MODULE:DATA", help="A data set, or a function that answers one.")],
    pattern: Annotated[
        str, typer.Option(metavar="PATTERN", help=f"One of {NAMES}; or MODULE:PATTERN, a pattern of yours.")
    ],
    loss: Annotated[
        list[str] | None, typer.Option(metavar="[EDGE=]MODULE:LOSS", help="Repeat it for several edges.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Which model learns by the pattern partial.")] = None,
    epochs: Annotated[str, typer.Option(help="Readings of the data; one number per stage: 10,5.")] = "10",
    batch_size: Annotated[int, typer.Option(min=1, help="Samples per batch.")] = 32,
    validation: Annotated[str | None, typer.Option(metavar="MODULE:DATA", help="Chooses the best weights.")] = None,
    metric: Annotated[list[str] | None, typer.Option(metavar="[EDGE=]MODULE:METRIC", help="What best means.")] = None,
    weights: Annotated[Path | None, typer.Option(metavar="FILE", help="Start from these weights.")] = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the trained weights.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(metavar="FILE", help="Keep where training stands; resume.")] = None,
    seed: Annotated[int | None, typer.Option(help="Rules everything that is drawn.")] = None,
    record: Annotated[bool, typer.Option(help="Keep the run, its data and the versions it makes.")] = True,
    experiment: Annotated[str | None, typer.Option(metavar="NAME", help="The question; the system's name.")] = None,
    store: Place = None,
    mlflow: Annotated[bool, typer.Option(help="Show the recorded run in MLflow, in the same database.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report for programs.")] = False,
) -> None:
    """Train a system by a training pattern, and report what that did to it and to each edge.

    All models at once by the end loss:

      drivetrain fit cars:perception --data cars:train --pattern simultaneous --loss cars:cone_loss

    Each model by its own loss, where EDGE= says which edge a loss is for:

      drivetrain fit cars:perception --data cars:train --pattern individual --loss boxes=cars:box_loss
      --loss hits=cars:hit_loss

    The run is recorded: see drivetrain runs list.
    """
    trained = load_system(system)
    chosen = _pattern(pattern, loss or [], model)
    if weights is not None:
        trained.load(weights)
    run: Recorder | None = None
    if record:
        made = Experiment(experiment or trained.name, store, mlflow=mlflow)
        run = made.run(trained, place=system, data=data, validation=validation)
    report = fit_system(
        trained, load_data(data), chosen, epochs=_epochs(epochs), batch_size=batch_size,
        validation=None if validation is None else load_data(validation, "the validation data"),
        metric=by_edge(metric, "the metric") if metric else None, checkpoint=checkpoint, seed=seed,
        callbacks=[run] if run is not None else (),
    )  # fmt: skip
    if save is not None:
        trained.save(save)
    recorded = _recorded(run)
    typer.echo(json.dumps(report.to_dict() | {"recorded": recorded}, indent=2) if as_json else str(report))
    if save is not None and not as_json:
        typer.echo(f"the weights are in {save}")
    if recorded is not None and not as_json:
        typer.echo(
            f"recorded as run {recorded['run'][:8]} in {recorded['store']}, which made {recorded['version']}; "
            f"more: drivetrain runs show {recorded['run'][:8]}"
        )


def _recorded(run: Recorder | None) -> dict[str, str] | None:
    """Where a run is kept; None where it is not, of which a warning has told."""
    if run is None or run.version is None or run.key is None:
        return None
    return {"run": run.key, "version": str(run.version), "store": run.store.database.place}


def _pattern(name: str, losses: list[str], model: str | None) -> TrainingPattern:
    if ":" in name:
        found = load(name, "the pattern")
        if not isinstance(found, TrainingPattern):
            raise DeclarationError(f"the pattern: {name} is {found!r}, no training pattern; named ones are: {NAMES}")
        return found
    short = name.lower().removesuffix("endloss").strip("-_ ")
    if short not in NAMES.split(", "):
        raise DeclarationError(
            f"no training pattern '{name}'; there are: {NAMES}; a pattern of yours is MODULE:PATTERN"
        )
    if not losses:
        raise DeclarationError(f"--pattern {short} needs what to minimise: --loss MODULE:LOSS")
    if (short == "partial") != (model is not None):
        raise DeclarationError("--pattern partial and --model NAME belong together: partial end-loss trains one model")
    loss = by_edge(losses, "the loss")
    if short == "individual" and not isinstance(loss, Mapping):
        raise DeclarationError("--pattern individual needs a loss per edge: --loss boxes=MODULE:LOSS, once per edge")
    if model is not None:
        return PartialEndLoss(model, loss)
    patterns: dict[str, Any] = {
        "individual": Individual, "simultaneous": SimultaneousEndLoss, "alternating": AlternatingEndLoss,
    }  # fmt: skip
    made: TrainingPattern = patterns[short](loss)
    return made


def _epochs(text: str) -> int | tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise DeclarationError(f"--epochs {text}: write a number, or one per stage: 10,5") from None
    return numbers[0] if len(numbers) == 1 else numbers
