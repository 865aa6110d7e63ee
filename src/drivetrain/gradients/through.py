"""Through models without a gradient: what lies before a forest learns by an estimate, as before glue code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from drivetrain.gradients.base import AbstractEstimator, Call
from drivetrain.gradients.noticed import Noticed, notice
from drivetrain.gradients.perturbed import Perturbed


class InputGradient:
    """The gradient at the inputs of a model that has none, estimated by moving them.

    ``differentiable`` stands in for code, and refuses models, whose weights it would hide. This is for a model that
    learns by other means, such as a forest that is fitted, and hands nothing on to the models before it.

    Without a method it is ``Perturbed``: trees and neighbours answer in steps, which small differences do not feel, and
    a choice that looked at the first batch could look at another one after training was resumed.

    Attributes:
        name: of the component, for what is said of it.
        method: the estimator.
    """

    def __init__(self, name: str, method: AbstractEstimator | None = None) -> None:
        self.name, self.method = name, method or Perturbed()
        self._memory: dict[str, Any] = {}

    def __call__(
        self, function: Callable[[Tensor], Tensor], inputs: Tensor, outputs: Tensor, cotangent: Tensor
    ) -> Tensor:
        """The gradient at ``inputs`` [rows, features], given that at ``outputs`` = ``function(inputs)``."""
        call = Call(
            self.name, lambda moved: (function(moved[0]),), (inputs,), (outputs,), ("features",),
            (("features", inputs.shape),), memory=self._memory,
        )  # fmt: skip
        with torch.no_grad():
            self.method = self.method.settled(call).method
            gradients = self.method.pull_back(call, (cotangent,))
            notice(call, (cotangent,), gradients, self.method.pull_back)
        return gradients[0].to(inputs.dtype)

    @property
    def noticed(self) -> Noticed | None:
        """How noisy the gradient was, and how many rows received none; ``None`` before any came back."""
        return Noticed.of(self._memory)
