"""``drivetrain evaluate``: measure a system on data, with intervals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from drivetrain.cli.references import by_edge, load_data, load_system
from drivetrain.evaluation.evaluate import evaluate as evaluate_system


def evaluate(
    system: Annotated[str, typer.Argument(metavar="MODULE:SYSTEM", help="What to measure.")],
    data: Annotated[str, typer.Option(metavar="MODULE:DATA", help="A data set, or a function that answers one.")],
    metric: Annotated[list[str], typer.Option(metavar="[EDGE=]MODULE:METRIC", help="Repeat it for several edges.")],
    weights: Annotated[Path | None, typer.Option(metavar="FILE", help="Weights that fit wrote with --save.")] = None,
    unit: Annotated[
        str | None, typer.Option(metavar="FIELD", help="What is independent in the data: session, layout.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Samples that are run at once.")] = 64,
    seed: Annotated[int, typer.Option(help="Of the intervals.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report for programs.")] = False,
) -> None:
    """Measure a system on data, each edge by its metric, with an interval.

    Example:  drivetrain evaluate cars:perception --data cars:test --metric cars:cone_f1 --weights car.safetensors
    """
    judged = load_system(system)
    if weights is not None:
        judged.load(weights)
    report = evaluate_system(
        judged, load_data(data), by_edge(metric, "the metric"), unit=unit, batch_size=batch_size, seed=seed
    )
    typer.echo(json.dumps(report.to_dict(), indent=2) if as_json else str(report))
