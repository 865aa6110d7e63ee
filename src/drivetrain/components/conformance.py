"""The exam of an adapter: what a model of any framework must do inside a system. Third parties can run it too."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from drivetrain.components.fitting import FittingModule
from drivetrain.components.foreign import ForeignComponent, ForeignModule, hand_back, key_of
from drivetrain.graph.component import Component

STEP, TOLERANCE = 1e-2, 2e-2  # of finite differences of a model that computes in float32


def examine(make: Callable[[], Component], *inputs: Tensor) -> None:
    """Raise an AssertionError that says what is wrong with the components that `make` answers.

    Args:
        make: a new component around a new model, with the same weights each time; smooth, since its numbers are moved.
        inputs: what it is called with, [batch, ...] each.
    """
    for question in (
        _gradients_equal_finite_differences,
        _frozen_weights_get_no_gradient,
        _a_written_weight_reaches_the_users_object,
        _a_weight_written_behind_torchs_back_reaches_it_too,
        _evaluation_leaves_the_state_alone,
        _the_state_is_all_there_is,
        _copies_are_independent,
        _copies_go_on_like_the_original,
        _the_way_back_is_gone_twice,
        _an_overwritten_value_is_refused_on_the_way_back,
    ):
        question(make(), *inputs)
    _a_second_model_takes_the_state_of_the_first(make, make(), *inputs)


def _gradients_equal_finite_differences(component: Component, *inputs: Tensor) -> None:
    component.eval()
    moved = [value.clone().requires_grad_(value.is_floating_point()) for value in inputs]
    answer = _floats(component(*moved))
    directions = [torch.linspace(-1, 1, value.numel()).reshape(value.shape).to(value) for value in answer]

    def slope(*values: Tensor) -> float:
        with torch.no_grad():
            parts = zip(_floats(component(*values)), directions, strict=True)
            return float(sum((part.double() * direction.double()).sum() for part, direction in parts))

    torch.autograd.backward(answer, directions)
    for place, value in enumerate(moved):
        if value.is_floating_point():
            others = [part.detach().clone() for part in moved]
            _compare(f"input {place}", others[place], value.grad, partial(slope, *others))
    plain = [value.detach() for value in moved]
    for name, weight in _learning(component).items():
        _compare(f"weight {name}", weight.data, weight.grad, lambda: slope(*plain), weight)


def _compare(
    what: str, value: Tensor, found: Tensor | None, slope: Callable[[], float], owner: Tensor | None = None
) -> None:
    assert found is not None, f"{what} got no gradient"
    for place in range(min(value.numel(), 12)):
        sides = []
        for sign in (1, -1):
            with torch.no_grad():
                (value if owner is None else owner).view(-1)[place] += sign * STEP
            sides.append(slope())
            with torch.no_grad():
                (value if owner is None else owner).view(-1)[place] -= sign * STEP
        expected, got = (sides[0] - sides[1]) / (2 * STEP), float(found.reshape(-1)[place])
        assert abs(expected - got) <= TOLERANCE * max(1.0, abs(expected)), (
            f"{what}, number {place}: its gradient is {got:.5g}, finite differences say {expected:.5g}"
        )


def _frozen_weights_get_no_gradient(component: Component, *inputs: Tensor) -> None:
    component.requires_grad_(False)
    moved = [value.clone().requires_grad_(value.is_floating_point()) for value in inputs]
    torch.autograd.backward(torch.stack([part.sum() for part in _floats(component(*moved))]).sum())
    assert all(weight.grad is None for weight in component.parameters()), "a frozen weight got a gradient"
    assert any(value.grad is not None for value in moved), "nothing flows through a frozen model to what lies upstream"
    with torch.no_grad():
        assert not any(part.requires_grad for part in _floats(component(*moved))), (
            "it tapes where nobody asked for a tape"
        )


def _a_written_weight_reaches_the_users_object(component: Component, *inputs: Tensor) -> None:
    component.eval()
    before = _run(component, *inputs)
    with torch.no_grad():
        for weight in _learning(component).values():
            weight.add_(0.5)
    after = _run(component, *inputs)
    if _learning(component):
        assert not _same(before, after), "what an optimizer writes into the weights does not change the answer"
    if isinstance(component, ForeignComponent) and isinstance(component.module, ForeignModule):
        hand_back(component)
        for name, value in component.module.model.weights().items():
            own = component.module.weights[key_of(name)]
            assert torch.equal(own.detach(), value), f"the user's object does not hold the new {name}"


def _a_weight_written_behind_torchs_back_reaches_it_too(component: Component, *inputs: Tensor) -> None:
    """As optimizers do that write into `weight.data`: torch counts no change there."""
    component.eval()
    before = _run(component, *inputs)
    torch.stack([part.sum() for part in _floats(component(*inputs))]).sum().backward()
    for weight in _learning(component).values():
        if weight.grad is not None:
            weight.data.sub_(0.5)
            weight.grad = None
    if _learning(component):
        assert not _same(before, _run(component, *inputs)), "a step of an optimizer that writes into .data is lost"


def _evaluation_leaves_the_state_alone(component: Component, *inputs: Tensor) -> None:
    before = _state(component.eval())
    _run(component, *inputs)
    assert _same(before, _state(component)), "a run in evaluation mode changed its state"


def _the_state_is_all_there_is(component: Component, *inputs: Tensor) -> None:
    component.train()
    first = _state(component)
    answers = [_run(component, *inputs) for _ in range(2)]
    later = _state(component)
    component.load_state_dict(first)
    assert _same(answers[0], _run(component, *inputs)), "the first state does not bring the first answer back"
    assert _same(answers[1], _run(component, *inputs)), "the first state does not bring the second answer back"
    assert _same(later, _state(component)), "the same run from the same state ends in another one"


def _a_second_model_takes_the_state_of_the_first(
    make: Callable[[], Component], component: Component, *inputs: Tensor
) -> None:
    """As a checkpoint does in the process that resumes: weights have the same names there."""
    component.train()
    _run(component, *inputs)
    other = make().train()
    other.load_state_dict(component.state_dict())
    assert _same(_run(component, *inputs), _run(other, *inputs)), "another model with its state answers something else"


def _copies_are_independent(component: Component, *inputs: Tensor) -> None:
    component.eval()
    answer = _run(component, *inputs)
    for what, twin in (("deep copy", copy.deepcopy(component)), ("pickle", pickle.loads(pickle.dumps(component)))):
        assert _same(answer, _run(twin, *inputs)), f"a {what} answers something else"
        with torch.no_grad():
            for weight in _learning(twin).values():
                weight.zero_()
        _run(twin, *inputs)
        assert _same(answer, _run(component, *inputs)), f"a {what} shares its weights with the original"


def _copies_go_on_like_the_original(component: Component, *inputs: Tensor) -> None:
    """In training mode: with the same statistics, and the same random numbers where the model owns a generator."""
    component.train()
    _run(component, *inputs)
    twins = [component, copy.deepcopy(component), pickle.loads(pickle.dumps(component))]
    torch_state = torch.get_rng_state()
    answers, states = [], []
    for twin in twins:
        torch.set_rng_state(torch_state)
        answers.append(_run(twin, *inputs))
        states.append(_state(twin))
    for what, answer, state in zip(("deep copy", "pickle"), answers[1:], states[1:], strict=True):
        assert _same(answers[0], answer), f"in training mode a {what} answers something else"
        assert _same(states[0], state), f"in training mode a {what} ends in another state"


def _the_way_back_is_gone_twice(component: Component, *inputs: Tensor) -> None:
    """As where branches' gradients are merged: each loss goes back through the trunk on its own."""
    moved = [value.clone().requires_grad_(value.is_floating_point()) for value in inputs]
    answer = torch.stack([part.sum() for part in _floats(component.eval()(*moved))]).sum()
    wanted = [value for value in (*moved, *_learning(component).values()) if value.requires_grad]
    first = torch.autograd.grad(answer, wanted, retain_graph=True, allow_unused=True)
    second = torch.autograd.grad(answer, wanted, allow_unused=True)
    for one, other in zip(first, second, strict=True):
        assert (one is None) == (other is None), "the second way back reaches other weights than the first"
        assert one is None or torch.equal(one, other), "the second way back answers other gradients than the first"


