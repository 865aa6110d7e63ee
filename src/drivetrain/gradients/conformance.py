"""The exam that every gradient estimator sits, ours and yours: ``examine(MyEstimator())``, or one question a test."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from drivetrain.gradients.base import AbstractEstimator, DifferentiableComponent
from drivetrain.graph.component import Component
from drivetrain.graph.signature import Signature

SAMPLES = 4096  # copies of one sample, each with its own draw: their mean estimates the expectation


def examine(estimator: AbstractEstimator) -> None:
    """Ask every question in turn.

    Raises:
        AssertionError: the estimator fails; the message lists every question it failed, with what was found.
    """
    failures = []
    for question in QUESTIONS:
        try:
            question(estimator)
        except Exception as failure:
            failures.append(f"{question.__name__}: {failure}")
    if failures:
        raise AssertionError(f"{estimator} fails {len(failures)} of {len(QUESTIONS)}:\n" + "\n".join(failures))


def the_value_is_the_codes_own(estimator: AbstractEstimator) -> None:
    """Forward the answer is the hard one, bit by bit; in training too, unless the estimator says it changes that."""
    values, gains = _inputs(estimator)
    for training in (True, False) if estimator.changes == "gradient" else (False,):
        wrapped = _wrapped(estimator, _round).train(training)
        assert torch.equal(wrapped(values, gains), _round(values, gains)), "the forward value differs from the code's"


def smooth_code_has_its_true_gradient_in_expectation(estimator: AbstractEstimator) -> None:
    """The mean over many draws is autograd's gradient, within five standard errors; asked of faithful estimators.

    On every ground of the estimator: of numbers, the gradient of smooth code; of distributions, that of the expected
    answer, but for a constant over the symbols, which probabilities of sum 1 cannot feel.
    """
    for ground in estimator.grounds:
        values, gains = (value.detach()[:1].repeat(SAMPLES, 1).requires_grad_() for value in _inputs_on(ground))
        smooth, cotangent = _CODE[ground], _cotangent(values)
        wanted = torch.autograd.grad(smooth(values, gains), (values, gains), cotangent)
        found = torch.autograd.grad(_wrapped(estimator, smooth)(values, gains), (values, gains), cotangent)
        for name, true, estimate in zip(("values", "gains"), wanted, found, strict=True):
            assert estimate.isfinite().all(), f"the gradient of {name} is not finite"
            if estimator.faithful:
                felt_true, felt = (
                    g - g.mean(-1, keepdim=True) if ground == "distributions" else g for g in (true, estimate)
                )
                error = (felt.mean(0) - felt_true[0]).abs()
                allowed = 5 * felt.std(0) / SAMPLES**0.5 + 1e-4 * felt_true[0].abs().max()
                assert (error <= allowed).all(), f"the mean gradient of {name} is off by {error}, allowed is {allowed}"


def each_sample_answers_for_itself(estimator: AbstractEstimator) -> None:
    """A sample whose cotangent is zero gets no gradient."""
    values, gains = _inputs(estimator)
    cotangent = _cotangent(values)
    cotangent[1:] = 0
    found = torch.autograd.grad(_wrapped(estimator, _smooth_for(estimator))(values, gains), values, cotangent)[0]
    assert found[0].abs().sum() > 0, "the sample with a cotangent got no gradient"
    assert not found[1:].any(), "samples whose cotangent is zero got a gradient"


def the_same_seed_gives_the_same_gradient(estimator: AbstractEstimator) -> None:
    """``torch.manual_seed`` rules."""
    assert torch.equal(_gradient(estimator, seed=1), _gradient(estimator, seed=1)), "two runs of one seed differ"


def nothing_extra_runs_where_no_gradient_is_wanted(estimator: AbstractEstimator) -> None:
    """One call is one run, where nothing requires a gradient or gradients are off."""
    values, gains = _inputs(estimator)
    wrapped = _wrapped(estimator, _smooth_for(estimator))
    answer = wrapped(values.detach(), gains.detach())
    assert not answer.requires_grad, "an answer to inputs without gradients requires one"
    with torch.no_grad():
        wrapped(values, gains)
    assert _runs(wrapped) == 2, f"the code ran {_runs(wrapped)} times for two calls"


def inputs_that_need_no_gradient_are_left_alone(estimator: AbstractEstimator) -> None:
    """Data are never moved, only what models answered."""
    values, gains = _inputs(estimator)
    seen = []

    def watching(values: Tensor, gains: Tensor) -> Tensor:
        seen.append(gains)
        return _smooth_for(estimator)(values, gains)

    _wrapped(estimator, watching)(values, gains.detach()).sum().backward()
    assert all(torch.equal(gain, gains) for gain in seen), "an input without need of a gradient was moved"


def it_costs_what_it_declares(estimator: AbstractEstimator) -> None:
    """``calls`` tells how often, at most, a pass forward and back runs the code beside the run for its value."""
    values, gains = _inputs(estimator)
    wrapped = _wrapped(estimator, _smooth_for(estimator))
    wrapped(values, gains).sum().backward()  # the first pass may look at the code once
    before = _runs(wrapped)
    wrapped(values, gains).sum().backward()
    found, declared = _runs(wrapped) - before - 1, estimator.calls(n_inputs=4)
    assert found <= declared, f"calls(4) declares {declared}, and the code ran {found} times"


def inputs_stay_as_they_were(estimator: AbstractEstimator) -> None:
    """Nothing is written in place."""
    values, gains = _inputs(estimator)
    before = values.detach().clone()
    _wrapped(estimator, _smooth_for(estimator))(values, gains).sum().backward()
    assert torch.equal(values, before), "an input was written to"


def nested_values_flow(estimator: AbstractEstimator) -> None:
    """Dicts and tuples of tensors go in and come out; other values among them pass unchanged."""
    values, gains = _inputs(estimator)
    torch.manual_seed(1)
    nested = _Nested(_smooth_for(estimator))
    answer = _wrapped(estimator, nested).train(estimator.changes == "gradient")(
        {"values": values, "there": torch.ones(5).long()}, (gains,)
    )
    answer["parts"][0].backward(_cotangent(values))
    assert answer["count"] == 5, "a value that is no floating-point tensor was changed"
    assert values.grad is not None, "no gradient reached a nested input"
    assert torch.allclose(values.grad, _gradient(estimator, seed=1)), (
        "nested values got another gradient than flat ones"
    )


def strided_inputs_get_the_same_gradient(estimator: AbstractEstimator) -> None:
    """Memory layout does not matter."""
    values, gains = _inputs(estimator)
    strided = values.detach().T.contiguous().T.requires_grad_()
    torch.manual_seed(1)
    _wrapped(estimator, _smooth_for(estimator))(strided, gains).backward(_cotangent(values))
    wanted = _gradient(estimator, seed=1)
    assert strided.grad is not None
    assert strided.grad.shape == wanted.shape, "the gradient has another shape"
    assert torch.allclose(strided.grad, wanted), "the gradient depends on the memory layout"


def the_number_type_is_kept(estimator: AbstractEstimator) -> None:
    """Values and gradients have the number type of the inputs."""
    for dtype in (torch.float32, torch.float64):
        values, gains = (value.detach().to(dtype).requires_grad_() for value in _inputs(estimator))
        answer = _wrapped(estimator, _smooth_for(estimator))(values, gains)
        answer.sum().backward()
        assert answer.dtype == dtype, f"the value of {dtype} is {answer.dtype}"
        assert values.grad is not None
        assert values.grad.dtype == dtype, f"the gradient of {dtype} is {values.grad.dtype}"


def constants_reach_the_code(estimator: AbstractEstimator) -> None:
    """Keywords are handed on."""
    values, gains = _inputs(estimator)
    wrapped = _wrapped(estimator, _smooth_for(estimator)).train(estimator.changes == "gradient")
    answer = wrapped(values, gains, shift=2.0)
    answer.sum().backward()
    assert torch.equal(answer, _smooth_for(estimator)(values, gains, shift=2.0)), "a keyword was lost"


def copies_and_pickles_work(estimator: AbstractEstimator) -> None:
    """A deep copy and an unpickled twin give the same gradient from the same seed."""
    wrapped = _wrapped(estimator, _smooth_for(estimator))
    wanted = _gradient(estimator, seed=1)
    for twin in (copy.deepcopy(wrapped), pickle.loads(pickle.dumps(wrapped))):
        values, gains = _inputs(estimator)
        torch.manual_seed(1)
        twin(values, gains).backward(_cotangent(values))
        assert values.grad is not None
        assert torch.equal(values.grad, wanted), "a copy has another gradient"


QUESTIONS: tuple[Callable[[AbstractEstimator], None], ...] = (
    the_value_is_the_codes_own,
    smooth_code_has_its_true_gradient_in_expectation,
    each_sample_answers_for_itself,
    the_same_seed_gives_the_same_gradient,
    nothing_extra_runs_where_no_gradient_is_wanted,
    inputs_that_need_no_gradient_are_left_alone,
    it_costs_what_it_declares,
    inputs_stay_as_they_were,
    nested_values_flow,
    strided_inputs_get_the_same_gradient,
    the_number_type_is_kept,
    constants_reach_the_code,
    copies_and_pickles_work,
)


class _Code(Component):
    """The code under exam; counts its runs."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__("code", Signature.parse("values, gains -> answer"))
        self.function = function
        self.count = 0

    @property
    def thing(self) -> Any:
        return self.function

    def forward(self, *values: Any, **constants: Any) -> Any:
        self.count += 1
        return self.function(*values, **constants)


