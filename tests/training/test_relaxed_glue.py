"""Glue code that holds weights of its own: not in turn it stands still, and still lets gradients through."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from drivetrain import component, fit, system
from drivetrain.gradients import relaxed
from drivetrain.training import (
    AlternatingEndLoss,
    FederatedMerge,
    Individual,
    MergedLoss,
    PartialEndLoss,
    SimultaneousEndLoss,
)
from tests.training.systems import adam, assert_same, numbers, weights


class Soft(nn.Module):
    """A smooth threshold with a temperature to learn, and a batch norm whose statistics move in training mode."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4).double()
        self.temperature = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

    def forward(self, raw):
        return torch.sigmoid(self.temperature * self.norm(raw))


def glued(changes, *, heads=1):
    """encoder -> (hard threshold, relaxed) -> reader, or two readers."""
    encoder, soft = nn.Linear(3, 4).double(), Soft()
    readers = [nn.Linear(4, 2).double() for _ in range(heads)]
    first = component("encoder", encoder, "signal -> raw")
    last = [component(f"reader_{n}", reader, f"chosen -> word_{n}") for n, reader in enumerate(readers)]

    @component("raw -> chosen")
    def choose(raw):
        return (raw > 0).double()

    choose = relaxed(choose, soft, changes)

    @system
    def listening(signal):
        chosen = choose(first(signal))
        return {f"word_{n}": reader(chosen) for n, reader in enumerate(last)}

    models = {"encoder": encoder, "choose": soft} | {f"reader_{n}": reader for n, reader in enumerate(readers)}
    return listening, models


def data():
    return {"signal": numbers(3), "raw": numbers(4), "chosen": numbers(4), "word_0": numbers(2), "word_1": numbers(2)}


END = {"word_0": F.mse_loss}


@pytest.mark.parametrize("changes", ["value", "gradient"])
def test_a_relaxation_with_weights_lets_the_gradient_of_a_model_in_turn_through_and_stands_still(changes):
    net, models = glued(changes)
    before = weights(models)
    report = fit(net, data(), PartialEndLoss("encoder", END), epochs=2, batch_size=8, optimizer=adam)
    after = weights(models)
    assert not torch.equal(before["encoder.weight"], after["encoder.weight"])
    rest = {name: value for name, value in before.items() if not name.startswith("encoder.")}
    assert_same(rest, {name: after[name] for name in rest})
    assert report.updates["encoder"] == 6
    assert not report.updates["choose"]


def test_the_gradient_through_a_relaxation_that_is_not_in_turn_is_that_of_plain_pytorch():
    net, models = glued("value")
    other, batch = copy.deepcopy(models), data()
    fit(net, batch, PartialEndLoss("encoder", END), epochs=3, batch_size=99, optimizer=adam)
    optimizer = adam(list(other["encoder"].parameters()))
    other["choose"].eval()
    for _ in range(3):
        F.mse_loss(other["reader_0"](other["choose"](other["encoder"](batch["signal"]))), batch["word_0"]).backward()
        optimizer.step()
        optimizer.zero_grad()
    for name, value in weights(other).items():
        torch.testing.assert_close(value, weights(models)[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("changes", ["value", "gradient"])
def test_everybody_has_a_turn_around_a_relaxation_with_weights_and_only_then_moves(changes):
    net, models = glued(changes)
    seen = [weights(models)]

    def watch(state):
        now = weights(models)
        moved = {name.split(".")[0] for name in now if not torch.equal(now[name], seen[-1][name])}
        assert moved == set(state.turn)
        seen.append(now)

    report = fit(
        net, data(), AlternatingEndLoss(END), epochs=6, batch_size=99, optimizer=adam, callbacks=[watch],
    )  # fmt: skip
    assert report.updates == {"encoder": 2, "choose": 2, "reader_0": 2}


def test_a_relaxation_whose_weights_its_owner_froze_lets_gradients_through():
    net, models = glued("value")
    models["choose"].requires_grad_(False)
    report = fit(net, data(), SimultaneousEndLoss(END), epochs=1, batch_size=8, optimizer=adam)
    assert report.updates == {"encoder": 3, "choose": 0, "reader_0": 3}


def test_a_frozen_relaxation_before_the_model_in_turn_runs_as_it_is_evaluated():
    net, models = glued("value")
    seen = []
    models["reader_0"].register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    fit(net, data(), PartialEndLoss("reader_0", END), epochs=1, batch_size=99, cache=False)
    assert all(set(value.flatten().tolist()) <= {0.0, 1.0} for value in seen)


@pytest.mark.parametrize("pattern", [
    MergedLoss({"word_0": F.mse_loss, "word_1": F.mse_loss}, aggregator=lambda matrix: matrix.sum(0)),
    FederatedMerge({"word_0": F.mse_loss, "word_1": F.mse_loss}),
    Individual({"raw": F.mse_loss, "chosen": F.mse_loss}, inputs="system"),
], ids=lambda pattern: pattern.name)  # fmt: skip
def test_every_pattern_trains_a_system_with_a_relaxation_that_learns(pattern):
    net, models = glued("value", heads=2)
    before = weights(models)
    fit(net, data(), pattern, epochs=2, batch_size=8, optimizer=adam)
    after = weights(models)
    assert not torch.equal(before["encoder.weight"], after["encoder.weight"])
    assert not torch.equal(before["choose.temperature"], after["choose.temperature"])


def test_a_relaxation_inside_a_sub_system_lets_gradients_through_as_well():
    inner, models = glued("value")
    judge = nn.Linear(2, 1).double()
    last = component("judge", judge, "word -> verdict")

    @system
    def deciding(signal):
        return last(inner(signal)["word_0"])

    batch = {"signal": numbers(3), "verdict": numbers(1)}
    report = fit(deciding, batch, PartialEndLoss("listening.encoder", F.mse_loss), epochs=1, batch_size=8)
    assert report.updates["listening.encoder"] == 3
    assert models["choose"].norm.num_batches_tracked == 0
