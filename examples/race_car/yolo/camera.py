"""YOLOv5n's raw output, before suppression of overlaps, as the grid of boxes that the fusion reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from examples.race_car.models import BOX_CHANNELS
from examples.race_car.rig import CELL

from .quiet import import_quietly

COLOURS = ("blue", "yellow")
SMALLEST = 1e-2  # cells; a box has to have a size for its logarithm
TYPICAL = 4.0  # pixels from the middle of a cone to its side
RARE = -2.7  # logit of each colour at first, as CameraNet's: few cells hold a cone
FORGETTING = 0.1  # of the batch norms a step, not ultralytics' 0.03: in a short training evaluation would lag behind
RARER = -4.7  # the same where the cells are too coarse for a small cone


class YoloCamera(nn.Module):
    """Picture [batch, 3, height, width] in 0..1 to a grid of boxes [batch, 6, height / 4, width / 4], raw.

    The channels are those of `models.CameraNet`, and so are the sizes: 32 x 128 pixels answer a grid of 8 x 32. Sides
    have to be multiples of 16: the picture is enlarged twice, so that YOLO's finest level, a box every 8 pixels, has
    the grid's cells. Boxes of the two coarser levels go to the cell of their centre; of several boxes in a cell the
    surest stays. YOLO scores every colour apart; the odds of a cone are the sum of the colours' odds.

    The weights are random, a function of `seed`, from the layout `yolov5n.yaml` that ultralytics ships: nothing is
    downloaded. `classes` names YOLO's classes in order; those other than blue and yellow are no cone to the fusion.

    Raises ModuleNotFoundError, with the line to install it, where ultralytics is not installed.
    """

    def __init__(self, classes: Sequence[str] = COLOURS, *, seed: int = 0) -> None:
        super().__init__()
        unknown = set(COLOURS) - set(classes)
        if unknown:
            raise ValueError(
                f"YoloCamera's classes {tuple(classes)} lack {sorted(unknown)}; the fusion reads blue and yellow: "
                'write YoloCamera(classes=("blue", "yellow")), others may be added'
            )
        self.classes = tuple(classes)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = _build(len(self.classes))
        for layer in self.network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = FORGETTING
        _expect_small_cones(self.network.model[-1])

    def __reduce__(self) -> tuple[Any, ...]:
        # A new process imports ultralytics when it unpickles the network, and before that has to be told to be quiet.
        return _blank, (type(self),), self.__dict__

    def forward(self, image: Tensor) -> Tensor:
        raw = self.raw(image)
        place, size, cell = self._located(raw)
        blue, yellow = (raw["scores"][:, self.classes.index(colour)] for colour in COLOURS)
        # The pair (any cone, yellow rather than blue) says as much as the pair (blue, yellow): odds add.
        objectness = torch.logaddexp(blue, yellow)
        rows, columns = raw["feats"][0].shape[2:]
        winner = _surest(objectness.detach(), cell, rows * columns)
        corner = torch.stack([cell % columns, cell // columns], dim=1)
        values = torch.stack([objectness, yellow - blue], dim=1)  # in the order of models.OBJECTNESS, YELLOW, X, ...
        values = torch.cat([values, place - corner - 0.5, size.clamp_min(SMALLEST).log()], dim=1)
        grid = values.gather(2, winner[:, None].expand(-1, BOX_CHANNELS, -1))
        return grid.unflatten(2, (rows, columns))

    def raw(self, image: Tensor) -> dict[str, Any]:
        """What YOLO's head says: `boxes` [batch, 64, places], `scores` [batch, classes, places], `feats`."""
        answer = self.network(self.enlarged(image))
        return answer if isinstance(answer, dict) else answer[1]  # in evaluation decoded boxes come first

    def enlarged(self, image: Tensor) -> Tensor:
        """The picture as YOLO sees it, [batch, 3, 2 height, 2 width]."""
        if image.shape[2] % 16 or image.shape[3] % 16:
            raise ValueError(
                f"the camera got pictures of {image.shape[2]} x {image.shape[3]} pixels; sides have to be multiples of "
                "16: pad them, for example with torch.nn.functional.pad"
            )
        return interpolate(image, scale_factor=self.enlargement, mode="bilinear", align_corners=False)

    @property
    def enlargement(self) -> float:
        """Pixels that YOLO sees for a pixel of the picture: 2."""
        return float(self.network.stride[0]) / CELL

    def _located(self, raw: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
        """Centre and size of every box in grid cells, [batch, 2, places] each, and its cell's number [batch, places].

        A box of the finest level keeps its own cell, wherever its centre lies, so that no cell is ever empty.
        """
        from ultralytics.utils.tal import dist2bbox, make_anchors

        head = self.network.model[-1]
        anchors, stride = (value.transpose(0, 1) for value in make_anchors(raw["feats"], head.stride, 0.5))
        box = dist2bbox(head.dfl(raw["boxes"]), anchors[None], xywh=True, dim=1) * (stride / head.stride[0])
        rows, columns = raw["feats"][0].shape[2:]
        centre = box[:, :2].detach()
        centre = torch.where(stride == stride.min(), anchors, centre).floor().long()
        cell = centre[:, 1].clamp(0, rows - 1) * columns + centre[:, 0].clamp(0, columns - 1)
        return box[:, :2], box[:, 2:], cell


def _blank(kind: type[YoloCamera]) -> YoloCamera:
    """An empty camera, for a copy or a pickle to fill."""
    import_quietly()
    return kind.__new__(kind)


def _build(classes: int) -> Any:
    """The network of `YOLO("yolov5n.yaml")` for that many classes."""
    import_quietly()
    from ultralytics.nn.tasks import DetectionModel, yaml_model_load

    return DetectionModel({**yaml_model_load("yolov5n.yaml"), "nc": classes}, verbose=False)


def _expect_small_cones(head: Any) -> None:
    """Let an untrained head propose boxes of a cone's size: the fusion's gate has no gradient for boxes of any other.

    A side's distance is the mean of a distribution over 0, 1, ... cells; a geometric one with the mean m has the
    ratio m / (1 + m).
    """
    steps = torch.arange(head.reg_max).repeat(4)
    with torch.no_grad():
        for side, score, stride in zip(head.cv2, head.cv3, head.stride.tolist(), strict=True):
            mean = TYPICAL * float(head.stride[0]) / CELL / stride
            side[-1].bias.copy_(steps * math.log(mean / (1 + mean)))
            score[-1].bias.fill_(RARE if stride == head.stride[0] else RARER)


def _surest(sure: Tensor, cell: Tensor, cells: int) -> Tensor:
    """Number of the surest box of every cell, [batch, cells]; of equally sure ones the first."""
    best = torch.full_like(sure[:, :cells], -torch.inf).scatter_reduce(1, cell, sure, "amax")
    number = torch.arange(sure.shape[1], device=sure.device).expand_as(cell)
    is_best = sure == best.gather(1, cell)
    return torch.full_like(cell[:, :cells], sure.shape[1] - 1).scatter_reduce(
        1, cell, number.where(is_best, sure.shape[1] - 1), "amin"
    )
