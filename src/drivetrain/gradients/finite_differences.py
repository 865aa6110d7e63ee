"""Finite differences: each input moves alone, up and down; exact for small smooth code, dear for large."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from drivetrain.gradients.base import AbstractEstimator, Call, Tensors
from drivetrain.gradients.perturbation import Effect, refuse_mixing, spread


@dataclass(frozen=True)
class FiniteDifferences(AbstractEstimator):
    """Central differences, ``(L(x + h) - L(x - h)) / 2h`` number by number (Nocedal and Wright 2006).

    No randomness, and on smooth code an error of order ``h²``; on code that jumps a small step feels nothing. All
    samples of a batch move their same number at once, so the cost is twice the numbers of *one* sample; see ``SPSA`` on
    ``independent``, without which it is twice the numbers of the whole batch.

    Attributes:
        step: ``h`` in units of each input's scale. By default the cube root of the number type's rounding error, which
            balances rounding and truncation on smooth code: .005 in float32, 6e-6 in float64.
        scale: the inputs' scale in their own unit; by default the spread of each feature in the batch.
        independent: whether samples of a batch do not influence each other.
    """

    step: float | None = None
    scale: float | None = None
    independent: bool = True

    def pull_back(self, call: Call, cotangents: Tensors) -> Tensors:
        """Two runs for each number of an input."""
        batch = call.batch if self.independent else None
        gradients = []
        for index, value in enumerate(call.inputs):
            gradient = torch.zeros_like(value)
            step = (torch.finfo(value.dtype).eps ** (1 / 3) if self.step is None else self.step) * spread(
                value, self.scale
            )
            for one in _numbers(value, batch is not None and call.is_per_sample(value)):
                above, below = value + one * step, value - one * step
                upper = call.function((*call.inputs[:index], above, *call.inputs[index + 1 :]))
                lower = call.function((*call.inputs[:index], below, *call.inputs[index + 1 :]))
                width = torch.where(one > 0, above - below, 1)  # as rounded, not as wished
                gradient += Effect.of(cotangents, upper, lower, batch).on(value) * one / width
            gradients.append(gradient)
        return tuple(gradients)

    def calls(self, n_inputs: int) -> int:
        """Two for each number."""
        return 2 * n_inputs

    def check(self, call: Call) -> None:
        """Refuse code that mixes the samples of a batch."""
        if self.independent:
            refuse_mixing(call, self.scale, "FiniteDifferences")


def _numbers(value: Tensor, per_sample: bool) -> Iterator[Tensor]:
    """A one at each number in turn, in all samples at once where they are independent; zeros elsewhere."""
    rows = value.shape[0] if per_sample else 1
    numbers = value.numel() // rows if rows else 0
    for k in range(numbers):
        one = torch.zeros(rows, numbers, dtype=value.dtype, device=value.device)
        one[:, k] = 1
        yield one.reshape(value.shape)
