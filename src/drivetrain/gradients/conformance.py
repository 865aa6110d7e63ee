"""The exam that every gradient estimator sits, ours and yours: ``examine(MyEstimator())``, or one question a test."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable

import torch
from torch import Tensor

from drivetrain.gradients.base import AbstractEstimator
from drivetrain.gradients.examined import (
    CODE,
    Nested,
    cotangent_for,
    gradient,
    gradient_of_a_pass,
    inputs_for,
    inputs_on,
    rounding,
    runs,
    smooth,
    smooth_for,
    wrapped_by,
)

SAMPLES = 4096  # copies of one sample, each with its own draw: their mean estimates the expectation
LESSONS = 300  # batches of 64 until an estimator that learns is examined


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
    values, gains = inputs_for(estimator)
    for training in (True, False) if estimator.changes == "gradient" else (False,):
        wrapped = wrapped_by(estimator, rounding).train(training)
        assert torch.equal(wrapped(values, gains), rounding(values, gains)), "the forward value differs from the code's"


def smooth_code_has_its_true_gradient_in_expectation(estimator: AbstractEstimator) -> None:
    """The mean over many draws is autograd's gradient, within five standard errors; asked of faithful estimators.

    On every ground of the estimator: of numbers, the gradient of smooth code; of distributions, that of the expected
    answer, but for a constant over the symbols, which probabilities of sum 1 cannot feel.
    """
    for ground in estimator.grounds:
        values, gains = (value.detach()[:1].repeat(SAMPLES, 1).requires_grad_() for value in inputs_on(ground))
        code, cotangent = CODE[ground], cotangent_for(values)
        wanted = torch.autograd.grad(code(values, gains), (values, gains), cotangent)
        found = torch.autograd.grad(wrapped_by(estimator, code)(values, gains), (values, gains), cotangent)
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
    values, gains = inputs_for(estimator)
    cotangent = cotangent_for(values)
    cotangent[1:] = 0
    found = torch.autograd.grad(wrapped_by(estimator, smooth_for(estimator))(values, gains), values, cotangent)[0]
    assert found[0].abs().sum() > 0, "the sample with a cotangent got no gradient"
    assert not found[1:].any(), "samples whose cotangent is zero got a gradient"


def the_same_seed_gives_the_same_gradient(estimator: AbstractEstimator) -> None:
    """``torch.manual_seed`` rules."""
    assert torch.equal(gradient(estimator, seed=1), gradient(estimator, seed=1)), "two runs of one seed differ"


def nothing_extra_runs_where_no_gradient_is_wanted(estimator: AbstractEstimator) -> None:
    """One call is one run, where nothing requires a gradient or gradients are off."""
    values, gains = inputs_for(estimator)
    wrapped = wrapped_by(estimator, smooth_for(estimator))
    answer = wrapped(values.detach(), gains.detach())
    assert not answer.requires_grad, "an answer to inputs without gradients requires one"
    with torch.no_grad():
        wrapped(values, gains)
    assert runs(wrapped) == 2, f"the code ran {runs(wrapped)} times for two calls"


def inputs_that_need_no_gradient_are_left_alone(estimator: AbstractEstimator) -> None:
    """Data are never moved, only what models answered."""
    values, gains = inputs_for(estimator)
    seen = []

    def watching(values: Tensor, gains: Tensor) -> Tensor:
        seen.append(gains)
        return smooth_for(estimator)(values, gains)

    wrapped_by(estimator, watching)(values, gains.detach()).sum().backward()
    assert all(torch.equal(gain, gains) for gain in seen), "an input without need of a gradient was moved"


def it_costs_what_it_declares(estimator: AbstractEstimator) -> None:
    """``calls`` tells how often, at most, a pass forward and back runs the code beside the run for its value."""
    values, gains = inputs_for(estimator)
    wrapped = wrapped_by(estimator, smooth_for(estimator))
    wrapped(values, gains).sum().backward()  # the first pass may look at the code once
    before = runs(wrapped)
    wrapped(values, gains).sum().backward()
    found, declared = runs(wrapped) - before - 1, estimator.calls(n_inputs=4)
    assert found <= declared, f"calls(4) declares {declared}, and the code ran {found} times"


def inputs_stay_as_they_were(estimator: AbstractEstimator) -> None:
    """Nothing is written in place."""
    values, gains = inputs_for(estimator)
    before = values.detach().clone()
    wrapped_by(estimator, smooth_for(estimator))(values, gains).sum().backward()
    assert torch.equal(values, before), "an input was written to"


def nested_values_flow(estimator: AbstractEstimator) -> None:
    """Dicts and tuples of tensors go in and come out; other values among them pass unchanged."""
    values, gains = inputs_for(estimator)
    torch.manual_seed(1)
    nested = Nested(smooth_for(estimator))
    answer = wrapped_by(estimator, nested).train(estimator.changes == "gradient")(
        {"values": values, "there": torch.ones(5).long()}, (gains,)
    )
    answer["parts"][0].backward(cotangent_for(values))
    assert answer["count"] == 5, "a value that is no floating-point tensor was changed"
    assert values.grad is not None, "no gradient reached a nested input"
    assert torch.allclose(values.grad, gradient(estimator, seed=1)), "nested values got another gradient than flat ones"


def strided_inputs_get_the_same_gradient(estimator: AbstractEstimator) -> None:
    """Memory layout does not matter."""
    values, gains = inputs_for(estimator)
    strided = values.detach().T.contiguous().T.requires_grad_()
    torch.manual_seed(1)
    wrapped_by(estimator, smooth_for(estimator))(strided, gains).backward(cotangent_for(values))
    wanted = gradient(estimator, seed=1)
    assert strided.grad is not None
    assert strided.grad.shape == wanted.shape, "the gradient has another shape"
    assert torch.allclose(strided.grad, wanted), "the gradient depends on the memory layout"


def the_number_type_is_kept(estimator: AbstractEstimator) -> None:
    """Values and gradients have the number type of the inputs."""
    for dtype in (torch.float32, torch.float64):
        values, gains = (value.detach().to(dtype).requires_grad_() for value in inputs_for(estimator))
        answer = wrapped_by(estimator, smooth_for(estimator))(values, gains)
        answer.sum().backward()
        assert answer.dtype == dtype, f"the value of {dtype} is {answer.dtype}"
        assert values.grad is not None
        assert values.grad.dtype == dtype, f"the gradient of {dtype} is {values.grad.dtype}"


def constants_reach_the_code(estimator: AbstractEstimator) -> None:
    """Keywords are handed on."""
    values, gains = inputs_for(estimator)
    wrapped = wrapped_by(estimator, smooth_for(estimator)).train(estimator.changes == "gradient")
    answer = wrapped(values, gains, shift=2.0)
    answer.sum().backward()
    assert torch.equal(answer, smooth_for(estimator)(values, gains, shift=2.0)), "a keyword was lost"


def what_it_keeps_is_all_there_is(estimator: AbstractEstimator) -> None:
    """Another component with its memory, stored and read as data, goes on bitwise like the first."""
    first, second = (wrapped_by(estimator, smooth_for(estimator)) for _ in range(2))
    for _ in range(3):
        gradient_of_a_pass(first, estimator)
    stored = io.BytesIO()
    torch.save(first.state_dict(), stored)
    stored.seek(0)
    second.load_state_dict(torch.load(stored, weights_only=True))
    torch.manual_seed(2)
    wanted = gradient_of_a_pass(first, estimator)
    torch.manual_seed(2)
    assert torch.equal(gradient_of_a_pass(second, estimator), wanted), (
        "a component with the state of another goes on differently"
    )


def what_learns_comes_near_the_true_gradient(estimator: AbstractEstimator) -> None:
    """After some hundred batches the gradient at new inputs points where autograd's does; asked of those that learn."""
    if not estimator.learns:
        return
    torch.manual_seed(0)
    wrapped = wrapped_by(estimator, smooth)
    for _ in range(LESSONS):
        values, gains = torch.randn(64, 3).requires_grad_(), (torch.rand(64, 1) + 0.5).requires_grad_()
        wrapped(values, gains).backward(torch.randn(64, 3))
    values, gains = torch.randn(256, 3).requires_grad_(), (torch.rand(256, 1) + 0.5).requires_grad_()
    cotangent = torch.randn(256, 3)
    (found,) = torch.autograd.grad(wrapped(values, gains), values, cotangent)
    (true,) = torch.autograd.grad(smooth(values, gains), values, cotangent)
    alike = float(torch.cosine_similarity(found.flatten(), true.flatten(), 0))
    assert alike > 0.9, f"after {LESSONS} batches the cosine with the true gradient is {alike:.2f}, and not above 0.9"


def copies_and_pickles_work(estimator: AbstractEstimator) -> None:
    """A deep copy and an unpickled twin give the same gradient from the same seed."""
    wrapped = wrapped_by(estimator, smooth_for(estimator))
    wanted = gradient(estimator, seed=1)
    for twin in (copy.deepcopy(wrapped), pickle.loads(pickle.dumps(wrapped))):
        values, gains = inputs_for(estimator)
        torch.manual_seed(1)
        twin(values, gains).backward(cotangent_for(values))
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
    what_it_keeps_is_all_there_is,
    what_learns_comes_near_the_true_gradient,
    copies_and_pickles_work,
)
