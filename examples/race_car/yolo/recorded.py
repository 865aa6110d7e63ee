"""An illustration: the end loss fine-tunes YOLOv5n on the 23 recorded pictures of the real car."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Group, RenderableType
from rich.table import Table
from torch import Tensor

from drivetrain import System, component, fit, system
from drivetrain.errors import DataError
from drivetrain.report import Report
from drivetrain.training import Individual, PartialEndLoss
from examples.race_car import real
from examples.race_car.real.scoring import judge

from .camera import YoloCamera
from .photo_fusion import PHOTO, SCALE, TOP, photo_fusion

SESSION = "camera_estoril_autox2"  # the only one with pictures
Counts = tuple[int, int, int]  # right cones, predicted ones, true ones

HIDDEN = "LiDAR alone"
MACHINE = "with the recorded boxes"
BEFORE = "with YOLOv5n from fs_cones"
AFTER = "the same after the end loss"


@dataclass(frozen=True, repr=False)
class IllustrationReport(Report):
    """Right, predicted and true cones of the real system on 23 frames, by what stands where the camera stands."""

    stretches: list[list[str]]  # numbers of the frames
    counts: dict[str, list[Counts]]  # by camera, for every stretch
    losses: list[tuple[float, float]]  # of the first and the last epoch of fine-tuning, for every stretch left out
    epochs: int

    def f1(self, name: str) -> float:
        """Over all frames: twice the right cones over predicted and true ones."""
        right, predicted, true = map(sum, zip(*self.counts[name], strict=True))
        return 2 * right / (predicted + true)

    def __rich__(self) -> RenderableType:
        headers = [f"{frames[0]} to {frames[-1]} ({len(frames)})" for frames in self.stretches]
        title = "the real car on 23 frames of one session: right of predicted, of true cones"
        table = Table("camera", "F1", "all", *headers, title=title)
        for name, counts in self.counts.items():
            both = [tuple(map(sum, zip(*counts, strict=True))), *counts]
            table.add_row(name, f"{self.f1(name):.3f}", *(f"{right} of {said}, {true}" for right, said, true in both))
        losses = ", ".join(f"{first:.2f} to {last:.2f}" for first, last in self.losses)
        words = (
            f"Each stretch was left out of the {self.epochs} epochs of fine-tuning in turn (loss: {losses}); all four "
            "are one lap of one track, one session and one seed. Colours of the truth come in part from the recorded "
            "boxes. An illustration that the end loss reaches a large network, and no measurement."
        )
        return Group(table, words)


def illustrate(
    camera: YoloCamera, path: str | os.PathLike[str] | None = None, *, epochs: int = 2, seed: int = 0
) -> IllustrationReport:
    """Fine-tune the camera by the end loss alone on all stretches of pictures but one, and judge on that one.

    The LiDAR's models are trained first, individually, on sessions of other layouts, and stay as they are. `epochs`
    are those of fine-tuning. Raises DataError where the pictures are absent.
    """
    data = with_photos(path)
    layouts = real.leave_one_layout_out(real.session_names(path))
    training = real.load(next(others for _, others, own in layouts if SESSION in own), path)
    lidar = real.build(real.calibrate(training), seed=seed)
    fit(
        lidar,
        real.augment(training, 2, seed),
        Individual({"hits": real.hit_loss, "tints": real.tint_loss}),
        epochs=8,
        batch_size=16,
        optimizer=partial(torch.optim.AdamW, lr=4e-3, weight_decay=0.02),
        seed=seed,
        device="cpu",
    )
    stretches = stretches_of(data["number"])
    hidden = {**data, "recorded": data["recorded"].clone()}
    hidden["recorded"][..., 5] = -1.0
    before = car_with(camera, lidar)
    counts = {HIDDEN: _judged(lidar, hidden, stretches), MACHINE: _judged(lidar, data, stretches)}
    counts |= {BEFORE: _judged(before, data, stretches), AFTER: []}
    losses = []
    for left_out in stretches:
        tuned = copy.deepcopy(before)
        rest = [number for stretch in stretches for number in stretch if stretch is not left_out]
        report = fit(
            tuned,
            frames(data, rest),
            PartialEndLoss("camera", real.cone_loss),
            epochs=epochs,
            batch_size=2,
            optimizer=partial(torch.optim.Adam, lr=1e-4),
            seed=seed,
            device="cpu",
        )
        losses.append((report.history[0]["loss"], report.history[-1]["loss"]))
        counts[AFTER] += _judged(tuned, data, [left_out])
    names = [[data["number"][frame] for frame in stretch] for stretch in stretches]
    return IllustrationReport(stretches=names, counts=counts, losses=losses, epochs=epochs)


def car_with(camera: YoloCamera, lidar: System) -> System:
    """The real car whose camera is a model that reads `photo`; the other models are those of `lidar`, shared."""
    sweep = component("lidar", lidar.component("lidar").thing, "scan -> hits")
    shine = component("intensity", lidar.component("intensity").thing, "picture, scan -> tints")
    project = component("projection", lidar.component("projection").thing, "scan, rig -> feet")
    see = component("camera", camera, "photo -> grid")
    join = photo_fusion()

    @system
    def real_car(scan: Any, picture: Any, photo: Any, rig: Any) -> Any:
        return join(scan, sweep(scan), shine(picture, scan), project(scan, rig), see(photo))

    return real_car


def with_photos(path: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """The frames of the session that have a picture: what `real.load` answers, and `photo` [n, 3, 256, 1024], `number`.

    A photo is the band of the recorded picture that holds the cones, at half its resolution, in 0..1.
    """
    folder = real.recordings_path(path) / "images"
    data = real.load(SESSION, path)
    numbers = [key.rpartition("/")[2] for key in data["key"]]
    there = [row for row, number in enumerate(numbers) if (folder / f"{SESSION}_{number}.jpg").is_file()]
    if not there:
        raise DataError(
            f"no pictures {SESSION}_*.jpg in {folder}; they come from github elpatoo/FSKITTI (docs/race-car-real.md). "
            'Say where they are: illustrate(camera, path="folder/of/fskitti"), or set DRIVETRAIN_DATA to its parent'
        )
    data["number"] = numbers
    data = frames(data, there)
    data["photo"] = torch.stack([_photo(folder / f"{SESSION}_{number}.jpg") for number in data["number"]])
    return data


def frames(data: dict[str, Any], chosen: Sequence[int]) -> dict[str, Any]:
    """The chosen frames alone."""
    rows = list(chosen)
    return {
        name: values[rows] if isinstance(values, Tensor) else [values[row] for row in rows]
        for name, values in data.items()
    }


def stretches_of(numbers: Sequence[str]) -> list[list[int]]:
    """Rows of frames that follow each other with no more than a second between them."""
    gaps = [row for row, (one, other) in enumerate(pairwise(numbers), 1) if int(other) - int(one) > 1]
    return [list(range(first, last)) for first, last in pairwise([0, *gaps, len(numbers)])]


def _photo(file: Path) -> Tensor:
    with Image.open(file) as opened:
        small = opened.convert("RGB").reduce(SCALE).crop((0, TOP // SCALE, PHOTO[1], TOP // SCALE + PHOTO[0]))
    return torch.from_numpy(np.asarray(small).copy()).movedim(2, 0) / 255


def _judged(car: System, data: dict[str, Any], stretches: Sequence[Sequence[int]]) -> list[Counts]:
    """Counts by stretch, with the fusion as ordinary code."""
    car.eval()
    answer = []
    for stretch in stretches:
        part = frames(data, stretch)
        with torch.no_grad():
            cones = [car(*(part[name][row : row + 1] for name in car.inputs))[0] for row in range(len(stretch))]
        verdicts = [judge(*pair) for pair in zip(cones, part["cones"], strict=True)]
        right, said, true = (
            sum(int(value) for value in values)
            for values in zip(*((one.right.sum(), one.counted, len(one.in_view)) for one in verdicts), strict=True)
        )
        answer.append((right, said, true))
    return answer