def _wrapped(estimator: AbstractEstimator, function: Callable[..., Any]) -> DifferentiableComponent:
    return DifferentiableComponent(_Code(function), estimator)


def _runs(wrapped: DifferentiableComponent) -> int:
    assert isinstance(wrapped.wrapped, _Code)
    return wrapped.wrapped.count


def _gradient(estimator: AbstractEstimator, seed: int) -> Tensor:
    values, gains = _inputs(estimator)
    torch.manual_seed(seed)
    _wrapped(estimator, _smooth_for(estimator))(values, gains).backward(_cotangent(values))
    assert values.grad is not None
    return values.grad


def _inputs(estimator: AbstractEstimator) -> tuple[Tensor, Tensor]:
    return _inputs_on(estimator.grounds[0])


def _inputs_on(ground: str) -> tuple[Tensor, Tensor]:
    """Five samples: values [5, 3] and gains [5, 1], so four numbers each; or distributions, [5, 3] twice."""
    draws = torch.Generator().manual_seed(0)
    values = torch.randn(5, 3, generator=draws, dtype=torch.float64)
    if ground == "distributions":
        gains = torch.randn(5, 3, generator=draws, dtype=torch.float64)
        return values.softmax(-1).requires_grad_(), gains.softmax(-1).requires_grad_()
    gains = torch.rand(5, 1, generator=draws, dtype=torch.float64) + 0.5
    return values.requires_grad_(), gains.requires_grad_()


