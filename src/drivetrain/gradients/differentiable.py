"""``differentiable``: the same component, through which gradients flow; a method is given or chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from drivetrain.errors import TrainingError
from drivetrain.gradients.base import AbstractEstimator, Call, Choice, DifferentiableComponent, Tensors
from drivetrain.gradients.distributions import is_distribution
from drivetrain.gradients.expected import Expected
from drivetrain.gradients.finite_differences import FiniteDifferences
from drivetrain.gradients.perturbation import spread
from drivetrain.gradients.perturbed import Perturbed
from drivetrain.gradients.spsa import SPSA
from drivetrain.graph.component import Component


def differentiable(component: Component, method: AbstractEstimator | None = None) -> DifferentiableComponent:
    """The same component with an estimated gradient, for ``system.replace(fusion=differentiable(fusion))``.

    Forward it answers the component's own value, in training and in evaluation; backward the estimate. One method
    changes the value in training and says so: ``Expected``, for choices made out of distributions. Nothing else is
    asked of the component than an answer of fixed shape; it may leave torch, and no more of it is run than the method
    says. Where no input requires a gradient nothing extra is run at all.

    Args:
        component: code that PyTorch cannot differentiate.
        method: an estimator; without one, ``Automatic`` looks at the first batch.

    Raises:
        DeclarationError: the component answers ragged edges, has weights that learn, or is a system.

    Example:
        >>> import torch
        >>> from drivetrain import component
        >>> from drivetrain.gradients import Perturbed
        >>> @component("scores -> chosen")
        ... def choose(scores):
        ...     return (scores > 0).float()
        >>> choose = differentiable(choose, Perturbed(samples=100, scale=1.0))
        >>> scores = torch.tensor([-2.0, 0.1, 3.0], requires_grad=True)
        >>> choose(scores).sum().backward()
        >>> scores.grad[1] > scores.grad[0]  # only the score beside the threshold can change the choice
        tensor(True)
    """
    return DifferentiableComponent(component, method or Automatic())


@dataclass(frozen=True)
class Automatic(AbstractEstimator):
    """Chooses at the first batch: what changes when inputs move a thousandth of their spread, what only for half of it?

    The probe costs eight runs, once, with random signs of its own that leave torch's generator alone. A checkpoint does
    not hold the choice: name the method where a resumed run must be bitwise the same and the code is a close call.

    Attributes:
        few: up to so many numbers in a sample, finite differences; they cost two runs for each.
    """

    why: ClassVar[str] = "which one is chosen at the first batch that wants a gradient"
    few: int = 16

    def settled(self, call: Call) -> Choice:
        """Expected for symbols; for numbers finite differences, SPSA or Perturbed."""
        if call.inputs and all(is_distribution(x) and call.is_per_sample(x) for x in call.inputs):
            if all(map(is_distribution, call.outputs)):
                return Choice(
                    Expected(),
                    "it makes one choice out of distributions over symbols, and in training answers with "
                    "the distribution of that choice; several symbols are tried",
                )
            return Choice(
                Expected(changes="gradient"),
                "its inputs are distributions over symbols, of which several are tried; "
                "its answer is no choice among classes, so that its value stays",
            )
        jumping = _jumping(call)
        if jumping is None:
            return Choice(Perturbed(), "its answer did not change when its inputs moved by half their spread")
        if jumping >= 0.25:  # one flag among three or four values that move smoothly is enough
            return Choice(
                Perturbed(), f"{jumping:.0%} of an answer that changes does so in jumps, which small steps miss"
            )
        if call.n_inputs <= self.few:
            return Choice(FiniteDifferences(), f"it answers smoothly and has few inputs ({call.n_inputs} in a sample)")
        return Choice(SPSA(step=0.01), f"it answers smoothly and has many inputs ({call.n_inputs} in a sample)")

    def pull_back(self, call: Call, cotangents: Tensors) -> Tensors:
        """Never asked: the chosen method is."""
        raise TrainingError(f"'{call.component}': no method was chosen yet; Automatic().settled(call) chooses one")

    def calls(self, n_inputs: int) -> int:
        """As the method for smooth code; code that jumps costs what ``Perturbed`` says."""
        return FiniteDifferences().calls(n_inputs) if n_inputs <= self.few else SPSA().calls(n_inputs)


def _jumping(call: Call) -> float | None:
    """The share of numbers that jump, of those in an answer that change under large steps; of the worst output."""
    shares = []
    for near, wide in zip(_changes(call, 1e-3), _changes(call, 0.5), strict=True):
        rows = call.batch or 1
        moves, jumps = (which.reshape(rows, -1).sum(0) for which in (wide, wide & ~near))
        if moves.any():  # a number jumps if, in most samples where a large step changes it, a small one does not
            shares.append(float((2 * jumps > moves).sum() / (moves > 0).sum()))
    return max(shares) if shares else None


def _changes(call: Call, step: float) -> list[Tensor]:
    """Which numbers of each output change under any of four moves of all inputs."""
    changed = [torch.zeros_like(output, dtype=torch.bool) for output in call.outputs]
    draws = torch.Generator().manual_seed(0)
    for _ in range(4):
        signs = [torch.randint(0, 2, x.shape, generator=draws).to(x) * 2 - 1 for x in call.inputs]
        moved = tuple(x + step * spread(x, None) * s for x, s in zip(call.inputs, signs, strict=True))
        for known, new, output in zip(changed, call.function(moved), call.outputs, strict=True):
            known |= new != output
    return changed
