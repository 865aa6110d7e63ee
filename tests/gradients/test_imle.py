"""Solvers learn from two runs, on either side along the loss's gradient, whether they look for lowest or highest."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from drivetrain import component
from drivetrain.errors import ComponentError
from drivetrain.gradients import IMLE, Perturbed, differentiable


def lowest(costs: Tensor) -> Tensor:
    return nn.functional.one_hot(costs.argmin(-1), costs.shape[-1]).to(costs.dtype)


def highest(scores: Tensor) -> Tensor:
    return nn.functional.one_hot(scores.argmax(-1), scores.shape[-1]).to(scores.dtype)


@pytest.mark.parametrize(("pick", "sign"), [(lowest, 1.0), (highest, -1.0)], ids=["lowest", "highest"])
def test_what_is_picked_comes_to_be_nearly_the_best(pick: object, sign: float) -> None:
    torch.manual_seed(0)
    truth = torch.randn(200, 5)
    guess = torch.randn(200, 5).requires_grad_()
    solver = differentiable(component("solver", pick, "costs -> plan"), IMLE())
    best, start = (truth * pick(truth)).sum(), (truth * pick(guess)).sum()
    for _ in range(100):
        (gradient,) = torch.autograd.grad(sign * (solver(guess) * truth).sum(), guess)
        guess = (guess - 0.3 * gradient).detach().requires_grad_()
    assert (truth * pick(guess)).sum() - best == pytest.approx(0, abs=float(0.2 * (start - best).abs()))


def test_on_average_it_is_the_gradient_of_the_blurred_choice_and_less_noisy_than_a_blind_one() -> None:
    torch.manual_seed(0)
    scores = torch.tensor([[0.3, 0.1, -0.5, 0.0]]).repeat(20000, 1).double().requires_grad_()
    asked = torch.tensor([1.0, -2.0, 0.5, 0.0]).double()

    def gradients(method: object) -> Tensor:
        solver = differentiable(component("solver", highest, "scores -> plan"), method)
        return torch.autograd.grad((solver(scores) * asked).sum(), scores)[0]

    blind = gradients(Perturbed(samples=1, step=0.5, scale=1.0))
    along = gradients(IMLE(step=0.05, blur=0.5, scale=1.0))
    assert torch.cosine_similarity(along.mean(0), blind.mean(0), 0) > 0.98
    assert torch.allclose(along.mean(0), blind.mean(0), atol=0.1 * float(blind.mean(0).norm()))
    wide = gradients(IMLE(step=0.5, blur=0.5, scale=1.0))
    assert wide.std(0).norm() < 0.5 * blind.std(0).norm()


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
def test_the_gradient_grows_with_the_loss_and_not_with_the_step(factor: float) -> None:
    guess, truth = torch.randn(50, 5).requires_grad_(), torch.randn(50, 5)
    solver = differentiable(component("solver", lowest, "costs -> plan"), IMLE())
    found = []
    for scale in (1.0, factor):
        torch.manual_seed(0)
        found.append(torch.autograd.grad(scale * (solver(guess) * truth).sum(), guess)[0])
    assert torch.allclose(found[1], factor * found[0], rtol=1e-3)


def test_of_a_smooth_choice_it_is_the_gradient_for_short_steps() -> None:
    scores = torch.randn(6, 4, dtype=torch.float64).requires_grad_()
    wanted = torch.randn(6, 4, dtype=torch.float64)
    soft = differentiable(component("soft", lambda s: s.softmax(-1), "scores -> shares"), IMLE(step=1e-4, blur=0.0))
    (found,) = torch.autograd.grad((soft(scores) * wanted).sum(), scores)
    (true,) = torch.autograd.grad((scores.softmax(-1) * wanted).sum(), scores)
    assert torch.allclose(found, true, rtol=1e-4, atol=1e-7)


def test_answers_that_are_no_choice_among_the_scores_are_refused_with_what_to_write() -> None:
    index = differentiable(component("index", lambda s: s.argmax(-1).float(), "scores -> place"), IMLE())
    with pytest.raises(ComponentError, match=r"no input has that shape.*SPSA\(\)"):
        index(torch.randn(3, 4, requires_grad=True))
    listing = differentiable(component("listing", lambda s: list(s.round()), "scores -> found[]"), IMLE())
    with pytest.raises(ComponentError, match=r"lists of changing length; .*Perturbed\(\)"):
        listing(torch.randn(3, 4, requires_grad=True))
