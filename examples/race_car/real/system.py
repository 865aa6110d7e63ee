"""The real race car as a system: two LiDAR models, a projection to the camera, recorded boxes, and the fusion."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from drivetrain import System, component, system
from drivetrain.data import Labels
from drivetrain.gradients import relaxed
from examples.race_car.real.dataset import ORIGINS
from examples.race_car.real.fusion import DEFAULT_RULES, Rules, fuse
from examples.race_car.real.models import GroundToCamera, IntensityModel, RecordedCamera, ScanModel
from examples.race_car.real.relaxation import relaxed_fuse

CERTAIN = 6.0  # logit of a truth where it stands in for a model
SIGNATURE = "scan, hits, tints, feet, boxes -> cones"


def build(
    poses: Mapping[str, tuple[float, ...]] | None = None,
    *,
    seed: int = 0,
    fusion: Any = None,
    rules: Rules = DEFAULT_RULES,
) -> System:
    """The system with fresh models; the same weights for the same seed.

    `poses` are the camera rigs' as `calibrate(training_data)` answers them; without them both rigs start from a
    nominal mounting and are learned like any model. `fusion` replaces the relaxed fusion, e.g. by `hard_fusion()`
    under a gradient estimator.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        scan_model, intensity_model = ScanModel(), IntensityModel()
    lidar = component("lidar", scan_model, "scan -> hits", from_truth=encode_hits)
    intensity = component("intensity", intensity_model, "picture, scan, feet, boxes -> tints", from_truth=encode_tints)
    projection = component("projection", GroundToCamera(poses), "scan, rig -> feet")
    camera = component("camera", RecordedCamera(), "recorded -> boxes")
    join = fusion or soft_fusion(rules)

    @system
    def real_car(scan: Any, picture: Any, recorded: Any, rig: Any) -> Any:
        feet, boxes = projection(scan, rig), camera(recorded)
        return join(scan, lidar(scan), intensity(picture, scan, feet, boxes), feet, boxes)

    return real_car


def hard_fusion(rules: Rules = DEFAULT_RULES) -> Any:
    """The fusion as ordinary code, in training and evaluation alike: no useful gradient."""
    return component("fusion", partial(fuse, rules=rules), SIGNATURE)


def soft_fusion(rules: Rules = DEFAULT_RULES) -> Any:
    """The fusion that runs relaxed in training, value and gradient, and hard in evaluation."""
    return relaxed(hard_fusion(rules), partial(relaxed_fuse, rules=rules))


def labels() -> dict[str, Labels]:
    """What truths cost and who made them, for the ledger: `annotated(data, **labels())`. None is human."""
    counts = {"cones": _cone_values, "hits": _nothing, "tints": _nothing, "boxes": _box_values, "feet": _nothing}
    sources = {"hits": "cones", "tints": "cones", "feet": "boxes"}
    return {edge: Labels(counts[edge], origin, sources.get(edge)) for edge, origin in ORIGINS.items()}


def encode_hits(hits: Tensor) -> Tensor:
    """0/1 beam labels [B, 720] to logits; a beam without label is no cone."""
    return CERTAIN * (2 * torch.nan_to_num(hits) - 1)


def encode_tints(tints: Tensor) -> Tensor:
    """Classes [B, 720] to logits [B, 3, 720]; a beam without label says nothing (all zero)."""
    known = torch.isfinite(tints)
    classes = torch.nn.functional.one_hot(torch.nan_to_num(tints).long(), 3).movedim(-1, 1)
    return CERTAIN * classes * known[:, None]


def _cone_values(cones: Tensor) -> int:
    return 3 * int(torch.isfinite(cones[:, 2]).sum())


def _box_values(boxes: Tensor) -> int:
    return 5 * int((boxes[:, 5] > 0.5).sum())


def _nothing(_: Tensor) -> int:
    return 0  # follows from another truth; counted there
