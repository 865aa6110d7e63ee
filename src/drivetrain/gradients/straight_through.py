"""Straight-through: the gradient passes as if the code were not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from drivetrain.gradients.base import AbstractEstimator, Call, Tensors
from drivetrain.gradients.pairing import paired_input


@dataclass(frozen=True)
class StraightThrough(AbstractEstimator):
    """The identity's gradient, for code that rounds, clips or thresholds (Bengio, Léonard, Courville 2013, section 4).

    Costs nothing and is biased: right where the code nearly answers its input, such as rounding; elsewhere it points
    somewhere that may help. Each output passes its gradient to one input of its shape: the named one, or the only one.

    Attributes:
        input: which input; needed where several have the output's shape.
    """

    faithful: ClassVar[bool] = False
    input: str | None = None

    def pull_back(self, call: Call, cotangents: Tensors) -> Tensors:
        """Each cotangent, handed to the input that its output stands for; zeros to the others."""
        gradients = [torch.zeros_like(value) for value in call.inputs]
        for output, cotangent in zip(call.outputs, cotangents, strict=True):
            name = self._input_of(call, output.shape)
            if name in call.input_names:  # else that input needs no gradient
                gradients[call.input_names.index(name)] += cotangent
        return tuple(gradients)

    def calls(self, n_inputs: int) -> int:
        """None at all."""
        return 0

    def check(self, call: Call) -> None:
        """Refuse outputs whose shape does not tell one input."""
        for output in call.outputs:
            self._input_of(call, output.shape)

    def _input_of(self, call: Call, shape: torch.Size) -> str:
        return paired_input(call, shape, self.input, "StraightThrough", "straight-through")
