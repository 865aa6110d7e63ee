"""The fusion as ordinary code: threshold, cluster beams, associate with boxes, drop, choose the colour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from examples.race_car.real.models import in_picture
from examples.race_car.real.segments import SLOTS, places, segments, sum_by_slot

HALF_WIDTH = 1024.0  # pixels; the unit of feet


@dataclass(frozen=True)
class Rules:
    """The numbers of the fusion; whoever changes one tunes it on training sessions."""

    scan_weight: float = 0.5  #: of the scan model's opinion on a beam; the intensity model has the rest
    threshold: float = -2.0  #: a beam is kept above this logit
    caution: float = 0.0  #: taken away from every cluster's logit
    support: float = 0.8  #: added to a cluster's logit for a box that matches
    doubt: float = 0.5  #: taken away in the middle of the picture if the camera looked and no box matches
    setback: float = 0.02  #: metres from the mean return to the cone's axis
    gate_pixels: float = 15.0  #: a box matches when its foot is nearer than this ...
    gate_heights: float = 0.6  #: ... plus this many heights of the box
    margin: float = 0.08  #: half widths from the picture's border within which a missing box means nothing
    apart: float = 0.6  #: metres; of two cones that are nearer, the less certain is the other one, torn in two


DEFAULT_RULES = Rules()


def fuse(
    scan: Tensor, hits: Tensor, tints: Tensor, feet: Tensor, boxes: Tensor, rules: Rules = DEFAULT_RULES
) -> Tensor:
    """Cones [B, 128, 4]: x, y in metres, existence, probability of yellow. A slot without a cone is all zero.

    scan [B, 4, 720]; hits [B, 720] and tints [B, 3, 720] are logits of the beams; feet [B, 2, 720] their places in
    the picture; boxes [B, 64, 6].
    """
    with torch.no_grad():
        slot, logits = segments(scan), evidence(hits, tints, rules)
        slot = torch.where(logits > rules.threshold, slot, -1)
        said = torch.cat(
            [torch.ones_like(scan[:, :1]), places(scan), logits[:, None], (tints[:, 2] - tints[:, 1])[:, None], feet],
            dim=1,
        )
        sums = sum_by_slot(said, slot)
        count = sums[:, :1]
        means = (sums[:, 1:] / count.clamp(min=1.0)).transpose(1, 2).cpu().numpy()
    camera, filled = boxes.detach().cpu().numpy(), (count[:, 0] > 0).cpu().numpy()
    cones = np.zeros((len(scan), SLOTS, 4), dtype=np.float32)
    for cone, mean, used, seen in zip(cones, means, filled, camera, strict=True):
        slots = np.flatnonzero(used)
        if len(slots):
            cone[slots] = _fuse_frame(mean[slots], seen, rules)
    return torch.as_tensor(cones, dtype=scan.dtype, device=scan.device)


def evidence(hits: Tensor, tints: Tensor, rules: Rules) -> Tensor:
    """How much both LiDAR models together believe that a beam hit a cone: logits [B, 720]."""
    painted = torch.logsumexp(tints[:, 1:], dim=1) - tints[:, 0]
    return rules.scan_weight * hits + (1 - rules.scan_weight) * painted


Floats = NDArray[np.float32]


def _fuse_frame(clusters: Floats, boxes: Floats, rules: Rules) -> Floats:
    """Cones [n, 4] of clusters [n, 6]: x, y, logit of existence, logit of yellow, foot; zero where there is none."""
    middle, belief, colour, foot = clusters[:, :2], clusters[:, 2].copy(), clusters[:, 3].copy(), clusters[:, 4:]
    match = _associate(foot, boxes, rules)
    boxed = match >= 0
    belief[boxed] += rules.support
    said = boxes[match, 4]
    knows = boxed & (said != 0.5)  # where there is a box that knows the colour, it decides
    colour[knows] = np.where(said[knows] > 0.5, 5.0, -5.0)
    belief[~boxed & _should_be_seen(foot, boxes, rules)] -= rules.doubt
    belief -= rules.caution
    place = middle * (1 + rules.setback / np.maximum(np.hypot(*middle.T), 1e-3))[:, None]
    there = (belief > 0) & ~doubled(place, belief, rules.apart)
    cones = np.column_stack([place, 1 / (1 + np.exp(-belief)), 1 / (1 + np.exp(-colour))])
    return np.asarray(np.where(there[:, None], cones, 0.0), dtype=np.float32)


def doubled(place: Floats, belief: Floats, apart: float) -> NDArray[np.bool_]:
    """Which clusters are nearer than `apart` metres to one that is more certain and stays."""
    near = np.hypot(*(place[:, None] - place[None]).transpose(2, 0, 1)) < apart
    doubled = np.zeros(len(place), dtype=bool)
    for one in np.argsort(-belief, kind="stable"):
        if belief[one] > 0 and not doubled[one]:
            doubled |= near[one] & (np.arange(len(place)) != one)
    return doubled


def _associate(foot: Floats, boxes: Floats, rules: Rules) -> NDArray[np.int64]:
    """The row of the box of each cluster, -1 for none: one to one, nearest in total, none beyond the gate."""
    rows = np.flatnonzero(boxes[:, 5] > 0.5)
    match = np.full(len(foot), -1)
    if len(rows) == 0:
        return match
    distance = np.linalg.norm(foot[:, None] - box_feet(boxes[rows])[None], axis=2) / box_gates(boxes[rows], rules)
    near = np.isfinite(distance) & (distance < 1)
    cost = np.where(near, distance - 1, 0.0)  # a pair beyond the gate is worth nothing
    for row, column in zip(*linear_sum_assignment(cost), strict=True):
        if near[row, column]:
            match[row] = rows[column]
    return match


def box_feet(boxes: Floats) -> Floats:
    """The middle of each box's lower edge, [m, 2], in half widths from the picture's middle."""
    return np.stack([(boxes[:, 0] + boxes[:, 2]) / 2 - 1024.0, boxes[:, 3] - 768.0], axis=1) / HALF_WIDTH


def box_gates(boxes: Floats, rules: Rules) -> Floats:
    """How far from its foot a box still matches, [m], in half widths."""
    return np.asarray(
        (rules.gate_pixels + rules.gate_heights * (boxes[:, 3] - boxes[:, 1])) / HALF_WIDTH, dtype=np.float32
    )


def _should_be_seen(foot: Floats, boxes: Floats, rules: Rules) -> NDArray[np.bool_]:
    """Whether the camera looked, and each cluster is far enough inside the picture for a box to be expected."""
    looked = bool((boxes[:, 5] >= 0).all())
    return looked & in_picture(torch.as_tensor(foot), rules.margin).numpy()
