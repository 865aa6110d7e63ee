"""Expected: a program over symbols answers, in training, its mean answer under the distributions it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from drivetrain.errors import ComponentError, listed
from drivetrain.gradients.base import AbstractEstimator, Call, Tensors
from drivetrain.gradients.distributions import as_rows, is_distribution, sure, without_replacement
from drivetrain.gradients.perturbation import refuse_mixing
from drivetrain.gradients.remembered import remembered


@dataclass(frozen=True)
class Expected(AbstractEstimator):
    """The mean answer ``Σ p(s) f(s)`` over symbols drawn without replacement (Kool, van Hoof and Welling 2019).

    For code whose inputs are distributions (a softmax) and that picks the likeliest symbol of each. Several symbols, or
    all of them, are tried: the code sees their one-hots, and each answer counts by its probability, through which the
    exact gradient flows. In ``f``'s place stands a number, or a one-hot over the possible answers; the mean of the
    latter is the distribution of the answer, on which a likelihood is the natural end loss, as in ISED (Solko-Breslin
    et al. 2024) and Scallop. Unlike there no symbols are tried twice: a stochastic beam (algorithm 1) draws distinct
    ones, each weighted by ``p(s)`` over its probability to be drawn (eq. 13), and normalised (eq. 14): the bias falls
    with the number of draws, and is none where the draws cover every combination.

    Attributes:
        samples: combinations of symbols a sample, one run of the code each; no more than there are.
        changes: ``"value"``: in training the mean answer is answered (in evaluation always the code's own);
            ``"gradient"``: the code's own, and only the gradient is that of the mean answer. Words as in ``relaxed``.
        remember: answers of so many combinations are kept and never asked for again. For code that depends on the drawn
            symbols alone and answers the same each time, which is verified; 0 runs it anew in every pass.
    """

    grounds: ClassVar[tuple[str, ...]] = ("distributions",)

    samples: int = 16
    changes: str = "value"
    remember: int = 1024

    def value(self, call: Call) -> Tensors:
        """The mean answer, on the tape of ``call.inputs``."""
        rows = self._rows(call)
        table = remembered(call, rows, self.remember)
        if table is not None:
            weight = _joint(rows)
            weight = weight / weight.sum(1, keepdim=True)  # is 1, but the gradient shall be that of the drawn ones
            return tuple((weight @ answer.flatten(1)).reshape(-1, *answer.shape[1:]) for answer in table)
        symbols, log_drawn = without_replacement([row.detach() for row in rows], self.samples)
        chosen = [_log(row).gather(1, symbols[:, j]) for j, row in enumerate(rows)]
        weight = (torch.stack(chosen).sum(0) - log_drawn).softmax(1)  # [batch, draws]
        answers = [call.function(sure(call.inputs, symbols[:, :, d])) for d in range(symbols.shape[2])]
        return tuple(
            torch.stack([_times(weight[:, d], answer[k]) for d, answer in enumerate(answers)]).sum(0)
            for k in range(len(call.outputs))
        )

    def pull_back(self, call: Call, cotangents: Tensors) -> Tensors:
        """The gradient of the mean answer over new draws."""
        inputs = tuple(value.detach().requires_grad_() for value in call.inputs)
        with torch.enable_grad():
            return torch.autograd.grad(self.value(call.at(inputs)), inputs, cotangents)

    def calls(self, n_inputs: int) -> int:
        """One for each draw, and none where all answers are remembered."""
        return self.samples

    def check(self, call: Call) -> None:
        """Refuse inputs that are no distributions, another word for ``changes``, and code that mixes samples."""
        if self.changes not in ("value", "gradient"):
            raise ComponentError(
                f"Expected(changes={self.changes!r}) for '{call.component}'; what fits: \"value\" (in training the "
                f'mean answer) or "gradient" (the code\'s own answer, with the gradient of the mean)'
            )
        self._rows(call)
        refuse_mixing(call, None, "ScoreFunction")

    def _rows(self, call: Call) -> list[Tensor]:
        wrong = [n for n, x in zip(call.input_names, call.inputs, strict=True) if not _serves(call, x)]
        if wrong:
            raise ComponentError(
                f"Expected draws symbols from distributions, and the input {listed(wrong)} of '{call.component}' holds "
                f"none: its last dimension would be probabilities, not below 0, with sum 1, one row or several a "
                f"sample. Put a softmax before it (`logits.softmax(-1)`), or use ScoreFunction(), which moves numbers "
                f"by noise"
            )
        return as_rows(call.inputs)


def _serves(call: Call, value: Tensor) -> bool:
    return is_distribution(value) and call.is_per_sample(value)


def _times(weight: Tensor, answer: Tensor) -> Tensor:
    return weight.reshape(-1, *[1] * (answer.ndim - 1)) * answer


def _log(probabilities: Tensor) -> Tensor:
    return probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()


def _joint(rows: list[Tensor]) -> Tensor:
    """The probability of every combination [batch, combinations], the last distribution's symbol running fastest."""
    joint = rows[0]
    for row in rows[1:]:
        joint = (joint.unsqueeze(2) * row.unsqueeze(1)).flatten(1)
    return joint
