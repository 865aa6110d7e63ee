"""``python -m examples.race_car.yolo``: train YOLOv5n as the camera of the race car, and compare it."""

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from drivetrain.errors import DrivetrainError

from .recordings import read_pictures
from .simulated import Sizes, compare
from .training import Recipe, train_on_fs_cones
from .weights import load_camera

HELP = """
YOLOv5n as the camera of the race car; three steps, each with its own --help.

The package that builds the network is under AGPL-3.0; docs/race-car-yolo.md says what that asks of you. Weights start
at random, nothing is downloaded. What is finished is kept in --out: the same line goes on after an interruption.
"""
app = typer.Typer(help=HELP, no_args_is_help=True, add_completion=False)

Out = Annotated[Path, typer.Option(help="Folder of weights (safetensors) and results; what is there is not redone.")]
Seeds = Annotated[int, typer.Option(min=1, help="How many: 0, 1, ...")]
DEFAULT_OUT = Path("report/yolo")


@app.command()
def train(
    path: Annotated[Path | None, typer.Option(help="Folder fs_cones; else $DRIVETRAIN_DATA/fs_cones.")] = None,
    seeds: Seeds = 3,
    epochs: Annotated[int, typer.Option(min=1, help="Readings of the 366 training pictures.")] = Recipe.epochs,
    tiles: Annotated[int, typer.Option(min=1, help="Tiles of 128 x 128 pixels a picture and epoch.")] = Recipe.tiles,
    by_colour: Annotated[
        bool, typer.Option(help="Cut tiles around a cone of a colour drawn first, else around any cone.")
    ] = Recipe.by_colour,
    pictures: Annotated[int | None, typer.Option(min=1, help="Train on the first so many alone, to try it.")] = None,
    scored: Annotated[int | None, typer.Option(min=1, help="Score so many pictures, evenly spread; else all.")] = None,
    tuning: Annotated[bool, typer.Option("--tuning", help="Score the tuning blocks: to choose a recipe by.")] = False,
    out: Out = DEFAULT_OUT,
) -> None:
    """Learn boxes from tiles of recorded pictures (full resolution), and score whole pictures of other blocks.

    The average precision at IoU .5 of each colour comes with an interval over pictures. Ten to fifteen minutes on one
    idle core. --epochs 1 --seeds 1 --pictures 40 --scored 10 shows in half a minute that it runs.
    """
    recipe = Recipe(epochs, tiles, by_colour=by_colour, pictures=pictures)
    use = "tuning" if tuning else "held out"
    report = train_on_fs_cones(read_pictures(path), range(seeds), recipe, folder=out, use=use, scored=scored)
    _console().print(report)


@app.command()
def simulate(
    seeds: Seeds = 3,
    scenes: Annotated[
        int, typer.Option(min=20, help="Training scenes a seed; half as many choose the weights.")
    ] = Sizes.scenes,
    test: Annotated[int, typer.Option(min=20, help="Scenes that are judged.")] = Sizes.test,
    first: Annotated[int, typer.Option(min=1, help="Epochs of individual training.")] = Sizes.first,
    then: Annotated[int, typer.Option(min=1, help="Epochs of every pattern after that.")] = Sizes.then,
    out: Out = DEFAULT_OUT,
) -> None:
    """Put YOLOv5n in CameraNet's place in the simulated race car, train both alike, and compare the systems' F1.

    Individual training first; from there on individual, simultaneous and alternating end-loss training, whose gradient
    reaches YOLO through the relaxed fusion that reads its boxes before overlaps are suppressed. About ten minutes on
    one idle core. --seeds 1 --scenes 20 --test 20 --first 1 --then 1 shows in half a minute that it runs.
    """
    console = _console()
    sizes = Sizes(scenes=scenes, test=test, first=first, then=then)
    console.print(compare(list(range(seeds)), sizes, out=out, say=lambda words: console.print(words, markup=False)))


@app.command()
def recorded(
    path: Annotated[Path | None, typer.Option(help="Folder fskitti; else $DRIVETRAIN_DATA/fskitti.")] = None,
    weights: Annotated[Path, typer.Option(help="A camera that `train` left.")] = DEFAULT_OUT / "seed-0.safetensors",
    epochs: Annotated[int, typer.Option(min=1, help="Of fine-tuning by the end loss.")] = 2,
) -> None:
    """Fine-tune a trained camera by the end loss on the real car's 23 pictures: an illustration, no measurement.

    Needs `train` first. The four stretches of pictures are left out in turn. About six minutes on one idle core.
    """
    from .recorded import illustrate

    _console().print(illustrate(load_camera(weights), path, epochs=epochs))


def _console() -> Console:
    torch.set_num_threads(1)  # the times in the help are those of one core
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120  # a file has no width; tables want some
    return console


def main() -> None:
    """Run the command; what a user can mend is told in its words alone."""
    try:
        app()
    except (DrivetrainError, ModuleNotFoundError) as reason:
        raise SystemExit(f"{type(reason).__name__}: {reason}") from None


if __name__ == "__main__":
    main()
