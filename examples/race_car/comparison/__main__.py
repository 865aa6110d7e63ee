"""``python -m examples.race_car.comparison``: train by every pattern, many times, and print who won at what cost."""

from pathlib import Path
from typing import Annotated

import typer

from .comparison import Settings, main
from .trial import Sizes
from .tuning import Tuning

QUICK = Settings(
    seeds=2,
    shares=(0.25, 1.0),
    sizes=Sizes(scenes=60, validation=20, test=40, epochs=6),
    tuning=Tuning(rates=(5e-3, 1e-2), seeds=1),
)


def comparison(
    seeds: Annotated[
        int | None,
        typer.Option(min=2, help="Paired repetitions: weights, scenes, reading order; 20, or 3 with --real."),
    ] = None,
    fractions: Annotated[str, typer.Option(help="Shares of the training scenes.")] = "0.05,0.2,0.5,1",
    scenes: Annotated[int, typer.Option(min=20, help="Training scenes at a share of 1.")] = 200,
    epochs: Annotated[int, typer.Option(min=2, help="Readings of the scenes, for every pattern.")] = 32,
    workers: Annotated[int, typer.Option(min=1, help="Processes, one thread each.")] = 2,
    minutes: Annotated[float | None, typer.Option(help="Begin no more trials after so long.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of rows and tables; finished rows are kept.")] = Path(
        "report/comparison"
    ),
    publish: Annotated[Path | None, typer.Option(help="Also write the tables to this Markdown file.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="2 seeds, 60 scenes, 6 epochs: to see that it runs.")] = False,
    real: Annotated[bool, typer.Option("--real", help="The real car: layouts left out in turn, one process.")] = False,
) -> None:
    """Compare every training pattern on the race car against three baselines."""
    if real:
        from examples.race_car.real.comparison import main as main_on_real_car

        folder = Path("report/comparison-real") if out == Path("report/comparison") else out
        return main_on_real_car(folder, seeds=seeds or 3, minutes=minutes, quick=quick, publish=publish)
    shares = tuple(float(share) for share in fractions.split(","))
    if 1.0 not in shares or not all(0 < share <= 1 for share in shares):
        raise typer.BadParameter(f"{fractions}: shares lie in 0..1 and include 1, e.g. 0.05,0.2,0.5,1")
    asked = QUICK if quick else Settings(seeds or 20, shares, Sizes(scenes=scenes, epochs=epochs))
    return main(asked, out, workers=workers, minutes=minutes, publish=publish)


if __name__ == "__main__":
    typer.run(comparison)
