"""I-MLE: what a solver would choose if its scores moved along the loss's gradient, on either side, under noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from drivetrain.errors import ComponentError
from drivetrain.gradients.base import AbstractEstimator, Call, Tensors
from drivetrain.gradients.pairing import paired_input
from drivetrain.gradients.perturbation import refuse_mixing


@dataclass(frozen=True)
class IMLE(AbstractEstimator):
    """``(f(x + λg + σZ) - f(x - λg + σZ)) / 2λ``, implicit maximum likelihood (Niepert et al. 2021, algorithm 1).

    For code that answers what is best under a linear objective of its input, one number each: arg-max as a one-hot,
    top-k, ranking, shortest path, matching, knapsack. ``g`` is the loss's gradient at the answer; both sides are run as
    in Minervini et al. 2023 and, without noise, Domke 2010. Such code is the slope of the best value, a convex or
    concave function of the scores, so that its Jacobian is symmetric, blurred by noise or not: the change *along* ``g``
    stands for the gradient, and one direction does what an estimator that knows nothing of ``g`` needs many for.
    Two runs a draw, whatever the number of inputs. Right of no other code.

    Attributes:
        samples: draws of the noise that are averaged.
        step: the length of ``λg`` (root mean square of a sample) in units of the input's scale.
        blur: ``σ`` in the same unit; 0 leaves the scores as they are, so that most samples get no gradient.
        scale: the input's scale in its own unit; by default the standard deviation of all its numbers in the batch,
            since numbers compete with each other.
        input: which input; needed where several have the output's shape.
        independent: whether samples of a batch do not influence each other.
    """

    faithful: ClassVar[bool] = False
    samples: int = 1
    step: float = 1.0
    blur: float = 0.5
    scale: float | None = None
    input: str | None = None
    independent: bool = True

    def pull_back(self, call: Call, cotangents: Tensors) -> Tensors:
        """The change of each answer along the gradient at that answer, averaged over draws of noise."""
        places = [self._place(call, output.shape) for output in call.outputs]
        along = [torch.zeros_like(value) for value in call.inputs]
        for place, cotangent in zip(places, cotangents, strict=True):
            if place is not None:
                along[place] += cotangent
        scales = [_scale(value, self.scale) for value in call.inputs]
        rates = [self._rate(call, *parts) for parts in zip(call.inputs, along, scales, strict=True)]
        steps = [torch.where(rate > 0, g / rate, 0) for g, rate in zip(along, rates, strict=True)]
        gradients = [torch.zeros_like(value) for value in call.inputs]
        for _ in range(self.samples):
            noise = [torch.randn(x.shape, dtype=x.dtype, device=x.device) for x in call.inputs]
            there = [x + self.blur * c * z for x, c, z in zip(call.inputs, scales, noise, strict=True)]
            upper = call.function(tuple(x + s for x, s in zip(there, steps, strict=True)))
            lower = call.function(tuple(x - s for x, s in zip(there, steps, strict=True)))
            for place, above, below in zip(places, upper, lower, strict=True):
                if place is not None:
                    gradients[place] += rates[place] * (above - below) / (2 * self.samples)
        return tuple(gradients)

    def calls(self, n_inputs: int) -> int:
        """Two for each draw."""
        return 2 * self.samples

    def check(self, call: Call) -> None:
        """Refuse lists, outputs whose shape does not tell one input, and code that mixes the samples of a batch."""
        if call.ragged:
            raise ComponentError(
                f"IMLE takes an answer for its scores' other self, and '{call.component}' answers lists of changing "
                f"length; estimators that take those: Perturbed(), SPSA()"
            )
        for output in call.outputs:
            self._place(call, output.shape)
        if self.independent:
            refuse_mixing(call, self.scale, "IMLE")

    def _place(self, call: Call, shape: torch.Size) -> int | None:
        name = paired_input(call, shape, self.input, "IMLE", "I-MLE through")
        return call.input_names.index(name) if name in call.input_names else None

    def _rate(self, call: Call, value: Tensor, along: Tensor, scale: Tensor) -> Tensor:
        """``1 / λ``: of each sample where they are independent; 0 where the loss asks for nothing."""
        if self.independent and call.is_per_sample(value):
            size = along.reshape(len(along), -1).square().mean(1).reshape(-1, *[1] * (value.ndim - 1)).sqrt()
        else:
            size = along.square().mean().sqrt()
        return size / (self.step * scale)


def _scale(value: Tensor, given: float | None) -> Tensor:
    if given is not None:
        return torch.as_tensor(given, dtype=value.dtype, device=value.device)
    deviation = value.std(correction=0)
    return torch.where(deviation > 0, deviation, value.abs().max().clamp_min(1e-6))
