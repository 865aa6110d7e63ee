"""``python -m examples.traffic``: train the fork, each model alone, measure it on test pictures, and look at it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from drivetrain import evaluate
from drivetrain.errors import DrivetrainError

from .pictures import DATA, HELD_OUT


def main(
    data: Annotated[Path | None, typer.Option(help="Folder to train and test on, as folders.py describes it.")] = None,
    held_out: Annotated[Path | None, typer.Option(help="Folder to test on in place of the test pictures.")] = None,
    epochs: Annotated[
        int, typer.Option(min=1, help="Readings of the training pictures, about four seconds each.")
    ] = 16,
    seed: int = 0,
    sheet: Annotated[Path, typer.Option(help="Where to draw two dozen test pictures.")] = Path(
        "report/traffic/sheet.png"
    ),
) -> None:
    """Train the fork individually, fit its thresholds on validation, and measure both branches on test pictures."""
    for variable, folder in ((DATA, data), (HELD_OUT, held_out)):
        if folder is not None:
            os.environ[variable] = str(folder)
    from .case import tune
    from .metrics import LIGHTS, RECALL, SIGNS
    from .pictures import collection
    from .samples import Scenes, judged
    from .sheet import sheet as drawn
    from .start import start

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 140  # a file has no width; tables want some
    try:
        found = collection()
    except DrivetrainError as reason:
        raise SystemExit(f"{type(reason).__name__}: {reason}") from None
    console.print(found.about, markup=False)
    street, thresholds = tune(start(seed, epochs), judged(found.valid))
    console.print(street, "\nthresholds:", thresholds, markup=False)
    test = Scenes(found.test, found.places.tolist())
    console.print(evaluate(street, test, {m.edge: m for m in (LIGHTS, SIGNS, RECALL)}, unit="place"))
    both = [picture for picture in found.test if len(picture.boxes) == 2]
    sheet.parent.mkdir(parents=True, exist_ok=True)
    drawn(street, [*both[:12], *found.test[-12:]]).save(sheet)
    console.print(f"Two dozen of the test pictures: {sheet}", markup=False)


if __name__ == "__main__":
    typer.run(main)
