"""Programs over symbols learn from their mean answer: exact where all symbols are tried, right on average elsewhere."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from drivetrain import component
from drivetrain.errors import ComponentError
from drivetrain.gradients import Expected, ScoreFunction, differentiable
from drivetrain.gradients.distributions import without_replacement
from drivetrain.graph.component import Component

RUNS: list[int] = []


def sum_of_digits(first: Tensor, second: Tensor) -> Tensor:
    RUNS.append(len(first))
    total = first.argmax(-1) + second.argmax(-1)
    return nn.functional.one_hot(total, 2 * first.shape[-1] - 1).to(first.dtype)


def adder() -> Component:
    RUNS.clear()
    return component("adder", sum_of_digits, "first, second -> total")


def digits(samples: int = 3, classes: int = 4) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(0)
    logits = torch.randn(2, samples, classes, generator=draws, dtype=torch.float64)
    return logits[0].softmax(-1).requires_grad_(), logits[1].softmax(-1).requires_grad_()


def distribution_of_the_sum(first: Tensor, second: Tensor) -> Tensor:
    classes = first.shape[-1]
    table = torch.zeros(classes, classes, 2 * classes - 1, dtype=first.dtype)
    for a, b in itertools.product(range(classes), repeat=2):
        table[a, b, a + b] = 1
    return torch.einsum("na,nb,abt->nt", first, second, table)


@pytest.mark.parametrize("remember", [1024, 0])
def test_the_mean_answer_over_all_symbols_is_the_distribution_of_the_answer(remember: int) -> None:
    first, second = digits()
    answer = differentiable(adder(), Expected(samples=16, remember=remember))(first, second)
    assert torch.allclose(answer, distribution_of_the_sum(first, second))


def test_in_evaluation_the_program_answers_itself() -> None:
    first, second = digits()
    assert torch.equal(
        differentiable(adder(), Expected()).eval()(first, second), sum_of_digits(first.detach(), second.detach())
    )


def test_each_combination_is_asked_for_once() -> None:
    wrapped = differentiable(adder(), Expected())
    for seed in range(4):
        torch.manual_seed(seed)
        wrapped(torch.randn(8, 4).softmax(-1).requires_grad_(), torch.randn(8, 4).softmax(-1).requires_grad_())
    assert sum(RUNS) == 5 * 8  # once to look, once whether it mixes samples, 16 combinations in two runs, once again


def test_a_program_with_moods_is_not_remembered() -> None:
    def moody(first: Tensor, second: Tensor) -> Tensor:
        return sum_of_digits(first, second) * torch.rand(len(first), 1, dtype=first.dtype)

    RUNS.clear()
    wrapped = differentiable(component("moody", moody, "first, second -> total"), Expected(samples=4))
    wrapped(*digits())
    before = len(RUNS)
    wrapped(*digits())
    assert len(RUNS) - before == 4


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 20), st.lists(st.integers(2, 4), min_size=1, max_size=3), st.integers(0, 1000))
def test_symbols_are_drawn_without_replacement(samples: int, classes: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    rows = [torch.randn(5, k).softmax(-1) for k in classes]
    symbols, log_drawn = without_replacement(rows, samples)
    total = int(torch.tensor(classes).prod())
    assert symbols.shape == (5, len(classes), min(samples, total))
    assert all(len({tuple(c) for c in sample.T.tolist()}) == sample.shape[1] for sample in symbols)
    assert (log_drawn <= 0).all()


@pytest.mark.parametrize("samples", [2, 5, 9])
def test_the_weights_of_drawn_symbols_estimate_any_mean_without_bias(samples: int) -> None:
    torch.manual_seed(0)
    rows = [torch.tensor([[0.6, 0.3, 0.1]]).double(), torch.tensor([[0.2, 0.2, 0.5, 0.1]]).double()]
    worth = torch.arange(12.0).double().reshape(3, 4).square()
    many = [row.repeat(20000, 1) for row in rows]
    symbols, log_drawn = without_replacement(many, samples)
    a, b = symbols.unbind(1)
    estimates = (many[0].gather(1, a) * many[1].gather(1, b) / log_drawn.exp() * worth[a, b]).sum(1)
    wanted = (rows[0].T @ rows[1] * worth).sum()
    assert (estimates.mean() - wanted).abs() < 5 * estimates.std() / 20000**0.5


def test_the_bias_of_few_draws_falls_with_their_number() -> None:
    torch.manual_seed(0)
    first, second = (d[:1].detach().repeat(20000, 1).requires_grad_() for d in digits())
    wanted = distribution_of_the_sum(first, second)[0]
    off = [
        (differentiable(adder(), Expected(samples=m, remember=0))(first, second).mean(0) - wanted).abs().max().item()
        for m in (2, 8, 16)
    ]
    assert off[0] > off[1] > off[2]
    assert off[1] < 0.05
    assert off[2] < 1e-9


@pytest.mark.parametrize("method", [ScoreFunction(), ScoreFunction(samples=2), Expected(changes="gradient")], ids=str)
def test_through_a_softmax_the_gradient_is_exact_on_average(method: ScoreFunction | Expected) -> None:
    torch.manual_seed(0)
    logits = torch.tensor([[0.5, -1.0, 0.2]]).double().repeat(20000, 1).requires_grad_()
    other = torch.tensor([[0.1, 0.7, 0.2]]).double().repeat(20000, 1)
    price = torch.tensor([1.0, -2.0, 0.0, 4.0, 1.0]).double()
    (distribution_of_the_sum(logits.softmax(-1), other) @ price).sum().backward()
    wanted, logits.grad = logits.grad[0], None
    wrapped = differentiable(adder(), method)
    (wrapped(logits.softmax(-1), other.requires_grad_()) @ price).sum().backward()
    error = (logits.grad.mean(0) - wanted).abs()
    assert (error <= 5 * logits.grad.std(0) / 20000**0.5 + 1e-6).all()


def test_the_other_draws_as_baseline_reduce_the_variance() -> None:
    """Adding 100 to every answer changes no gradient; without a baseline it would swamp the estimate."""
    x = torch.linspace(-1, 1, 500, dtype=torch.float64).requires_grad_()
    spreads = []
    for offset in (0.0, 100.0):
        code = component("code", lambda x, offset=offset: x.sin() + offset, "x -> y")
        torch.manual_seed(0)
        differentiable(code, ScoreFunction(scale=1.0))(x).sum().backward()
        spreads.append(x.grad.clone())
        x.grad = None
    assert torch.allclose(spreads[0], spreads[1], atol=1e-9)


def test_numbers_that_are_no_distributions_are_refused_with_what_to_write() -> None:
    with pytest.raises(ComponentError, match=r"the input second of 'adder' holds none.*logits\.softmax\(-1\)"):
        differentiable(adder(), Expected())(digits()[0], torch.randn(3, 4).requires_grad_())
    with pytest.raises(ComponentError, match=r"two at least: ScoreFunction\(samples=2\)"):
        differentiable(adder(), ScoreFunction(samples=1))(*digits())
    with pytest.raises(ComponentError, match=r"changes='both'.*what fits: \"value\""):
        differentiable(adder(), Expected(changes="both"))(*digits())


def test_answers_without_a_mean_are_refused_where_the_value_changes() -> None:
    counting = component("counting", lambda p: (p, p.argmax(-1)), "digit -> chosen, index")
    with pytest.raises(ComponentError, match=r"answers int64 tensor that has none.*Expected\(changes=\"gradient\"\)"):
        differentiable(counting, Expected())(digits()[0])
