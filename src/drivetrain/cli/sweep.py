"""``drivetrain sweep``: hyper-parameters of several models towards a requirement on the system."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from drivetrain.cli.references import by_edge, load_data, load_system
from drivetrain.errors import DeclarationError
from drivetrain.experiments.sweeping import sweep as sweep_models
from drivetrain.experiments.tracking.experiment import Experiment


def sweep(
    system: Annotated[str, typer.Argument(metavar="MODULE:SYSTEM", help="What the models work in.")],
    model: Annotated[list[str], typer.Option(metavar="NAME=MODULE:SWEPT", help="What is swept of a model. Repeat it.")],
    data: Annotated[str, typer.Option(metavar="MODULE:DATA", help="Where systems are compared. Not the test data.")],
    metric: Annotated[list[str], typer.Option(metavar="[EDGE=]MODULE:METRIC", help="What is required.")],
    runs: Annotated[int, typer.Option(min=1, help="Training runs at most, of all models together.")] = 30,
    until: Annotated[float | None, typer.Option(help="End as soon as the metric is this good.")] = None,
    test: Annotated[str | None, typer.Option(metavar="MODULE:DATA", help="The best system's, measured once.")] = None,
    store: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep finished training runs; resume from there.")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Record the best system: $DRIVETRAIN_STORE, else drivetrain.db.")
    ] = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the best system's weights.")] = None,
    seed: Annotated[int, typer.Option(help="Of the search and of training runs.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report for programs.")] = False,
) -> None:
    """Sweep hyper-parameters of several models towards what the system shall do, not each model by its own metric.

    One model is trained at a time; it is worth what the best system with it and the versions so far reaches:

      drivetrain sweep cars:perception --model camera=cars:camera_sweep --model lidar=cars:lidar_sweep
      --data cars:validation --metric cars:cone_f1 --until 0.9 --runs 40 --test cars:test --store sweep

    where cars.py holds

      camera_sweep = Swept({"width": [16, 32], "rate": (1e-4, 1e-1, "log")}, build=CameraNet, train=train_camera)

    and train_camera(system, seed, width, rate) trains system's camera in place.
    """
    asked = by_edge(model, "what is swept")
    if not isinstance(asked, dict):
        raise DeclarationError(f"--model {model[0]}: say whose it is: NAME={model[0]}")
    swept = {name: _swept(found) for name, found in asked.items()}
    report = sweep_models(
        load_system(system), load_data(data), by_edge(metric, "the metric"), swept, runs=runs, until=until,
        test=None if test is None else load_data(test), store=store,
        experiment=None if experiment is None else Experiment(experiment, mlflow=False), seed=seed,
    )  # fmt: skip
    if save is not None:
        report.build().save(save)
    typer.echo(json.dumps(report.to_dict(), indent=2) if as_json else str(report))


def _swept(found: Any) -> Any:
    """What is swept of a model, or what a function without arguments answers."""
    return found() if inspect.isfunction(found) else found
