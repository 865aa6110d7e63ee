"""A component with an estimated gradient: same value, same place, a gradient that agrees with the true one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from drivetrain import component, system
from drivetrain.errors import ComponentError, DeclarationError
from drivetrain.gradients import (
    SPSA,
    AbstractEstimator,
    Automatic,
    FiniteDifferences,
    Perturbed,
    StraightThrough,
    differentiable,
    gradient_report,
    relaxed,
)
from drivetrain.gradients.call import Call
from drivetrain.gradients.refusals import refuse_methods, refuse_systems
from drivetrain.graph.component import Component

ALL = [SPSA(), Perturbed(samples=20000), FiniteDifferences(), Automatic()]


def code(function: object, signature: str) -> Component:
    return component("code", function, signature)


@pytest.mark.parametrize("method", [SPSA(), Perturbed(step=0.05), FiniteDifferences()], ids=str)
def test_the_gradient_agrees_with_autograd_and_finite_differences(method: AbstractEstimator) -> None:
    def smooth(a: Tensor, b: Tensor) -> Tensor:
        return torch.tanh(a) * b.sum(-1, keepdim=True)

    a = torch.tensor([[0.3, -0.7]], dtype=torch.float64).repeat(2000, 1).requires_grad_()
    b = torch.tensor([[1.0, 0.5]], dtype=torch.float64).repeat(2000, 1).requires_grad_()
    assert torch.autograd.gradcheck(smooth, (a[:1], b[:1]))
    wanted = torch.autograd.grad(smooth(a, b).sum(), (a, b))
    found = torch.autograd.grad(differentiable(code(smooth, "a, b -> c"), method)(a, b).sum(), (a, b))
    for true, estimate in zip(wanted, found, strict=True):
        assert torch.allclose(estimate.mean(0), true[0], atol=0.05)


def test_the_gradient_of_a_threshold_is_that_of_the_blurred_threshold() -> None:
    x = torch.full((20000,), 0.4, dtype=torch.float64, requires_grad=True)
    hard = differentiable(code(lambda x: (x > 0).double(), "x -> y"), Perturbed(step=0.5, scale=1.0))
    hard(x).sum().backward()
    normal = torch.distributions.Normal(0.0, 0.5)
    assert x.grad.mean().item() == pytest.approx(normal.log_prob(torch.tensor(0.4)).exp().item(), rel=0.03)


@pytest.mark.parametrize("method", ALL, ids=str)
def test_code_that_leaves_torch_is_differentiated(method: AbstractEstimator) -> None:
    outside = code(lambda x: torch.from_numpy(x.numpy() ** 2), "x -> y")
    x = torch.tensor([[1.0], [2.0]], requires_grad=True)
    differentiable(outside, method)(x).sum().backward()
    assert torch.allclose(x.grad, 2 * x, rtol=0.05)


def test_a_matrix_that_all_samples_share_gets_the_gradient_of_all() -> None:
    x = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    matrix = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    wanted = torch.autograd.grad((x @ matrix).square().sum(), (x, matrix))
    product = differentiable(code(lambda x, matrix: x @ matrix, "x, matrix -> y"), FiniteDifferences())
    found = torch.autograd.grad(product(x, matrix).square().sum(), (x, matrix))
    for true, estimate in zip(wanted, found, strict=True):
        assert torch.allclose(estimate, true, rtol=1e-6)


@pytest.mark.parametrize("method", [SPSA(), Perturbed(), FiniteDifferences()], ids=lambda m: type(m).__name__)
def test_code_that_mixes_samples_is_refused_and_can_move_as_one(method: AbstractEstimator) -> None:
    def centred(x: Tensor) -> Tensor:
        return x - x.mean(0)

    x = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    name = type(method).__name__
    with pytest.raises(ComponentError, match=rf"'code' mixes samples.*{name}\(\.\.\., independent=False\)"):
        differentiable(code(centred, "x -> y"), method)(x)
    as_one = FiniteDifferences(independent=False)
    found = torch.autograd.grad(differentiable(code(centred, "x -> y"), as_one)(x).square().sum(), x)[0]
    assert torch.allclose(found, torch.autograd.grad(centred(x).square().sum(), x)[0], atol=1e-6)


def test_slots_that_the_loss_ignores_may_be_infinite() -> None:
    def nearest(x: Tensor) -> Tensor:
        return torch.stack([x * 2, torch.full_like(x, float("inf"))], -1)

    x = torch.randn(6, dtype=torch.float64, requires_grad=True)
    differentiable(code(nearest, "x -> y"), SPSA())(x)[:, 0].sum().backward()
    assert torch.allclose(x.grad, torch.full_like(x, 2.0))


def test_straight_through_passes_the_gradient_to_the_only_input_of_that_shape() -> None:
    x, other = torch.randn(4, 3, requires_grad=True), torch.randn(4, 1, requires_grad=True)
    through = differentiable(code(lambda x, other: x.round(), "x, other -> y"), StraightThrough())
    (through(x, other) * torch.arange(3.0)).sum().backward()
    assert torch.equal(x.grad, torch.arange(3.0).expand(4, 3))
    assert not other.grad.any()


def test_straight_through_asks_which_input_where_several_fit_and_refuses_where_none_does() -> None:
    a, b = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3)
    either = code(lambda a, b: torch.maximum(a, b).round(), "a, b -> y")
    with pytest.raises(ComponentError, match=r"several inputs have that shape.*name one: StraightThrough\('a'\)"):
        differentiable(either, StraightThrough())(a, b)
    assert differentiable(either, StraightThrough("a"))(a, b).requires_grad
    with pytest.raises(ComponentError, match=r"no input has that shape; its inputs are: a \(4, 3\).*SPSA\(\)"):
        differentiable(code(lambda a: a.sum(-1).round(), "a -> y"), StraightThrough())(a)


def test_a_gradient_of_a_ragged_input_is_refused() -> None:
    one = torch.randn(2, requires_grad=True)
    with pytest.raises(ComponentError, match=r"ragged input boxes\[\]"):
        differentiable(code(lambda boxes: torch.stack([b.sum() for b in boxes]), "boxes[] -> y"), SPSA())([one, one])


def test_models_that_learn_are_refused_and_frozen_ones_are_not() -> None:
    model = component("model", nn.Linear(2, 1), "x -> y")
    with pytest.raises(DeclarationError, match=r"leave them without a gradient.*model\.requires_grad_\(False\)"):
        differentiable(model)
    model.requires_grad_(False)
    assert not differentiable(model).learns


def test_a_system_is_refused_with_the_line_to_write() -> None:
    hard = code(torch.round, "x -> y")

    @system
    def chain(x: Tensor) -> Tensor:
        return hard(x)

    with pytest.raises(DeclarationError, match=r"chain\.replace\(code=differentiable\(chain\.component\('code'\)\)\)"):
        differentiable(chain)


def test_answers_without_numbers_are_refused() -> None:
    with pytest.raises(ComponentError, match=r"no floating-point tensor.*found: bool tensor.*\.float\(\)"):
        differentiable(code(lambda x: x > 0, "x -> y"))(torch.randn(3, requires_grad=True))


def test_answers_without_a_number_are_refused_by_what_they_are() -> None:
    names = code(lambda x: ["cone"] * len(x), "x -> y")
    with pytest.raises(ComponentError, match=r"found: str\. Answer what the loss is to learn from as one tensor"):
        differentiable(names)(torch.randn(3, 2, requires_grad=True))
    index = code(lambda x: x.argmax(-1), "x -> y")
    with pytest.raises(ComponentError, match=r"found: int64 tensor.*one_hot\(index, classes\)\.float\(\)"):
        differentiable(index)(torch.randn(3, 2, requires_grad=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numpy_answers_become_tensors_in_the_type_of_what_went_in(dtype: torch.dtype) -> None:
    outside = code(lambda x: {"y": np.square(x.numpy()).astype(np.float64), "n": np.arange(len(x))}, "x -> y")
    x = torch.tensor([[1.0], [2.0]], dtype=dtype, requires_grad=True)
    wrapped = differentiable(outside, FiniteDifferences())
    answer = wrapped(x)
    answer["y"].sum().backward()
    assert torch.allclose(x.grad, 2 * x, rtol=1e-2)
    assert answer["y"].dtype == dtype
    assert torch.equal(answer["n"], torch.arange(2))
    assert torch.equal(wrapped(x.detach())["y"], answer["y"])


def test_code_that_writes_into_its_input_is_refused_with_the_line_to_write() -> None:
    def clipped(x: Tensor) -> Tensor:
        x[x < 0] = 0
        return x.round()

    with pytest.raises(ComponentError, match=r"'code' writes into its input x.*x = x\.clone\(\)"):
        differentiable(code(clipped, "x -> y"))(torch.randn(3, 2).requires_grad_() + 0)


def test_what_is_no_estimator_is_refused_with_the_line_to_write() -> None:
    hard = code(torch.round, "x -> y")  # types are checked while tests run, so the refusals are asked themselves
    with pytest.raises(DeclarationError, match=r"takes a component, found function"):
        refuse_systems("differentiable", lambda x: x)
    with pytest.raises(DeclarationError, match=r"found the class; write differentiable\(code, Perturbed\(\)\)"):
        refuse_methods(hard, Perturbed)
    with pytest.raises(
        DeclarationError, match=r"a method is an estimator, found str; there are FiniteDifferences, SPSA"
    ):
        refuse_methods(hard, "perturbed")
    with pytest.raises(DeclarationError, match=r"'code': samples is at least 1, found 0"):
        differentiable(hard, Perturbed(samples=0))
    with pytest.raises(DeclarationError, match=r"'code': step is above 0, found 0.0"):
        differentiable(hard, SPSA(step=0.0))


def test_answers_that_change_shape_are_refused() -> None:
    x = torch.linspace(-1, 1, 8).requires_grad_()
    picks = differentiable(code(lambda x: x[x > 0], "x -> y"), SPSA(step=2.0, samples=4, independent=False))
    with pytest.raises(ComponentError, match="answers another shape when its inputs move"):
        picks(x).sum().backward()


def test_the_report_finds_noise_and_silent_samples() -> None:
    x = torch.linspace(-3, 3, 61)
    hard = code(lambda x: (x > 0).float(), "x -> y")
    steep = gradient_report(relaxed(hard, lambda x: (10 * x + 0.5).clamp(0, 1), changes="gradient"), (x,))
    assert steep.inputs[0].silent > 0.9
    assert steep.inputs[0].noise == 0
    noisy, calm = (gradient_report(differentiable(hard, Perturbed(samples=n)), (x,)).inputs[0] for n in (4, 64))
    assert noisy.noise > calm.noise > 0
    assert calm.silent < 0.8
    assert "samples without any gradient" in str(steep)


def test_the_report_tells_the_noise_of_the_code_from_that_of_the_estimator() -> None:
    x = torch.linspace(-3, 3, 61).unsqueeze(1)
    steady = gradient_report(differentiable(code(lambda x: x.sign(), "x -> y"), Perturbed()), (x,))
    moody = gradient_report(differentiable(code(lambda x: x.sign() + torch.randn_like(x), "x -> y"), Perturbed()), (x,))
    assert steady.own == 0
    assert 0.3 < moody.own < 1
    assert "answers differently each time" in str(moody)


def test_the_report_leaves_the_generator_alone_and_refuses_code_without_any_gradient() -> None:
    hard = code(lambda x: (x > 0).float(), "x -> y")
    before = torch.get_rng_state()
    gradient_report(differentiable(hard), (torch.randn(8, generator=torch.Generator().manual_seed(0)),), repeats=2)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ComponentError, match=r"lets no gradient through.*differentiable\(code\)"):
        gradient_report(hard, (torch.randn(8),))


class _Hides(torch.autograd.Function):
    """Code that hands no gradient on, as a model does that is not to be trained through."""

    @staticmethod
    def forward(ctx: object, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: object, *_: Tensor) -> None:
        return None


@pytest.mark.parametrize("method", [SPSA(), FiniteDifferences(), StraightThrough()], ids=str)
def test_where_code_behind_it_hides_the_gradient_there_is_none_and_nothing_is_run(method: AbstractEstimator) -> None:
    runs = []
    code_ = differentiable(code(lambda x: runs.append(1) or 2 * x, "x -> y"), method)
    x = torch.ones(4, 2, requires_grad=True)
    answer = _Hides.apply(code_(x)).sum()
    before = len(runs)
    answer.backward()
    assert x.grad is None  # zeros would let an optimizer with momentum or weight decay move what lies before
    assert len(runs) == before


def test_an_output_that_received_no_gradient_counts_as_zero_beside_one_that_did() -> None:
    code_ = differentiable(code(lambda x: (2 * x, 3 * x), "x -> y, z"), FiniteDifferences())
    x = torch.ones(4, 2, dtype=torch.float64, requires_grad=True)
    y, z = code_(x)
    (y.sum() + _Hides.apply(z).sum()).backward()
    assert torch.allclose(x.grad, torch.full_like(x, 2.0))


def test_an_estimator_that_leaves_an_input_out_is_refused_by_name() -> None:
    class Forgetful(SPSA):
        def pull_back(self, call: Call, cotangents: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return cotangents[0], None  # type: ignore[return-value]

    a, b = torch.ones(4, 2, requires_grad=True), torch.ones(4, 2, requires_grad=True)
    answer = differentiable(code(lambda a, b: a + b, "a, b -> c"), Forgetful())(a, b)
    with pytest.raises(ComponentError, match="1 gradients for the 2 inputs of 'code', none for b"):
        answer.sum().backward()
