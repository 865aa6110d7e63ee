"""Lists of changing length: elements are followed when inputs move; that one appears or vanishes has no gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from drivetrain import component, fit, system
from drivetrain.errors import ComponentError
from drivetrain.gradients import SPSA, Expected, FiniteDifferences, Perturbed, Surrogate, differentiable
from drivetrain.gradients.ragged import Slots
from drivetrain.graph.component import Component
from drivetrain.training import SimultaneousEndLoss


def positives(scores: Tensor) -> list[Tensor]:
    """Those above zero, the largest first."""
    return [row[row > 0].sort(descending=True).values for row in scores]


def kept(signature: str = "scores -> kept[]", function: object = positives) -> Component:
    return component("keep", function, signature)


def scores() -> Tensor:
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("method", [FiniteDifferences(), SPSA(samples=4000, step=1e-4)], ids=lambda m: type(m).__name__)
def test_what_is_kept_has_the_gradient_of_its_numbers(method: object) -> None:
    x = scores()
    answer = differentiable(kept(), method)(x)
    assert all(torch.equal(a, b) for a, b in zip(answer, positives(x.detach()), strict=True))
    sum(value.square().sum() for value in answer).backward()
    assert torch.allclose(x.grad, 2 * x.detach().clamp(min=0), atol=0.25 if isinstance(method, SPSA) else 1e-6)


def test_a_system_learns_through_a_ragged_edge() -> None:
    torch.manual_seed(0)
    reader = component("reader", nn.Linear(2, 4), "signal -> scores")
    keep = differentiable(kept(), Perturbed())

    @system
    def reading(signal: Tensor) -> list[Tensor]:
        return keep(reader(signal))

    def loss(found: list[Tensor], wanted: Tensor) -> Tensor:
        return torch.stack([(f.sum() - w).square() for f, w in zip(found, wanted, strict=True)]).mean()

    signal = torch.randn(64, 2)
    report = fit(
        reading, {"signal": signal, "kept": signal.abs().sum(1)}, SimultaneousEndLoss(loss), epochs=20, batch_size=16,
        optimizer=lambda weights: torch.optim.Adam(weights, 0.03), seed=0,
    )  # fmt: skip
    assert report.history[-1]["loss"] < 0.5 * report.history[0]["loss"]
    (note,) = (note for note in report.notes if "estimated" in note)
    assert "of elements vanish when inputs move" in note


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(-9, 9), max_size=4, unique=True), min_size=1, max_size=4), st.randoms())
def test_elements_are_followed_whatever_their_order_is(rows: list[list[int]], random: object) -> None:
    own = [torch.tensor(row, dtype=torch.float64).reshape(-1, 1) for row in rows]
    slots = Slots(kept(), "kept", own)
    shuffled = [row[torch.tensor(random.sample(range(len(row)), len(row)), dtype=torch.long)] for row in own]
    assert torch.equal(slots.follow([row + 0.2 for row in shuffled]), slots.values + 0.2 * _there(slots))
    assert all(torch.equal(a, b) for a, b in zip(slots.out_of(slots.values), own, strict=True))


def _there(slots: Slots) -> Tensor:
    width = slots.values.shape[1]
    return torch.stack([(torch.arange(width) < count).double().unsqueeze(1) for count in slots.counts])


def test_an_element_without_a_successor_stands_still_and_is_counted() -> None:
    slots = Slots(kept(), "kept", [torch.tensor([1.0, 5.0]), torch.tensor([2.0])])
    assert torch.equal(slots.follow([torch.tensor([5.5]), torch.zeros(0)]), torch.tensor([[1.0, 5.5], [2.0, 0.0]]))
    assert slots.lost == [2, 3]


def test_lists_may_all_be_empty() -> None:
    x = -scores().detach().abs()
    x.requires_grad_()
    answer = differentiable(kept(), SPSA())(x)
    assert [len(value) for value in answer] == [0] * 6
    sum(value.sum() for value in answer).backward()
    assert not x.grad.any()


def test_ragged_edges_without_numbers_pass_beside_those_with() -> None:
    def both(scores: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        return positives(scores), [(row > 0).nonzero().squeeze(1) for row in scores]

    x = scores()
    values, places = differentiable(kept("scores -> kept[], places[]", both), FiniteDifferences())(x)
    assert [len(place) for place in places] == [len(value) for value in values]
    assert places[0].dtype == torch.long
    sum(value.sum() for value in values).backward()
    assert torch.allclose(x.grad, (x.detach() > 0).double())


def test_elements_that_are_no_rows_of_a_tensor_are_refused_with_what_to_write() -> None:
    def as_dicts(scores: Tensor) -> list[object]:
        return [{"kept": row[row > 0]} for row in scores]

    def uneven(scores: Tensor) -> list[Tensor]:
        return [torch.zeros(1, 1 + k) for k in range(len(scores))]

    with pytest.raises(ComponentError, match=r"kept\[\] with .*dict.*torch\.stack\(elements\)"):
        differentiable(kept(function=as_dicts), SPSA())(scores())
    with pytest.raises(ComponentError, match=r"a tensor of shape \(1, 1\), a tensor of shape \(1, 2\)"):
        differentiable(kept(function=uneven), SPSA())(scores())


def test_estimators_that_cannot_take_lists_say_which_can() -> None:
    with pytest.raises(ComponentError, match=r"lists of changing length; estimators that take those: Perturbed"):
        differentiable(kept(), Surrogate())(scores())
    with pytest.raises(ComponentError, match=r"lists of changing length have none.*changes=\"gradient\""):
        differentiable(kept(), Expected())(scores().detach().softmax(-1).requires_grad_())
