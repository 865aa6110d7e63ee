"""``differentiable``: the same component, through which gradients flow; a method is given or chosen."""

from __future__ import annotations

from drivetrain.gradients.automatic import Automatic
from drivetrain.gradients.base import AbstractEstimator, DifferentiableComponent
from drivetrain.graph.component import Component


def differentiable(component: Component, method: AbstractEstimator | None = None) -> DifferentiableComponent:
    """The same component with an estimated gradient, for ``system.replace(fusion=differentiable(fusion))``.

    Forward it answers the component's own value, in training and in evaluation; backward the estimate. One method
    changes the value in training and says so: ``Expected``, for choices made out of distributions. The component may
    leave torch, and no more of it is run than the method says. Where no input requires a gradient nothing extra is run
    at all. A ragged edge gets the gradient of its elements' numbers, and none of how many there are.

    Its printed form says which method, why, how noisy one estimate was at the first batch where the method was chosen,
    and how many samples have received no gradient at all so far (``.method``, ``.why``, ``.noticed``).

    Args:
        component: code that PyTorch cannot differentiate.
        method: an estimator; without one, ``Automatic`` looks at the first batch.

    Raises:
        DeclarationError: the component has weights that learn, or is a system.

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
