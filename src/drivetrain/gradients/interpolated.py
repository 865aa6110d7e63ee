"""Interpolated: what a solver would choose if its scores moved along the loss's gradient; one more run of the code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from drivetrain.gradients.base import AbstractEstimator, Call, Tensors
from drivetrain.gradients.pairing import paired_input
from drivetrain.gradients.perturbation import Effect, refuse_mixing


@dataclass(frozen=True)
class Interpolated(AbstractEstimator):
    """``(f(x + λg) - f(x)) / λ``, the gradient through a solver (Vlastelica et al. 2020, algorithm 1).

    For code that answers what is best under a linear objective of its input, one number each: arg-max as a one-hot,
    top-k, ranking, shortest path, matching, knapsack. ``g`` is the loss's gradient at the answer. Such code is the
    slope of the best value, a convex or concave function, so that its Jacobian is symmetric and a difference *along*
    ``g`` stands for the gradient. Of the two sides the one is taken on which the loss falls: against ``g`` for code
    that looks for the highest, along it for the lowest; the first answers tell which, and it is kept. One deterministic
    run more, whatever the number of inputs; biased by the length of the step, and right of no other code.

    Attributes:
        step: the length of ``λg`` (root mean square of a sample) in units of the input's scale. Short steps see no
            other choice, so that most samples get no gradient; long ones see far ones.
        scale: the input's scale in its own unit; by default the standard deviation of all its numbers in the batch,
            since numbers compete with each other.
        input: which input; needed where several have the output's shape.
        independent: whether samples of a batch do not influence each other.
    """

    faithful: ClassVar[bool] = False
    step: float = 2.0
    scale: float | None = None
    input: str | None = None
    independent: bool = True

    def pull_back(self, call: Call, cotangents: Tensors) -> Tensors:
        """The change of each answer when its input moves along the gradient at that answer."""
        places = [self._place(call, output.shape) for output in call.outputs]
        along = [torch.zeros_like(value) for value in call.inputs]
        for place, cotangent in zip(places, cotangents, strict=True):
            if place is not None:
                along[place] += cotangent
        rates = [self._rate(call, x, g) for x, g in zip(call.inputs, along, strict=True)]
        side = call.memory.setdefault("side", 1)
        steps = [torch.where(rate > 0, side * g / rate, 0) for g, rate in zip(along, rates, strict=True)]
        moved = call.function(tuple(x + s for x, s in zip(call.inputs, steps, strict=True)))
        if Effect.of(cotangents, moved, call.outputs, None).value > 0:
            call.memory["side"] = -side  # the loss rose: it looks for the best on the other side
        gradients = [torch.zeros_like(value) for value in call.inputs]
        for place, after, before in zip(places, moved, call.outputs, strict=True):
            if place is not None:
                gradients[place] += side * rates[place] * (after - before)
        return tuple(gradients)

    def calls(self, n_inputs: int) -> int:
        """One."""
        return 1

    def check(self, call: Call) -> None:
        """Refuse outputs whose shape does not tell one input, and code that mixes the samples of a batch."""
        for output in call.outputs:
            self._place(call, output.shape)
        if self.independent:
            refuse_mixing(call, self.scale, "Interpolated")

    def _place(self, call: Call, shape: torch.Size) -> int | None:
        name = paired_input(call, shape, self.input, "Interpolated", "interpolated")
        return call.input_names.index(name) if name in call.input_names else None

    def _rate(self, call: Call, value: Tensor, along: Tensor) -> Tensor:
        """``1 / λ``: of each sample where they are independent; 0 where the loss asks for nothing."""
        rows = along.reshape(len(along), -1) if self.independent and call.is_per_sample(value) else along.reshape(1, -1)
        size = rows.square().mean(1).sqrt() / (self.step * _scale(value, self.scale))
        return size.reshape(-1, *[1] * (value.ndim - 1)) if len(rows) == len(value) else size.reshape([1] * value.ndim)


def _scale(value: Tensor, given: float | None) -> Tensor:
    if given is not None:
        return torch.as_tensor(given, dtype=value.dtype, device=value.device)
    deviation = value.std(correction=0)
    return torch.where(deviation > 0, deviation, value.abs().max().clamp_min(1e-6))
