"""Without a method one is chosen by what the code answers and what a call costs; which, why and how well is said."""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor, nn

from drivetrain import component, fit, system
from drivetrain.errors import DeclarationError
from drivetrain.gradients import (
    IMLE,
    SPSA,
    Automatic,
    Expected,
    FiniteDifferences,
    Perturbed,
    StraightThrough,
    Surrogate,
    differentiable,
)
from drivetrain.gradients.automatic import CHOICES
from drivetrain.graph.component import Component
from drivetrain.training import SimultaneousEndLoss


def code(function: object, signature: str = "x -> y") -> Component:
    return component("code", function, signature)


def batch(width: int = 3) -> Tensor:
    return torch.randn(64, width, generator=torch.Generator().manual_seed(0)).requires_grad_()


def top_two(x: Tensor) -> Tensor:
    return torch.zeros_like(x).scatter(-1, x.topk(2, -1).indices, 1.0)


def slow(x: Tensor) -> Tensor:
    time.sleep(0.02)
    return x.round()


@pytest.mark.parametrize(
    ("function", "width", "chosen", "why"),
    [
        (lambda x: (x > 0).float(), 3, Perturbed, "in jumps"),
        (lambda x: torch.cat([x, (x[:, :1] > 0).float()], 1), 2, Perturbed, "33% of an answer"),
        (lambda x: x.argmin(-1).float(), 3, Perturbed, "discrete"),
        (top_two, 6, IMLE, "picks what is best under x (the highest)"),
        (lambda x: top_two(-x), 6, IMLE, "picks what is best under x (the lowest)"),
        (lambda x: x.round(), 6, Perturbed, "in jumps"),
        (lambda x: x.sin(), 3, FiniteDifferences, "continuous, and it has few inputs (3 in a sample)"),
        (lambda x: x.square().sum(-1), 40, SPSA, "many inputs (40 in a sample)"),
        (lambda x: torch.ones(len(x)), 3, Perturbed, "did not change"),
        (lambda x: [row[row > 0] for row in x], 3, FiniteDifferences, "ragged"),
        (lambda x: x - x.mean(0), 3, SPSA, "it mixes the samples of a batch, which therefore moves as one"),
        (lambda x: x.argsort(0).argsort(0).float(), 3, Perturbed, "mixes the samples"),
    ],
)
def test_without_a_method_one_is_chosen_by_what_the_answer_is(
    function: object, width: int, chosen: type, why: str
) -> None:
    wrapped = differentiable(code(function, "x -> y[]" if why == "ragged" else "x -> y"))
    assert "chosen at the first batch" in repr(wrapped)
    before = torch.get_rng_state()
    wrapped(batch(width))
    assert type(wrapped.method) is chosen
    assert why in wrapped.why
    assert wrapped.why in repr(wrapped)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("function", "signature", "chosen", "words"),
    [
        (slow, "x -> y", Surrogate, r"a call is dear \(0\.0\d+ s\), so a network"),
        (lambda x: list(slow(x)), "x -> y[]", Perturbed, r"ragged, a call is dear .* so few are made"),
    ],
)
def test_code_that_is_dear_is_run_as_little_as_can_be(
    function: object, signature: str, chosen: type, words: str
) -> None:
    wrapped = differentiable(code(function, signature), Automatic(dear=0.01))
    wrapped(batch())
    assert type(wrapped.method) is chosen
    assert wrapped.method.calls(3) <= 4
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(wrapped.why)


@pytest.mark.parametrize(
    ("function", "changes", "why"),
    [
        (lambda p: nn.functional.one_hot(p.argmax(-1), 3).to(p.dtype), "value", "distribution of that choice"),
        (lambda p: 5.0 * p.argmax(-1).to(p.dtype), "gradient", "its value stays"),
    ],
)
def test_code_that_picks_from_distributions_gets_its_mean_answer(function: object, changes: str, why: str) -> None:
    wrapped = differentiable(code(function, "digit -> picked"))
    digit = batch().detach()[:8].softmax(-1).requires_grad_()
    answer = wrapped(digit)
    assert isinstance(wrapped.method, Expected)
    assert wrapped.method.changes == changes
    assert why in repr(wrapped)
    assert torch.allclose(answer, digit if changes == "value" else function(digit.detach()))


def test_the_choice_is_part_of_the_state_and_is_not_made_again() -> None:
    runs = []
    hard = lambda x: (runs.append(1), (x > 0).float())[1]  # noqa: E731 - as a user writes it
    first, second = (differentiable(code(hard)) for _ in range(2))
    first(batch())
    second.load_state_dict(first.state_dict())
    before = len(runs)
    second(batch())
    assert (second.method, second.why) == (first.method, first.why)
    assert len(runs) - before <= 3  # its value, and whether it mixes samples


