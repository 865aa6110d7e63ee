"""Every estimator of ours sits the exam; estimators that cheat fail it by words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from drivetrain.gradients import (
    IMLE,
    SPSA,
    AbstractEstimator,
    Automatic,
    Call,
    Expected,
    FiniteDifferences,
    Perturbed,
    ScoreFunction,
    StraightThrough,
    Surrogate,
)
from drivetrain.gradients.base import Tensors
from drivetrain.gradients.conformance import QUESTIONS, examine

OURS = [
    SPSA(),
    SPSA(samples=1),
    Perturbed(),
    Perturbed(antithetic=False),
    FiniteDifferences(),
    StraightThrough(),
    ScoreFunction(),
    ScoreFunction(samples=2),
    Expected(),
    Expected(changes="gradient"),
    Expected(samples=9, remember=0),
    IMLE(),
    IMLE(independent=False),
    Surrogate(),
    Surrogate(samples=0),
    Automatic(),
]


@pytest.mark.parametrize("estimator", OURS, ids=str)
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.__name__)
def test_our_estimators_pass(estimator: AbstractEstimator, question: Callable[[AbstractEstimator], None]) -> None:
    question(estimator)


@dataclass(frozen=True)
class TwiceTooLarge(AbstractEstimator):
    def pull_back(self, call: Call, cotangents: Tensors) -> Tensors:
        call.function(call.inputs)
        return tuple(2 * gradient for gradient in SPSA().pull_back(call, cotangents))

    def calls(self, n_inputs: int) -> int:
        return 16


@dataclass(frozen=True)
class WithItsOwnRandomness(AbstractEstimator):
    def pull_back(self, call: Call, cotangents: Tensors) -> Tensors:
        draws = torch.Generator()
        draws.seed()
        return tuple(torch.rand(x.shape, generator=draws, dtype=x.dtype) for x in call.inputs)

    def calls(self, n_inputs: int) -> int:
        return 0


def test_a_biased_estimator_that_hides_its_cost_is_told_so() -> None:
    with pytest.raises(AssertionError, match="fails 2 of 15") as failure:
        examine(TwiceTooLarge())
    assert "mean gradient of values is off" in str(failure.value)
    assert "calls(4) declares 16, and the code ran 17 times" in str(failure.value)


def test_an_estimator_with_randomness_of_its_own_is_told_so() -> None:
    with pytest.raises(AssertionError, match="two runs of one seed differ"):
        examine(WithItsOwnRandomness())
