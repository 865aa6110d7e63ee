"""An iteration that is refused leaves the system as it was, running statistics included, and its error tells why."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from drivetrain import component, fit, system
from drivetrain.errors import NonFiniteLossError, TrainingError
from drivetrain.training import (
    AlternatingEndLoss,
    FederatedMerge,
    Individual,
    MergedLoss,
    PartialEndLoss,
    SimultaneousEndLoss,
    statistics,
)
from tests.training.systems import assert_same, chain, fork, join, numbers, sgd, weights


def breaking_at(call, wrong=float("nan")):
    """A loss that goes wrong in one of its calls; the first one measures the system before training."""
    calls = []

    def loss(prediction, truth):
        calls.append(1)
        return F.mse_loss(prediction, truth) * (wrong if len(calls) == call else 1.0)

    return loss


PATTERNS = {
    "partial": (chain, lambda example, loss: PartialEndLoss("encoder", loss)),
    "simultaneous": (join, lambda example, loss: SimultaneousEndLoss(loss)),
    "alternating": (join, lambda example, loss: AlternatingEndLoss(loss)),
    "individual": (chain, lambda example, loss: Individual({"raw": loss})),
    "merged": (fork, lambda example, loss: MergedLoss({"light": F.mse_loss, "sign": loss})),
}


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_refused_loss_leaves_every_weight_and_statistic_as_it_was(name, wrong):
    make, pattern = PATTERNS[name]
    example = make()
    before = weights(example.models)
    with pytest.raises(NonFiniteLossError, match="Weights, statistics and checkpoints are as they were"):
        fit(example.system, example.data, pattern(example, breaking_at(2, wrong)), epochs=1, batch_size=99)
    assert_same(before, weights(example.models))
    assert all(weight.grad is None for weight in example.system.parameters())


def test_what_earlier_iterations_did_is_kept_when_a_later_one_is_refused():
    broken, whole = chain(), None
    torch.manual_seed(0)
    broken = chain()
    torch.manual_seed(0)
    whole = chain()
    fit(whole.system, whole.data, SimultaneousEndLoss(whole.end), epochs=1, batch_size=99, optimizer=sgd, seed=0)
    with pytest.raises(NonFiniteLossError, match="in iteration 2"):
        fit(
            broken.system, broken.data, SimultaneousEndLoss(breaking_at(3)), epochs=2, batch_size=99, optimizer=sgd,
            seed=0,
        )  # fmt: skip
    assert_same(weights(whole.models), weights(broken.models))


def test_an_accumulated_iteration_that_breaks_in_its_last_batch_leaves_no_trace():
    example = chain()
    before = weights(example.models)
    with pytest.raises(NonFiniteLossError):
        fit(
            example.system, example.data, SimultaneousEndLoss(breaking_at(4)), epochs=1, batch_size=8, accumulate=3,
        )  # fmt: skip
    assert_same(before, weights(example.models))


def test_a_mistake_in_the_users_loss_or_aggregator_leaves_no_trace_either():
    example = fork()
    before = weights(example.models)
    both = {"light": F.mse_loss, "sign": F.mse_loss}
    with pytest.raises(TrainingError, match="aggregator"):
        fit(example.system, example.data, MergedLoss(both, aggregator=lambda matrix: None), epochs=1)
    with pytest.raises(ZeroDivisionError):
        fit(example.system, example.data, SimultaneousEndLoss({**both, "sign": lambda p, t: 1 / 0}), epochs=1)
    assert_same(before, weights(example.models))


class Moody(nn.Module):
    """Puts a new tensor in the place of its statistic, and holds a large constant beside it."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(3, dtype=torch.float64))
        self.register_buffer("large", torch.zeros(statistics.SMALL + 1, dtype=torch.float64))

    def forward(self, value):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * value.detach().mean(0)
            self.large[0] += 1
        return self.scale * (value - self.mean)


def test_statistics_that_a_module_replaces_or_that_are_large_are_put_back_too():
    moody = Moody()
    model = component("moody", moody, "signal -> word")

    @system
    def feeling(signal):
        return model(signal)

    data = {"signal": numbers(3), "word": numbers(3)}
    fit(feeling, data, SimultaneousEndLoss(F.mse_loss), epochs=2, batch_size=99)
    before = weights({"moody": moody})
    assert before["moody.large"][0] == 2
    with pytest.raises(NonFiniteLossError):
        fit(feeling, data, SimultaneousEndLoss(breaking_at(2)), epochs=1, batch_size=99)
    assert_same(before, weights({"moody": moody}))


def steep(prediction, truth):
    """Finite everywhere, with an infinite slope where the prediction hits the truth."""
    return (prediction - prediction.detach()).abs().sum().sqrt() * 0 + F.mse_loss(prediction, truth)


def test_weights_that_a_gradient_ruined_never_reach_a_checkpoint(tmp_path):
    example = chain()
    fit(example.system, example.data, SimultaneousEndLoss(F.mse_loss), epochs=1, seed=1, checkpoint=tmp_path / "c")
    saved = (tmp_path / "c").read_bytes()
    other = chain()
    with pytest.raises(
        NonFiniteLossError, match=r"in epoch 1 of .* the weights of encoder, reader are not finite.*square"
    ):
        fit(other.system, other.data, SimultaneousEndLoss(steep), epochs=1, batch_size=99, checkpoint=tmp_path / "d")
    assert not (tmp_path / "d").exists()
    assert (tmp_path / "c").read_bytes() == saved


def test_ruined_weights_are_named_where_the_next_loss_shows_them():
    example = chain()
    with pytest.raises(NonFiniteLossError, match=r"in iteration 2 of .*the weights of encoder, reader are not finite"):
        fit(example.system, example.data, SimultaneousEndLoss(steep), epochs=1, batch_size=12)


def test_a_gradient_that_cannot_be_clipped_is_refused_before_the_step():
    example = chain()
    before = weights(example.models)
    with pytest.raises(NonFiniteLossError, match=r"the gradient's norm is nan, which cannot be clipped to 1.0"):
        fit(example.system, example.data, SimultaneousEndLoss(steep), epochs=1, batch_size=12, clip=1.0)
    assert_same(before, weights(example.models))


def test_a_chain_of_a_federation_that_breaks_leaves_the_system_as_it_was():
    example = fork()
    before = weights(example.models)
    losses = {"light": F.mse_loss, "sign": breaking_at(2)}
    with pytest.raises(NonFiniteLossError):
        fit(example.system, example.data, FederatedMerge(losses), epochs=1, batch_size=99)
    assert_same(before, weights(example.models))
