"""Train YOLOv5n on tiles of the recorded cone pictures, by ultralytics' own loss, and score it on held-out blocks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from torch import Tensor

from drivetrain.errors import DataError
from drivetrain.report import Report, progress

from .camera import YoloCamera
from .recordings import CLASSES, Picture, cut, split
from .scoring import average_precision, found_in, interval
from .weights import load_camera, save_camera, told_of

BATCH = 8  # tiles


@dataclass(frozen=True)
class Recipe:
    """How a camera is trained on tiles.

    Attributes:
        epochs: readings of the training pictures.
        tiles: tiles of 128 x 128 pixels a picture and epoch.
        rate: of AdamW, at its highest; it rises for a tenth of the time and falls again.
        by_colour: a tile is cut around a cone of a colour drawn first, so that rare colours are seen more often.
        pictures: the first so many training pictures; None: all.
    """

    epochs: int = 4
    tiles: int = 1
    rate: float = 2e-3
    by_colour: bool = True
    pictures: int | None = None


@dataclass(frozen=True, repr=False)
class BoxReport(Report):
    """How well boxes were found in blocks of frames that were not trained on."""

    seeds: dict[int, dict[str, float]]  # average precision at IoU 0.5, by seed and class
    mean: dict[str, tuple[float, float, float]]  # over seeds, with its interval over pictures, by class
    boxes: dict[str, int]  # true ones in the scored pictures, by class
    learned: dict[str, int]  # true ones in the training pictures, by class
    pictures: dict[str, int]  # that were read, by use
    recipe: Recipe
    told: list[dict[str, Any]]  # `losses` of the epochs, `iterations` and `seconds` of training, by seed
    use: str  # of the scored pictures

    def __rich__(self) -> RenderableType:
        title = f"average precision at IoU .5 on {self.pictures[self.use]} {self.use} pictures, none of them a tile"
        table = Table("class", "true boxes", "AP [95 %]", *(f"seed {seed}" for seed in self.seeds), title=title)
        for name, (value, low, high) in self.mean.items():
            count = f"{self.boxes[name]:,} ({self.learned[name]:,} trained on)" if name in self.boxes else ""
            seeds = (f"{values[name]:.3f}" for values in self.seeds.values())
            table.add_row(name, count, f"{value:.3f} [{low:.3f}, {high:.3f}]", *seeds)
        runs = "; ".join(
            f"{one['iterations']} iterations in {one['seconds']:.0f} s, loss {one['losses'][0]:.2f} to "
            f"{one['losses'][-1]:.2f}"
            for one in self.told
        )
        words = (
            f"{self.pictures['training']} training pictures, {BATCH} tiles an iteration: {runs}. The interval is over "
            "pictures, for the mean of the seeds. All pictures are one recording: this says nothing of another day."
        )
        return Group(table, words)


def train_on_fs_cones(
    pictures: Sequence[Picture],
    seeds: Sequence[int] = (0, 1, 2),
    recipe: Recipe = Recipe(),
    *,
    folder: Path | None = None,
    use: str = "held out",
    scored: int | None = None,
) -> BoxReport:
    """Train a fresh YoloCamera for every seed and say how good its boxes are where it was not trained.

    `folder` keeps every trained camera as `seed-<seed>.safetensors`; one that is there by the same recipe is not
    trained again. `use` is `"held out"` or, to choose a recipe by, `"tuning"`; of those pictures `scored` are read,
    evenly spread. Raises DataError for a file of another recipe, ModuleNotFoundError where ultralytics is absent.
    """
    training, tuning, held_out = split(pictures)
    training = training[: recipe.pictures]
    judged = _spread({"tuning": tuning, "held out": held_out}[use], scored)
    cameras, told = zip(*(_trained(training, seed, recipe, folder) for seed in seeds), strict=True)
    found = [found_in(camera, judged) for camera in cameras]
    names = (*CLASSES, "mean")
    return BoxReport(
        seeds={
            seed: dict(zip(names, average_precision(one, len(CLASSES)).tolist(), strict=True))
            for seed, one in zip(seeds, found, strict=True)
        },
        mean=dict(
            zip(names, zip(*(ends.tolist() for ends in interval(found, len(CLASSES))), strict=True), strict=True)
        ),
        boxes=_count(judged),
        learned=_count(training),
        pictures={"training": len(training), use: len(judged)},
        recipe=recipe,
        told=list(told),
        use=use,
    )


def _trained(
    pictures: Sequence[Picture], seed: int, recipe: Recipe, folder: Path | None
) -> tuple[YoloCamera, dict[str, Any]]:
    """The camera of that seed and what its training told; from the folder if it is there."""
    file = folder / f"seed-{seed}.safetensors" if folder else None
    asked = {"seed": seed, **asdict(recipe)}
    if file and file.exists():
        told = told_of(file)
        if other := {name: told.get(name) for name in asked if told.get(name) != asked[name]}:
            raise DataError(f"{file} was trained otherwise ({other}); name another folder, or delete that file")
        return load_camera(file), {name: value for name, value in told.items() if name != "classes"}
    camera = YoloCamera(CLASSES, seed=seed)
    started = time.perf_counter()
    losses = _train(camera, pictures, seed, recipe)
    iterations = recipe.epochs * _batches(len(pictures) * recipe.tiles)
    told = {**asked, "losses": losses, "iterations": iterations, "seconds": time.perf_counter() - started}
    if file:
        save_camera(camera, file, told)
    return camera, told


def _train(camera: YoloCamera, pictures: Sequence[Picture], seed: int, recipe: Recipe) -> list[float]:
    """Mean loss of each epoch."""
    from ultralytics.utils import DEFAULT_CFG
    from ultralytics.utils.loss import v8DetectionLoss

    camera.network.args = DEFAULT_CFG  # the gains of the loss's three terms
    loss_of = v8DetectionLoss(camera.network)
    optimizer = torch.optim.AdamW(camera.parameters(), lr=recipe.rate, weight_decay=5e-4)
    read = list(pictures) * recipe.tiles
    steps = max(recipe.epochs * _batches(len(read)), 2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps, pct_start=0.1)
    generator = torch.Generator().manual_seed(seed)
    losses = []
    camera.train()
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(read), generator=generator).split(BATCH)
        total = 0.0
        for chosen in progress(order, f"YOLOv5n on tiles, seed {seed}, epoch {epoch + 1} of {recipe.epochs}"):
            tiles = [cut(read[number], generator, by_colour=recipe.by_colour) for number in chosen.tolist()]
            image, truth = _batch(tiles)
            terms, _ = loss_of(camera.raw(image), truth)
            optimizer.zero_grad()
            (terms.sum() / len(image)).backward()
            torch.nn.utils.clip_grad_norm_(camera.parameters(), 10.0)
            optimizer.step()
            schedule.step()
            total += terms.sum().item() / len(image)
        losses.append(total / len(order))
    return losses


def _batch(tiles: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, dict[str, Any]]:
    """Tiles and their boxes in the form of ultralytics' loss: shares of the tile, in one piece."""
    image = torch.stack([tile for tile, _ in tiles])
    boxes = torch.cat([boxes for _, boxes in tiles])
    owner = torch.repeat_interleave(torch.arange(len(tiles)), torch.tensor([len(boxes) for _, boxes in tiles]))
    return image, {"batch_idx": owner, "cls": boxes[:, 0], "bboxes": boxes[:, 1:] / image.shape[-1]}


def _batches(tiles: int) -> int:
    return -(-tiles // BATCH)


def _count(pictures: Sequence[Picture]) -> dict[str, int]:
    """True boxes by class."""
    kinds = torch.cat([picture.boxes[:, 0] for picture in pictures])
    return {name: int((kinds == number).sum()) for number, name in enumerate(CLASSES)}


def _spread(pictures: Sequence[Picture], count: int | None) -> list[Picture]:
    """At most `count` pictures, evenly spread."""
    return list(pictures)[:: max(1, -(-len(pictures) // (count or len(pictures))))]
