"""The perception system of the race car: two models run in parallel, joined by ordinary code."""

from functools import partial
from typing import Any

import torch
from torch import nn

from drivetrain import System, component, system
from drivetrain.gradients import relaxed

from .fusion import fusion, relaxed_fusion
from .models import CameraNet, ScanNet
from .truth import encode_boxes, encode_hits

SIGNATURE = "boxes, hits, scan -> cones"


def build(
    seed: int = 0,
    *,
    camera: nn.Module | None = None,
    lidar: nn.Module | None = None,
    fuse: Any = None,
    **thresholds: float,
) -> System:
    """The system with fresh models; the same weights for the same seed.

    `fuse` replaces the relaxed fusion, e.g. by `hard_fusion()` under a gradient estimator. `thresholds`:
    `beam_threshold` and `box_threshold` of the fusion, probabilities, for the default fusion alone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        camera, lidar = camera or CameraNet(), lidar or ScanNet()
    see = component("camera", camera, "image -> boxes", from_truth=encode_boxes)
    sweep = component("lidar", lidar, "scan -> hits", from_truth=encode_hits)
    join = fuse or soft_fusion(**thresholds)

    @system
    def perception(image: Any, scan: Any) -> Any:
        return join(see(image), sweep(scan), scan)

    return perception


def hard_fusion(**thresholds: Any) -> Any:
    """The fusion as a component without a useful gradient, in training and evaluation alike."""
    return component("fusion", partial(fusion, **thresholds) if thresholds else fusion, SIGNATURE)


def soft_fusion(**thresholds: Any) -> Any:
    """The fusion that runs relaxed while training, value and gradient, and hard in evaluation."""
    soft = partial(relaxed_fusion, **thresholds) if thresholds else relaxed_fusion
    return relaxed(hard_fusion(**thresholds), soft)
