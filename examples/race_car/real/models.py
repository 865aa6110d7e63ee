"""The models of the real car: one on the scan, one on the LiDAR's intensity picture, a projection per rig."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from examples.race_car.real.candidates import SHAPES, Candidates, candidates, unsettled
from examples.race_car.real.dataset import PICTURE_SIZE, RIGS
from examples.race_car.real.scan import ROWS
from examples.race_car.real.segments import places

POSE = ("log_focal", "yaw", "pitch", "roll", "height", "forward", "left")  # logarithm of half widths, radians, metres
NOMINAL_POSE = (
    math.log(1.7),
    0.0,
    0.12,
    0.0,
    1.0,
    0.0,
    0.0,
)  # a camera a metre above the ground that looks ahead and down

NO_CONE = -6.0  # logit of a beam that no candidate has
CAMERA = 3.0  # logits that a colour from the camera begins with; the network may move it
DIMMED, UNSEEN = 0.3, 0.3  # how often training hides the brightness of a frame, and the colours of its boxes
GATE_PIXELS, GATE_HEIGHTS = 15.0, 0.6  # how near a box's foot has to be: pixels, plus heights of the box


class ScanModel(nn.Module):
    """Reads from the segments of the scan which beams hit a cone: scan [B, 4, 720] -> logits [B, 720].

    A segment is as wide and as tall as a cone or it is not, and it stands alone or in a row with others. All beams of
    a segment get its logit; beams without a segment a low one.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.shape = nn.Sequential(nn.Linear(SHAPES, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.row = RowOfCones(width, 1)
        self.answer = nn.Linear(width, 1)

    def forward(self, scan: Tensor) -> Tensor:
        seen = candidates(scan)
        place, present = unsettled(seen.place, seen.present) if self.training else (seen.place, seen.present)
        logits = self.answer(self.row(self.shape(seen.shape), place, present))[:, :, 0]
        return seen.to_beams(logits[:, None], NO_CONE)[:, 0]


class IntensityModel(nn.Module):
    """Reads what was hit off the intensity picture: nothing, a blue or a yellow cone, logits [B, 3, 720].

    picture [B, 18, 720], scan [B, 4, 720]; feet [B, 2, 720] and boxes [B, 64, 6], if given, tell it what colour the
    camera saw at some of the segments. A cone wears a stripe, white on blue and black on yellow: the profile of
    intensity over height tells the colour where the LiDAR is bright enough (estoril), and hardly at all where it is not
    (alverca). So the segments also look at one another (Vaswani et al. 2017, eq. 1): cones stand in rows of one colour.
    In a mirror blue is yellow; the network looks at the scene and its mirror image and answers half the difference, so
    that this holds without having to be learned. Brightness differs from day to day, so each frame's is taken relative
    to its mean.
    """

    def __init__(self, width: int = 32, layers: int = 2) -> None:
        super().__init__()
        self.stripe = nn.Sequential(nn.Linear(2 * ROWS + 1, 24), nn.ReLU(), nn.Linear(24, 1))
        self.shape = nn.Sequential(nn.Linear(SHAPES, width), nn.ReLU(), nn.Linear(width, width - 2))
        self.row = RowOfCones(width, layers)
        self.answer = nn.Linear(width, 2)

    def forward(self, picture: Tensor, scan: Tensor, feet: Tensor | None = None, boxes: Tensor | None = None) -> Tensor:
        seen = candidates(scan)
        place, present = seen.place, seen.present
        profile = seen.mean(_relative(picture))
        camera = scan.new_zeros(*present.shape) if feet is None or boxes is None else _said(seen, feet, boxes)
        if self.training:
            place, present = unsettled(place, present)
            profile = profile * (torch.rand_like(profile[:, :1, :1]) > DIMMED)
            camera = camera * (torch.rand_like(camera) > UNSEEN) * (torch.rand_like(camera[:, :1]) > UNSEEN)
        lit = profile[:, :, :ROWS].abs().sum(2) > 0
        stripe = (
            self.stripe(torch.cat([profile, place.square().sum(2, keepdim=True).sqrt() / 10.0], dim=2))[:, :, 0] * lit
        )
        yellow = torch.stack([stripe, camera], dim=2)
        shape, mirrored = self.shape(seen.shape).relu().repeat(2, 1, 1), place * place.new_tensor([1.0, -1.0])
        inside = torch.cat([shape, torch.cat([yellow, -yellow])], dim=2)
        answer = self.answer(self.row(inside, torch.cat([place, mirrored]), present.repeat(2, 1)))
        here, mirror = answer.chunk(2)
        painted = (here[:, :, 0] + mirror[:, :, 0]) / 2
        leaning = stripe + CAMERA * camera + (here[:, :, 1] - mirror[:, :, 1]) / 2
        nothing = torch.zeros_like(painted)
        logits = torch.stack([nothing, painted - leaning / 2, painted + leaning / 2], dim=1)
        return seen.to_beams(logits, NO_CONE) * scan.new_tensor([0.0, 1.0, 1.0])[:, None]


class RowOfCones(nn.Module):
    """Lets segments look at one another: inside [B, T, width], place [B, T, 2] in metres -> [B, T, width].

    Written out and not `nn.TransformerEncoder`: for a few dozen short rows that spends half of its time on checks.
    """

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.entry = nn.Linear(width + 6, width)
        self.layers = nn.ModuleList(_Look(width) for _ in range(layers))

    def forward(self, inside: Tensor, place: Tensor, present: Tensor) -> Tensor:
        distance, bearing = (
            place.square().sum(2, keepdim=True).sqrt(),
            torch.atan2(place[:, :, 1:], place[:, :, :1] + 1e-6),
        )
        token = torch.cat([inside, place / 10.0, torch.sin(0.7 * place), distance / 10.0, bearing], dim=2)
        seen = torch.zeros_like(distance[:, None, :, 0]).masked_fill(~present[:, None], -1e4)  # [B, 1, T], finite
        token = self.entry(token).relu()
        for layer in self.layers:
            token = layer(token, seen[:, None])
        return token


class _Look(nn.Module):
    """One layer of attention and a small network, each added to what comes in."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask, self.tell = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.think = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, token: Tensor, seen: Tensor) -> Tensor:
        many, rows, width = token.shape
        asked = self.ask(self.before(token)).view(many, rows, 3, self.heads, width // self.heads)
        query, key, value = asked.permute(2, 0, 3, 1, 4)
        weight = torch.softmax(query @ key.transpose(2, 3) / math.sqrt(width // self.heads) + seen, dim=3)
        token = token + self.tell((weight @ value).transpose(1, 2).reshape(many, rows, width))
        answer: Tensor = token + self.think(self.between(token))
        return answer


class GroundToCamera(nn.Module):
    """Projects where each beam ended to the picture: scan [B, 4, 720], rig [B] -> feet [B, 2, 720].

    A pinhole with a pose, one set of seven parameters for each camera rig. Feet are in units of half the picture's
    width from the picture's middle, to the right and down. NaN for a beam without return, a place behind the camera,
    and a frame whose rig is unknown or, if poses are given, was not calibrated.
    """

    def __init__(self, poses: Mapping[str, tuple[float, ...]] | None = None) -> None:
        super().__init__()
        self.pose = nn.Parameter(torch.tensor([list((poses or {}).get(rig, NOMINAL_POSE)) for rig in RIGS]))
        self.known = tuple(poses is None or rig in poses for rig in RIGS)

    def forward(self, scan: Tensor, rig: Tensor) -> Tensor:
        feet = self.at(places(scan).transpose(1, 2), rig)
        return feet.masked_fill(scan[:, 2:3] < 0.5, torch.nan)

    def at(self, ground: Tensor, rig: Tensor) -> Tensor:
        """The same for any places on the ground: [B, n, 2] in metres -> [B, 2, n]."""
        feet = project(self.pose[rig.clamp(min=0)][:, :, None], ground[:, :, 0], ground[:, :, 1])
        known = (rig >= 0) & torch.tensor(self.known, device=rig.device)[rig.clamp(min=0)]
        return feet.masked_fill(~known[:, None, None], torch.nan)


class RecordedCamera(nn.Module):
    """Stands in for a camera model: a detector's boxes from the recording, as they are. No parameters."""

    def forward(self, recorded: Tensor) -> Tensor:
        return recorded


def project(pose: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Where places on the ground [B, n] (metres) appear, [B, 2, n], seen by cameras of `pose` [B, 7, 1] (`POSE`).

    The lens is a pinhole with square pixels and its centre in the picture's middle (Hartley and Zisserman 2004, eq.
    6.11).
    """
    log_focal, yaw, pitch, roll, height, forward, left = pose.unbind(1)
    x, y = x - forward, y - left
    ahead, aside = x * yaw.cos() + y * yaw.sin(), y * yaw.cos() - x * yaw.sin()
    depth = ahead * pitch.cos() + height * pitch.sin()
    down = height * pitch.cos() - ahead * pitch.sin()
    right = -aside
    focal = log_focal.exp()
    safe = depth.clamp(min=0.3)
    u = focal * (right * roll.cos() + down * roll.sin()) / safe
    v = focal * (down * roll.cos() - right * roll.sin()) / safe
    behind = depth < 0.3  # metres; a lens this near sees no ground
    return torch.stack([u, v], dim=1).masked_fill(behind[:, None], torch.nan)


def to_ground(pose: Tensor, feet: Tensor) -> Tensor:
    """The place on the ground, [n, 2] metres, of feet [n, 2] for one pose [7]; NaN above the horizon."""
    log_focal, yaw, pitch, roll, height, forward, left = pose.unbind(0)
    u, v = feet[:, 0] / log_focal.exp(), feet[:, 1] / log_focal.exp()
    right, down = u * roll.cos() - v * roll.sin(), v * roll.cos() + u * roll.sin()
    sink = pitch.sin() + down * pitch.cos()  # how fast the line of sight falls
    reach = torch.where(sink > 1e-3, height / sink.clamp(min=1e-3), torch.nan)
    ahead, aside = reach * (pitch.cos() - down * pitch.sin()), -reach * right
    return torch.stack(
        [ahead * yaw.cos() - aside * yaw.sin() + forward, ahead * yaw.sin() + aside * yaw.cos() + left], dim=1
    )


def nearness_to_boxes(foot: Tensor, boxes: Tensor, pixels: float, heights: float) -> Tensor:
    """How near feet [B, T, 2] (half widths) are to those of boxes [B, m, 6]: [B, T, m], a half at the gate, then none.

    The gate is `pixels` and so many `heights` of the box wide; nothing is left from two gates on.
    """
    box_foot = torch.stack([(boxes[:, :, 0] + boxes[:, :, 2]) / 2 - 1024.0, boxes[:, :, 3] - 768.0], dim=2) / 1024.0
    gate = (pixels + heights * (boxes[:, :, 3] - boxes[:, :, 1])) / 1024.0
    squared = (foot[:, :, None] - box_foot[:, None]).square().sum(3) / gate.square()[:, None]
    return torch.sigmoid(4.0 * (1.0 - squared)) * (squared < 4.0)


def in_picture(feet: Tensor, margin: float = 0.0) -> Tensor:
    """Whether feet [B, 2, ...] are inside the picture, `margin` half widths from its border."""
    tall = PICTURE_SIZE[1] / PICTURE_SIZE[0]
    return (feet[:, 0].abs() < 1.0 - margin) & (feet[:, 1].abs() < tall - margin)


def _relative(picture: Tensor) -> Tensor:
    """Brightness less the frame's mean, and where there is any: [B, 18, 720]."""
    bright, there = picture[:, :ROWS], picture[:, ROWS:]
    middle = (bright * there).sum((1, 2), keepdim=True) / there.sum((1, 2), keepdim=True).clamp(min=1.0)
    return torch.cat([(bright - middle) * there, there], dim=1)


def _said(seen: Candidates, feet: Tensor, boxes: Tensor) -> Tensor:
    """What colour the camera's boxes say each candidate has: [B, T], -1 blue to 1 yellow, 0 for no word."""
    foot = seen.mean(torch.nan_to_num(feet, nan=9.0))
    near = nearness_to_boxes(foot, boxes, GATE_PIXELS, GATE_HEIGHTS) * (boxes[:, None, :, 5] > 0.5)
    share = near / near.sum(2, keepdim=True).clamp(min=1.0)
    return (share * 2 * (boxes[:, None, :, 4] - 0.5)).sum(2)
