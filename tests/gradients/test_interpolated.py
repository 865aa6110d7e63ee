"""Solvers learn from one more run, moved along the loss's gradient, whether they look for the lowest or the highest."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from drivetrain import component
from drivetrain.errors import ComponentError
from drivetrain.gradients import Interpolated, differentiable


def lowest(costs: Tensor) -> Tensor:
    return nn.functional.one_hot(costs.argmin(-1), costs.shape[-1]).to(costs.dtype)


def highest(scores: Tensor) -> Tensor:
    return nn.functional.one_hot(scores.argmax(-1), scores.shape[-1]).to(scores.dtype)


@pytest.mark.parametrize(("pick", "sign"), [(lowest, 1.0), (highest, -1.0)], ids=["lowest", "highest"])
def test_what_is_picked_comes_to_be_nearly_the_best(pick: object, sign: float) -> None:
    torch.manual_seed(0)
    truth = torch.randn(200, 5)
    guess = torch.randn(200, 5).requires_grad_()
    solver = differentiable(component("solver", pick, "costs -> plan"), Interpolated(step=4.0))
    best, start = (truth * pick(truth)).sum(), (truth * pick(guess)).sum()
    for _ in range(100):
        (gradient,) = torch.autograd.grad(sign * (solver(guess) * truth).sum(), guess)
        guess = (guess - 0.3 * gradient).detach().requires_grad_()
    assert (truth * pick(guess)).sum() - best == pytest.approx(0, abs=float(0.05 * (start - best).abs()))


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
def test_the_gradient_grows_with_the_loss_and_not_with_the_step(factor: float) -> None:
    torch.manual_seed(0)
    guess, truth = torch.randn(50, 5).requires_grad_(), torch.randn(50, 5)
    solver = differentiable(component("solver", lowest, "costs -> plan"), Interpolated())
    (one,) = torch.autograd.grad((solver(guess) * truth).sum(), guess)
    (scaled,) = torch.autograd.grad(factor * (solver(guess) * truth).sum(), guess)
    assert torch.allclose(scaled, factor * one, rtol=1e-4)


def test_of_a_smooth_choice_it_is_the_gradient_for_short_steps() -> None:
    scores = torch.randn(6, 4, dtype=torch.float64).requires_grad_()
    wanted = torch.randn(6, 4, dtype=torch.float64)
    soft = differentiable(component("soft", lambda s: s.softmax(-1), "scores -> shares"), Interpolated(step=1e-5))
    (found,) = torch.autograd.grad((soft(scores) * wanted).sum(), scores)
    (true,) = torch.autograd.grad((scores.softmax(-1) * wanted).sum(), scores)
    assert torch.allclose(found, true, rtol=1e-3, atol=1e-6)


def test_an_answer_of_another_shape_is_refused_with_what_to_write() -> None:
    index = differentiable(component("index", lambda s: s.argmax(-1).float(), "scores -> place"), Interpolated())
    with pytest.raises(ComponentError, match=r"no input has that shape.*SPSA\(\)"):
        index(torch.randn(3, 4, requires_grad=True))
