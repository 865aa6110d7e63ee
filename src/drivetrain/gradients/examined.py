"""The code on which estimators are examined: smooth code over numbers, a table over symbols, rounding, nesting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from drivetrain.gradients.base import AbstractEstimator, DifferentiableComponent
from drivetrain.graph.component import Component
from drivetrain.graph.signature import Signature


class Code(Component):
    """The code under exam; counts its runs."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__("code", Signature.parse("values, gains -> answer"))
        self.function = function
        self.count = 0

    @property
    def thing(self) -> Any:
        return self.function

    def forward(self, *values: Any, **constants: Any) -> Any:
        self.count += 1
        return self.function(*values, **constants)


def wrapped_by(estimator: AbstractEstimator, function: Callable[..., Any]) -> DifferentiableComponent:
    """The function under an estimator, each with a memory of its own."""
    return DifferentiableComponent(Code(function), estimator)


def runs(wrapped: DifferentiableComponent) -> int:
    """How often the code has run."""
    assert isinstance(wrapped.wrapped, Code)
    return wrapped.wrapped.count


def gradient(estimator: AbstractEstimator, seed: int) -> Tensor:
    """The gradient at the first input after one pass from a seed."""
    values, gains = inputs_for(estimator)
    torch.manual_seed(seed)
    wrapped_by(estimator, smooth_for(estimator))(values, gains).backward(cotangent_for(values))
    assert values.grad is not None
    return values.grad


def gradient_of_a_pass(wrapped: DifferentiableComponent, estimator: AbstractEstimator) -> Tensor:
    """The gradient at the first input after one more pass of a component."""
    values, gains = inputs_for(estimator)
    wrapped(values, gains).backward(cotangent_for(values))
    assert values.grad is not None
    return values.grad


def inputs_for(estimator: AbstractEstimator) -> tuple[Tensor, Tensor]:
    """Five samples on the estimator's first ground."""
    return inputs_on(estimator.grounds[0])


def inputs_on(ground: str) -> tuple[Tensor, Tensor]:
    """Five samples: values [5, 3] and gains [5, 1], so four numbers each; or distributions, [5, 3] twice."""
    draws = torch.Generator().manual_seed(0)
    values = torch.randn(5, 3, generator=draws, dtype=torch.float64)
    if ground == "distributions":
        gains = torch.randn(5, 3, generator=draws, dtype=torch.float64)
        return values.softmax(-1).requires_grad_(), gains.softmax(-1).requires_grad_()
    gains = torch.rand(5, 1, generator=draws, dtype=torch.float64) + 0.5
    return values.requires_grad_(), gains.requires_grad_()


def cotangent_for(values: Tensor) -> Tensor:
    """What the loss asks of each number: [1, -0.5, 2] of every sample."""
    return torch.tensor([1.0, -0.5, 2.0], dtype=values.dtype).expand_as(values).clone()


def smooth(values: Tensor, gains: Tensor, shift: float = 0.0) -> Tensor:
    """Smooth code over numbers, whose Jacobian is not symmetric."""
    return gains * values + torch.sin(values) * values.flip(-1) + shift


def expected(values: Tensor, gains: Tensor, shift: float = 0.0) -> Tensor:
    """Linear in each distribution, so that the mean answer over drawn symbols is the answer to the distributions."""
    table = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0], [-1.0, 0.3, 2.0]], dtype=values.dtype)
    return torch.stack([((values.roll(k, -1) @ table) * gains).sum(-1) for k in range(3)], -1) + shift


CODE: dict[str, Callable[..., Tensor]] = {"numbers": smooth, "distributions": expected}


def smooth_for(estimator: AbstractEstimator) -> Callable[..., Tensor]:
    """The code with a true gradient on the estimator's first ground."""
    return CODE[estimator.grounds[0]]


def rounding(values: Tensor, gains: Tensor) -> Tensor:
    """Code that jumps."""
    return (gains * values).round()


@dataclass(frozen=True)
class Nested:
    """The same code behind a dict, a tuple and a list."""

    smooth: Callable[..., Tensor]

    def __call__(self, boxes: dict[str, Tensor], more: tuple[Tensor]) -> dict[str, Any]:
        return {"parts": [self.smooth(boxes["values"], more[0])], "count": boxes["there"].sum()}
