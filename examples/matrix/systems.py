"""Twenty-seven small systems: three integration patterns, three mixes of frameworks, three kinds of inner truth."""

from __future__ import annotations

import copy
from functools import lru_cache, partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from drivetrain import System, component, fit, system
from drivetrain.training import Individual

from .models import Form, Maker, forest, keras_model, linear_model, onnx_model, perceptron, torch_model
from .worlds import CLASSES, INNER, INPUTS, Integration, Kind, world

Mix = Literal["torch", "torch + scikit-learn", "torch + Keras + ONNX"]
MIXES: tuple[Mix, ...] = ("torch", "torch + scikit-learn", "torch + Keras + ONNX")

# Which models are not of torch, by mix, integration and kind of inner truth.
FOREIGN: dict[tuple[Mix, Integration, Kind], dict[str, Maker]] = {
    ("torch + scikit-learn", "sequential", "exact"): {"reader": linear_model},
    ("torch + scikit-learn", "sequential", "noisy"): {"encoder": forest},
    ("torch + scikit-learn", "sequential", "lossy"): {"reader": perceptron},
    ("torch + scikit-learn", "join", "exact"): {"camera": linear_model},
    ("torch + scikit-learn", "join", "noisy"): {"lidar": forest},
    ("torch + scikit-learn", "join", "lossy"): {"judge": perceptron},
    ("torch + scikit-learn", "fork", "exact"): {"lights": linear_model},
    ("torch + scikit-learn", "fork", "noisy"): {"signs": forest},
    ("torch + scikit-learn", "fork", "lossy"): {"trunk": linear_model, "lights": perceptron},
    ("torch + Keras + ONNX", "sequential", "exact"): {"encoder": keras_model},
    ("torch + Keras + ONNX", "sequential", "noisy"): {"reader": keras_model},
    ("torch + Keras + ONNX", "sequential", "lossy"): {"encoder": onnx_model, "reader": keras_model},
    ("torch + Keras + ONNX", "join", "exact"): {"camera": keras_model},
    ("torch + Keras + ONNX", "join", "noisy"): {"judge": keras_model},
    ("torch + Keras + ONNX", "join", "lossy"): {"camera": keras_model, "lidar": onnx_model},
    ("torch + Keras + ONNX", "fork", "exact"): {"trunk": keras_model},
    ("torch + Keras + ONNX", "fork", "noisy"): {"lights": keras_model},
    ("torch + Keras + ONNX", "fork", "lossy"): {"lights": keras_model, "signs": onnx_model},
}


def error(numbers: Tensor, truth: Tensor) -> Tensor:
    """Squared error."""
    return F.mse_loss(numbers, truth.to(numbers))


def surprise(probabilities: Tensor, truth: Tensor) -> Tensor:
    """Cross entropy of probabilities."""
    return F.nll_loss(probabilities.clamp_min(1e-6).log(), truth)


LOSSES: dict[Integration, dict[str, Any]] = {
    "sequential": {"z": error, "y": surprise},
    "join": {"u": error, "v": error, "y": surprise},
    "fork": {"z": error, "a": surprise, "b": surprise},
}
"""A loss for the edge of every model."""


def build(integration: Integration, mix: Mix, kind: Kind, seed: int) -> System:
    """The system with the weights that every arm of a seed starts from.

    As models that one finds are, each was trained before, individually, on 40 samples that are not used again.
    """
    return copy.deepcopy(_start(integration, mix, kind, seed))


@lru_cache(maxsize=1)  # arms of one seed follow each other
def _start(integration: Integration, mix: Mix, kind: Kind, seed: int) -> System:
    torch.manual_seed(seed)
    made = {"sequential": _sequence, "join": _join, "fork": _fork}[integration](
        partial(_model, FOREIGN.get((mix, integration, kind), {}), seed)
    )
    fit(
        made, world(integration, kind, seed).start, Individual(LOSSES[integration]), epochs=10, batch_size=10, seed=seed
    )
    return made


def _model(foreign: dict[str, Maker], seed: int, name: str, sizes: tuple[int, int], form: Form) -> Any:
    return foreign.get(name, torch_model)(*sizes, form, seed)


def _sequence(model: Any) -> System:
    encoder = component("encoder", model("encoder", (INPUTS, INNER), "numbers"), "x -> z")
    reader = component("reader", model("reader", (INNER, CLASSES), "classes"), "z -> y")

    @system
    def sequence(x: Tensor) -> Tensor:
        return reader(encoder(x))

    return sequence


def _join(model: Any) -> System:
    camera = component("camera", model("camera", (INPUTS, INNER // 2), "numbers"), "left -> u")
    lidar = component("lidar", model("lidar", (INPUTS, INNER // 2), "numbers"), "right -> v")
    judge = component("judge", model("judge", (INNER, CLASSES), "classes"), "both -> y")

    @component("u, v -> both")
    def side_by_side(u: Tensor, v: Tensor) -> Tensor:
        return torch.cat([u.float(), v.float()], dim=1)

    @system
    def joined(left: Tensor, right: Tensor) -> Tensor:
        return judge(side_by_side(camera(left), lidar(right)))

    return joined


def _fork(model: Any) -> System:
    trunk = component("trunk", model("trunk", (INPUTS, INNER), "numbers"), "x -> z")
    lights = component("lights", model("lights", (INNER, CLASSES), "classes"), "z -> a")
    signs = component("signs", model("signs", (INNER, 2), "classes"), "z -> b")

    @system
    def forked(x: Tensor) -> tuple[Tensor, Tensor]:
        z = trunk(x)
        return lights(z), signs(z)

    return forked
