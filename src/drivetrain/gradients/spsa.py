"""SPSA: all inputs move at once, at random; two runs of the code a sample, however many inputs there are."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from drivetrain.gradients.base import AbstractEstimator, Call, Tensors
from drivetrain.gradients.perturbation import Effect, refuse_mixing, spread


@dataclass(frozen=True)
class SPSA(AbstractEstimator):
    """Simultaneous perturbation stochastic approximation (Spall 1992), averaged over several directions.

    ``g_i = (L(x + cΔ) - L(x - cΔ)) / (2 c Δ_i)`` with independent signs ``Δ_i = ±1``. Both sides are run (antithetic),
    so even terms cancel. Every sample of a batch gets its own signs, and answers for its own outputs alone: one run
    serves the whole batch. This asks that samples do not influence each other, which is verified once per component
    at the first backward pass that is given at least two samples; ``independent=False`` lets the batch move as one.

    Attributes:
        samples: directions averaged; the variance falls with their number. Two runs of the code for each.
        step: ``c`` in units of each input's scale: large enough to cross thresholds, small enough to be local.
        scale: the inputs' scale in their own unit; by default the spread of each feature in the batch.
        independent: whether samples of a batch do not influence each other.
    """

    samples: int = 8
    step: float = 0.1
    scale: float | None = None
    independent: bool = True

    def pull_back(self, call: Call, cotangents: Tensors) -> Tensors:
        """Average of ``samples`` two-sided differences along random signs."""
        batch = call.batch if self.independent else None
        steps = [self.step * spread(value, self.scale) for value in call.inputs]
        gradients = [torch.zeros_like(value) for value in call.inputs]
        for _ in range(self.samples):
            signs = [torch.randint(2, x.shape, dtype=x.dtype, device=x.device) * 2 - 1 for x in call.inputs]
            upper = call.function(tuple(x + c * s for x, c, s in zip(call.inputs, steps, signs, strict=True)))
            lower = call.function(tuple(x - c * s for x, c, s in zip(call.inputs, steps, signs, strict=True)))
            effect = Effect.of(cotangents, upper, lower, batch)
            for gradient, c, s in zip(gradients, steps, signs, strict=True):
                gradient += effect.on(s) * s / (2 * c * self.samples)  # 1 / Δ is Δ for signs
        return tuple(gradients)

    def calls(self, n_inputs: int) -> int:
        """Two for each direction."""
        return 2 * self.samples

    def check(self, call: Call) -> None:
        """Refuse code that mixes the samples of a batch."""
        if self.independent:
            refuse_mixing(call, self.scale, "SPSA")