def _cotangent(values: Tensor) -> Tensor:
    return torch.tensor([1.0, -0.5, 2.0], dtype=values.dtype).expand_as(values).clone()


def _smooth(values: Tensor, gains: Tensor, shift: float = 0.0) -> Tensor:
    return gains * values + torch.sin(values) * values.flip(-1) + shift


def _expected(values: Tensor, gains: Tensor, shift: float = 0.0) -> Tensor:
    """Linear in each distribution, so that the mean answer over drawn symbols is the answer to the distributions."""
    table = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0], [-1.0, 0.3, 2.0]], dtype=values.dtype)
    return torch.stack([((values.roll(k, -1) @ table) * gains).sum(-1) for k in range(3)], -1) + shift


_CODE: dict[str, Callable[..., Tensor]] = {"numbers": _smooth, "distributions": _expected}


def _smooth_for(estimator: AbstractEstimator) -> Callable[..., Tensor]:
    return _CODE[estimator.grounds[0]]


def _round(values: Tensor, gains: Tensor) -> Tensor:
    return (gains * values).round()


@dataclass(frozen=True)
class _Nested:
    smooth: Callable[..., Tensor]

    def __call__(self, boxes: dict[str, Tensor], more: tuple[Tensor]) -> dict[str, Any]:
        return {"parts": [self.smooth(boxes["values"], more[0])], "count": boxes["there"].sum()}
