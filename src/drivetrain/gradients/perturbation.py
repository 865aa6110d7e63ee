"""Moving the inputs of code: how far is a step, and what it does to the end loss, sample by sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from drivetrain.errors import ComponentError
from drivetrain.gradients.call import Call, Tensors
from drivetrain.gradients.distributions import is_distribution


def spread(value: Tensor, scale: float | None) -> Tensor:
    """The scale of an input, by which steps are measured; broadcasts against the input.

    ``scale`` says it, in the input's unit. ``None`` measures it: the standard deviation of each feature (last
    dimension) over the samples and slots, since one tensor often holds pixels beside logits. At least a thousandth of
    the feature's magnitude, so that a step is not lost in rounding, and 1 where a feature is zero throughout.
    """
    if scale is not None:
        return torch.as_tensor(scale, dtype=value.dtype, device=value.device)
    rows = value.reshape(-1, 1) if value.ndim < 2 else value.reshape(-1, value.shape[-1])
    if rows.shape[0] < 2:  # one sample alone has no spread of its own: its numbers stand in for each other
        rows = rows.reshape(-1, 1)
    measured = torch.maximum(rows.std(0, correction=0), 1e-3 * rows.square().mean(0).sqrt())
    return torch.where(measured > 0, measured, torch.ones_like(measured))


@dataclass(frozen=True)
class Effect:
    """What a move of the inputs does to the loss, to first order: the cotangents times the change of the outputs.

    With ``batch`` known, the effect on each sample [batch]: sample *b* of an input answers for sample *b* of the
    outputs alone, so that one run of the code estimates all samples of the batch at once. Else one number for all.
    An input of another first dimension (a matrix that all samples share) answers for all samples.
    """

    value: Tensor
    batch: int | None

    @classmethod
    def of(cls, cotangents: Tensors, upper: Tensors, lower: Tensors, batch: int | None) -> Effect:
        """The effect of moving from ``lower`` to ``upper``."""
        terms = [_product(*parts) for parts in zip(cotangents, upper, lower, strict=True)]
        if batch is None:
            return cls(torch.stack([term.sum() for term in terms]).sum(), None)
        return cls(torch.stack([term.reshape(batch, math.prod(term.shape[1:])).sum(1) for term in terms]).sum(0), batch)

    def on(self, value: Tensor) -> Tensor:
        """The effect, ready to be multiplied with a direction in the shape of an input."""
        if self.batch is None:
            return self.value
        if value.ndim == 0 or value.shape[0] != self.batch:
            return self.value.sum()
        return self.value.reshape(-1, *[1] * (value.ndim - 1))


def refuse_mixing(call: Call, scale: float | None, method: str) -> None:
    """Refuse to estimate a gradient per sample where samples influence each other.

    Raises:
        ComponentError: they do.
    """
    if mixes(call, scale):
        raise ComponentError(
            f"'{call.component}' mixes samples: its answer for one sample changes when another sample's input does, so "
            f"that a gradient per sample would be wrong. Let the batch move as one: {method}(..., independent=False), "
            f"which needs more samples for the same accuracy"
        )


def mixes(call: Call, scale: float | None = None) -> bool:
    """Whether samples influence each other: the first half of the batch moves, and the second half must not notice.

    Costs one run of the code, or two. Code that answers differently each time cannot be checked and is let through.
    """
    batch = call.batch
    if batch is None or batch < 2:
        return False
    half = batch // 2
    moved = []
    for value in call.inputs:
        other = value.roll(1, -1) if is_distribution(value) else value + spread(value, scale)
        other[half if call.is_per_sample(value) else 0 :] = value[half if call.is_per_sample(value) else 0 :]
        moved.append(other)
    if _agree(call.function(tuple(moved)), call.outputs, half):
        return False
    return _agree(call.function(call.inputs), call.outputs, 0)


def _product(cotangent: Tensor, upper: Tensor, lower: Tensor) -> Tensor:
    # Where the loss does not look, code may answer inf or nan (an empty slot); 0 times that is not 0.
    return torch.where(cotangent != 0, cotangent * (upper - lower), torch.zeros_like(cotangent))


def _agree(found: Tensors, known: Tensors, start: int) -> bool:
    pairs = zip(found, known, strict=True)
    return all(torch.allclose(f[start:], k[start:], rtol=1e-4, atol=1e-6, equal_nan=True) for f, k in pairs)