def test_code_that_differs_from_run_to_run_is_not_asked_by_small_steps() -> None:
    draws = torch.Generator().manual_seed(0)
    wrapped = differentiable(code(lambda x: x * torch.rand(x.shape, generator=draws)))
    wrapped(batch())
    assert isinstance(wrapped.method, Perturbed)
    assert "differs from run to run" in wrapped.why


def test_code_that_fails_beside_its_inputs_says_why_it_was_run_there() -> None:
    def positive(x: Tensor) -> Tensor:
        if (x < 0).any():
            raise ValueError("a negative length")
        return x.round()

    with pytest.raises(ValueError, match="a negative length") as failure:
        differentiable(code(positive))((torch.rand(8, 3) * 0.1).requires_grad_())
    assert "'code' was run at inputs a little beside those it was given" in failure.value.__notes__[0]


def test_a_frozen_forest_lets_the_gradient_through_to_the_model_before_it() -> None:
    from sklearn.ensemble import RandomForestClassifier

    torch.manual_seed(0)
    points = torch.randn(200, 4)
    trees = RandomForestClassifier(10, random_state=0).fit(points.numpy(), (points[:, 0] * points[:, 1] > 0).numpy())
    reader = component("reader", nn.Linear(6, 4), "signal -> features")
    forest = component("forest", trees, "features -> label")
    with pytest.raises(DeclarationError, match=r"has weights that learn.*forest\.requires_grad_\(False\)"):
        differentiable(forest)
    forest.requires_grad_(False)
    through = differentiable(forest)

    @system
    def net(signal: Tensor) -> Tensor:
        return through(reader(signal))

    def loss(found: Tensor, wanted: Tensor) -> Tensor:
        return -found.clamp_min(1e-2).log().gather(1, wanted.unsqueeze(1)).float().mean()

    signal = torch.randn(128, 6)
    data = {"signal": signal, "label": (signal[:, 0] > 0).long()}
    adam = lambda weights: torch.optim.Adam(weights, 0.03)  # noqa: E731 - as a user writes it
    report = fit(net, data, SimultaneousEndLoss(loss), epochs=6, seed=0, optimizer=adam)
    assert report.history[-1]["loss"] < 0.8 * report.history[0]["loss"]
    assert net.models == ("reader",)


def test_whatever_may_be_chosen_can_be_read_from_a_state() -> None:
    assert {type(m).__name__ for m in (SPSA(), Perturbed(), FiniteDifferences(), Surrogate(), Expected())} < set(
        CHOICES
    )


def test_the_noise_of_the_first_gradient_and_silent_samples_are_noticed_and_said() -> None:
    wrapped = differentiable(code(lambda x: (x > 0).float()))
    assert wrapped.noticed is None
    before = torch.get_rng_state()
    x = batch()
    wrapped(x).sum().backward()
    moved = torch.get_rng_state()
    torch.set_rng_state(before)
    named = differentiable(code(lambda x: (x > 0).float()), Perturbed())
    named(x.detach().requires_grad_()).sum().backward()
    assert torch.equal(torch.get_rng_state(), moved), "looking at the noise drew from torch's generator"
    assert wrapped.noticed.noise > 0.5
    assert named.noticed.noise is None
    assert wrapped.noticed.silent < 0.2
    assert "noise of one estimate" in repr(wrapped)


def test_samples_of_which_the_loss_asks_nothing_are_not_called_silent() -> None:
    wrapped = differentiable(code(lambda x: x.round()), StraightThrough())
    wrapped(batch())[:4].sum().backward()
    assert wrapped.memory.content["noticed"]["asked"] == 4
    assert wrapped.noticed.silent == 0


def test_fit_says_how_the_gradient_came_and_whom_it_did_not_reach() -> None:
    reader = component("reader", nn.Linear(3, 2), "signal -> scores")
    far = differentiable(component("far", lambda scores: (scores > 100).float(), "scores -> flags"), SPSA(step=0.01))
    judge = component("judge", nn.Linear(2, 1), "flags -> verdict")

    @system
    def net(signal: Tensor) -> Tensor:
        return judge(far(reader(signal)))

    data = {"signal": torch.randn(32, 3), "verdict": torch.randn(32, 1)}
    report = fit(net, data, SimultaneousEndLoss(nn.functional.mse_loss), epochs=1)
    (note,) = (note for note in report.notes if "estimated" in note)
    assert "through 'far' was estimated (SPSA): 100% of samples without any" in note
    assert "a larger step reaches farther" in note
