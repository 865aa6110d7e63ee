"""How good boxes are: average precision at an overlap (IoU) of one half, by class, with an interval over pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drivetrain.report import progress

from .camera import YoloCamera
from .recordings import Picture

OVERLAP = 0.5  # of intersection with union, for a box to be right
SUSPECTED = 0.01  # confidence below which a box is not even counted as wrong
CANDIDATES = 1000  # of the surest boxes of a picture go into the suppression, whose time grows with their square
SUPPRESSED = 0.5  # overlap from which the less sure of two boxes of a class goes
RESAMPLES = 500  # of the pictures, for an interval

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """What was found in one picture, and what is there."""

    right: Tensor  # [n] whether a found box is right
    sure: Tensor  # [n] its confidence
    said: Tensor  # [n] its class
    true: Tensor  # [m] classes of the true boxes


@torch.no_grad()
def found_in(camera: YoloCamera, pictures: Sequence[Picture]) -> list[Found]:
    """Read whole pictures (the network takes any size), suppress overlaps, and compare with the true boxes."""
    camera.eval()
    answers = []
    for picture in progress(pictures, "finding cones in whole pictures"):
        boxes = find(camera, picture.pixels())
        answers.append(Found(right_ones(boxes, picture.boxes), boxes[:, 4], boxes[:, 5], picture.boxes[:, 0]))
    return answers


def find(camera: YoloCamera, pixels: Tensor) -> Tensor:
    """The boxes in a picture [3, height, width] as [n, 6], surest first.

    A row is left, top, right, bottom in pixels, confidence, class. The camera has to be in evaluation mode.
    """
    from ultralytics.utils.nms import non_max_suppression

    decoded = camera.network(camera.enlarged(pixels[None]))[0]
    # The limit in seconds is lifted: what is found must not depend on how busy the machine is.
    found = non_max_suppression(decoded, SUSPECTED, SUPPRESSED, max_nms=CANDIDATES, max_time_img=1e6)[0]
    return torch.cat([found[:, :4] / camera.enlargement, found[:, 4:]], dim=1)


def right_ones(found: Tensor, boxes: Tensor) -> Tensor:
    """Whether each found box, surest first, is the first of its class on a true box that it overlaps enough, [n]."""
    from ultralytics.utils.metrics import box_iou

    corners = torch.cat([boxes[:, 1:3] - boxes[:, 3:] / 2, boxes[:, 1:3] + boxes[:, 3:] / 2], dim=1)
    overlap = box_iou(found[:, :4], corners) * (found[:, 5:] == boxes[:, 0])
    right = torch.zeros(len(found), dtype=torch.bool)
    for number in range(len(found) if len(boxes) else 0):
        best = int(overlap[number].argmax())
        if overlap[number, best] >= OVERLAP:
            right[number] = True
            overlap[:, best] = 0  # a true box is found once
    return right


def average_precision(found: Sequence[Found], classes: int) -> Array:
    """Average precision of each class, and their mean, [classes + 1]; NaN for a class without true boxes."""
    from ultralytics.utils.metrics import ap_per_class

    right, sure, said, true = (
        torch.cat([getattr(one, name) for one in found]).numpy() for name in ("right", "sure", "said", "true")
    )
    answer = ap_per_class(right[:, None], sure, said, true)
    values = np.full(classes + 1, np.nan)
    values[answer[6]] = answer[5][:, 0]
    values[-1] = np.nanmean(values[:-1])
    return values


def interval(seeds: Sequence[Sequence[Found]], classes: int) -> tuple[Array, Array, Array]:
    """Average precision as the mean over seeds, and its 95 % interval, low and high, [classes + 1] each.

    Pictures are drawn with replacement, the same for every seed (the percentile interval of Efron and Tibshirani
    1993, ch. 13). It says how much rests on the choice of pictures, not on that of the recording.
    """
    generator = np.random.default_rng(0)
    pictures = len(seeds[0])
    chosen = progress([generator.integers(pictures, size=pictures) for _ in range(RESAMPLES)], "drawing pictures again")
    draws = [_mean_of_seeds([[found[number] for number in one] for found in seeds], classes) for one in chosen]
    value = _mean_of_seeds(seeds, classes)
    known = ~np.isnan(value)  # a draw may lack a rare class, and then says nothing of it
    low, high = np.full_like(value, np.nan), np.full_like(value, np.nan)
    low[known], high[known] = np.nanquantile(np.array(draws)[:, known], [0.025, 0.975], axis=0)
    return value, low, high


def _mean_of_seeds(seeds: Sequence[Sequence[Found]], classes: int) -> Array:
    return np.mean([average_precision(found, classes) for found in seeds], axis=0)
