"""Score function: draw inputs, run the code on them, and follow what did better than the other draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from drivetrain.errors import ComponentError
from drivetrain.gradients.base import AbstractEstimator, Call, Tensors
from drivetrain.gradients.distributions import drawn, is_distribution, one_hot
from drivetrain.gradients.perturbation import Effect, refuse_mixing, spread


@dataclass(frozen=True)
class ScoreFunction(AbstractEstimator):
    """REINFORCE (Williams 1992, eq. 11) with the mean of the other draws as baseline (Kool et al. 2019, eq. 8).

    The gradient of ``E[L(f(s))]`` is ``E[(L(f(s)) - b) ∇ log p(s)]``, whatever ``f`` is; ``L`` is the loss to first
    order at the code's own answer. What ``p`` is depends on the input:

    * an input of **distributions** (last dimension of probabilities, such as a softmax answers) draws a symbol from
      each, and the code sees the one-hot; the estimate is unbiased for the gradient of the expected answer, but for a
      constant over the symbols, which no change of probabilities that sum to 1 feels;
    * any **other** input is moved by normal noise of a stated size, as in ``Perturbed``.

    The baseline costs no run and leaves the expectation as it is. See ``SPSA`` on ``independent``.

    Attributes:
        samples: draws, at least two; one run of the code each.
        step: the noise's standard deviation in units of each input's scale, for inputs that are no distributions.
        scale: their scale in their own unit; by default the spread of each feature in the batch.
        independent: whether samples of a batch do not influence each other.
    """

    grounds: ClassVar[tuple[str, ...]] = ("numbers", "distributions")
    samples: int = 16
    step: float = 0.5
    scale: float | None = None
    independent: bool = True

    def pull_back(self, call: Call, cotangents: Tensors) -> Tensors:
        """Mean over the draws of effect times score, the mean effect of the other draws subtracted."""
        batch = call.batch if self.independent else None
        scales = [None if is_distribution(x) else self.step * spread(x, self.scale) for x in call.inputs]
        effects, scores = [], []
        for _ in range(self.samples):
            moved, score = zip(*(_draw(x, c) for x, c in zip(call.inputs, scales, strict=True)), strict=True)
            effects.append(Effect.of(cotangents, call.function(moved), call.outputs, batch).value)
            scores.append(score)
        values = torch.stack(effects)
        better = (values - values.mean(0)) / (self.samples - 1)  # n/(n-1) for leaving itself out, 1/n for the mean
        return tuple(
            torch.stack([Effect(b, batch).on(s[k]) * s[k] for b, s in zip(better, scores, strict=True)]).sum(0)
            for k in range(len(call.inputs))
        )

    def calls(self, n_inputs: int) -> int:
        """One for each draw."""
        return self.samples

    def check(self, call: Call) -> None:
        """Refuse a single draw, which has no others for a baseline, and code that mixes the samples of a batch."""
        if self.samples < 2:
            raise ComponentError(
                f"ScoreFunction(samples={self.samples}) for '{call.component}': each draw is compared with the others, "
                f"so it takes two at least: ScoreFunction(samples=2)"
            )
        if self.independent:
            refuse_mixing(call, self.scale, "ScoreFunction")


def _draw(value: Tensor, scale: Tensor | None) -> tuple[Tensor, Tensor]:
    """A draw of an input, and the gradient of its log-probability with respect to the input."""
    if scale is None:
        symbols = one_hot(drawn(value), value)
        return symbols, symbols / value.clamp_min(torch.finfo(value.dtype).eps) - 1  # minus its mean, sum_k p_k / p_k
    noise = torch.randn(value.shape, dtype=value.dtype, device=value.device)  # not _like: strides would count
    return value + scale * noise, noise / scale
