"""Synthetic traffic scenes: what is there, what six sensors read of it, and the truth of every edge."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

SCENE = ("gap", "speed", "cut_in", "walker", "pace", "bike", "curve", "offset", "red", "phase")
"""What there is, each from -1 to 1: distance and speed of the car ahead, how far a neighbour cuts in, place and pace
of a pedestrian, place of a cyclist, curve of the lane and our offset in it, the traffic light's colour and phase."""

SENSORS = {
    "front": ("gap", "cut_in", "walker", "bike", "curve", "offset", "speed", "pace"),
    "side": ("cut_in", "bike"),
    "scan": ("gap", "speed", "cut_in", "walker", "pace", "bike"),
    "near": ("bike", "cut_in"),
    "echo": ("gap", "speed"),
    "lights": ("red", "phase"),
}
"""What each sensor can see: cameras to the front and to the side, long and short LiDAR, radar, a camera for lights."""

READINGS, NOISE = 16, 0.02

Scene = Mapping[str, Tensor]

TRUTHS: dict[str, Callable[[Scene], list[Tensor]]] = {
    "features": lambda s: [s[name] for name in SENSORS["front"]],
    "boxes": lambda s: [s["gap"], s["cut_in"], s["walker"], s["bike"]],
    "depths": lambda s: [s["gap"], s["walker"]],
    "faces": lambda s: [s["cut_in"], s["bike"]],
    "looks": lambda s: [s["gap"], s["cut_in"], s["walker"], s["bike"]],
    "ground": lambda s: [s[name] for name in SENSORS["scan"]],
    "clusters": lambda s: [s[name] for name in SENSORS["scan"]],
    "kinds": lambda s: [s["walker"], s["bike"], s["gap"]],
    "moves": lambda s: [s["speed"], s["pace"], s["gap"]],
    "close": lambda s: [s["bike"], s["cut_in"]],
    "blips": lambda s: [s["gap"], s["speed"]],
    "tracks": lambda s: [s["gap"], s["speed"]],
    "solids": lambda s: [s[name] for name in SENSORS["scan"]],
    "objects": lambda s: [s[name] for name in SENSORS["scan"]],
    "marks": lambda s: [s["curve"], s["offset"]],
    "lanes": lambda s: [s["curve"], s["offset"]],
    "regions": lambda s: [s["red"], s["phase"]],
    "upright": lambda s: [s["red"], s["phase"]],
    "lying": lambda s: [s["red"], s["phase"]],
    "square": lambda s: [s["red"], s["phase"]],
    "signal": lambda s: [s["red"], s["phase"]],
    "scenario": lambda s: [s["gap"] - 0.5 * s["speed"], s["red"], s["pace"], s["curve"]],
    "cruise": lambda s: [s["gap"] - 0.5 * s["speed"], s["cut_in"]],
    "junction": lambda s: [s["gap"] - 0.5 * s["speed"] * s["red"], s["cut_in"]],
    "walking": lambda s: [s["walker"] + 0.5 * s["pace"], s["pace"]],
    "riding": lambda s: [s["bike"] + 0.3 * s["curve"]],
    "driving": lambda s: [s["gap"] - 0.5 * s["speed"], s["cut_in"]],
    "future": lambda s: [
        s["gap"] - 0.5 * s["speed"], s["cut_in"], s["walker"] + 0.5 * s["pace"], s["bike"] + 0.3 * s["curve"]
    ],
}  # fmt: skip
"""What every inner edge should carry, [n, width], as an annotator of that edge would say it."""


def scenes(count: int, seed: int) -> dict[str, Tensor]:
    """So many scenes: the readings of the sensors, [n, 16] each, and the truth of every inner edge."""
    generator = torch.Generator().manual_seed(seed)
    there = {name: 2 * torch.rand(count, generator=generator) - 1 for name in SCENE}
    batch = {}
    for number, (sensor, seen) in enumerate(SENSORS.items()):
        optics = torch.Generator().manual_seed(1000 + number)  # the same sensor in every data set
        mixing = torch.randn(len(seen), READINGS, generator=optics) / len(seen) ** 0.5
        values = torch.stack([there[name] for name in seen], 1)
        noise = NOISE * torch.randn(count, READINGS, generator=generator)
        batch[sensor] = torch.tanh(values @ mixing) + noise
    return batch | {edge: torch.stack(truth(there), 1) for edge, truth in TRUTHS.items()}