def _an_overwritten_value_is_refused_on_the_way_back(component: Component, *inputs: Tensor) -> None:
    """A framework shares its memory with torch, so what is overwritten there would make its gradients wrong."""
    moved = [value.clone().requires_grad_(value.is_floating_point()) for value in inputs]
    expected = torch.autograd.grad(_weighted(_floats(component.eval()(*moved))), moved, allow_unused=True)
    answer = _floats(component(*moved))
    total = _weighted(answer)
    with torch.no_grad():
        for part in (*moved, *answer):
            if part.is_floating_point():
                part.zero_()
    try:
        found = torch.autograd.grad(total, moved, allow_unused=True)
    except RuntimeError:
        return
    for one, other in zip(expected, found, strict=True):
        assert one is None or torch.equal(one, other), "a value was overwritten, and the gradients are silently wrong"


def _weighted(parts: list[Tensor]) -> Tensor:
    return torch.stack([(part * torch.linspace(-1, 1, part.numel()).reshape(part.shape)).sum() for part in parts]).sum()


def _learning(component: Component) -> dict[str, nn.Parameter]:
    fitted = {id(part.asked) for part in component.modules() if isinstance(part, FittingModule)}  # a flag, no number
    return {
        n: weight for n, weight in component.named_parameters() if weight.requires_grad and id(weight) not in fitted
    }


def _floats(answer: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(answer) if isinstance(leaf, Tensor) and leaf.is_floating_point()]


def _run(component: Component, *inputs: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        return {str(place): value.clone() for place, value in enumerate(_floats(component(*inputs)))}


def _state(component: Component) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in component.state_dict().items()}


def _same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())
