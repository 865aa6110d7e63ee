"""Models trained together may come to rely on each other: what inner edges still mean, and what a swap costs."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from drivetrain import System, component, evaluate, fit, system
from drivetrain.errors import DeclarationError, UnknownNameError
from drivetrain.evaluation import Metric, co_adaptation, paired_difference
from drivetrain.evaluation.change import Change
from drivetrain.training import Individual, PartialEndLoss, SimultaneousEndLoss, Stages
from drivetrain.training.gap import gap_words, gaps
from tests.training.systems import error_per_sample, fork

ERRORS = {edge: Metric(error_per_sample, edge, higher_is_better=False, name="error") for edge in ("raw", "word")}
ALONE = Individual({"raw": F.mse_loss, "word": F.mse_loss})
TOGETHER = SimultaneousEndLoss(F.mse_loss)


def listener() -> System:
    torch.manual_seed(0)
    encoder = component("encoder", nn.Linear(4, 2), "signal -> raw")
    reader = component("reader", nn.Linear(2, 2), "raw -> word")

    @system
    def listener(signal):
        return reader(encoder(signal))

    return listener


def hidden(seed: int, rows: int = 128) -> dict[str, torch.Tensor]:
    """What a person annotates between the models says little about the words, which the rest of the signal tells."""
    generator = torch.Generator().manual_seed(seed)
    signal = torch.randn(rows, 4, generator=generator)
    return {"signal": signal, "raw": signal[:, :2], "word": 0.3 * signal[:, :2] + signal[:, 2:].flip(1)}


def told(seed: int, rows: int = 128) -> dict[str, torch.Tensor]:
    """What stands between the models tells all: trained alone they are as good as they can be."""
    return hidden(seed, rows) | {"word": hidden(seed, rows)["raw"].flip(1)}


def adam(weights):
    return torch.optim.Adam(weights, lr=0.03)


def train(net, data, pattern, epochs, **options):
    return fit(
        net, data(0), pattern, epochs=epochs, optimizer=adam, validation=data(1), metric=ERRORS, seed=0, **options
    )


def test_models_that_cannot_be_swapped_any_more_are_named():
    net = listener()
    report = train(net, hidden, Stages(ALONE, TOGETHER), (20, 30))
    assert {swap.model for swap in report.swaps} == {"encoder", "reader"}
    assert all(swap.costly for swap in report.swaps)
    assert [swap.model for swap in report.swaps if swap.locked] == ["encoder"]
    assert "Swapping back encoder costs word: error" in report.verdict
    assert "These models can no longer be swapped one by one: with encoder put back" in report.verdict


def test_what_inner_edges_still_mean_is_told_from_the_end_of_individual_training_on():
    net = listener()
    report = train(net, hidden, Stages(ALONE, TOGETHER), (20, 30))
    assert report.inner["raw"].before < 0.05 < report.inner["raw"].after
    assert "Inner edges lost some of the meaning that they had after individual training: raw: error" in report.verdict
    assert report.to_dict()["inner"]["raw"]["after"] == pytest.approx(report.inner["raw"].after)


def test_models_that_still_mean_the_same_can_be_swapped():
    report = train(listener(), told, Stages(ALONE, SimultaneousEndLoss(lambda p, t: 1e-3 * F.mse_loss(p, t))), (60, 1))
    assert not any(swap.costly for swap in report.swaps)
    assert "no longer be swapped" not in report.verdict


def test_a_swap_leaves_the_trained_weights_alone_and_equals_the_same_system_with_that_model_replaced():
    net = listener()
    alone = copy.deepcopy(net)
    train(alone, hidden, ALONE, 20)
    report = train(net, hidden, Stages(ALONE, TOGETHER), (20, 30))
    (swap,) = (each for each in report.swaps if each.model == "encoder")
    assert evaluate(net, hidden(1), ERRORS)["word"].value == pytest.approx(report.edges["word"].after)
    swapped = net.replace(encoder=alone.component("encoder"))
    assert evaluate(swapped, hidden(1), ERRORS)["word"].value == pytest.approx(swap.together.after)
    by_hand = co_adaptation(net, alone, hidden(1), ERRORS["word"])
    assert [(each.model, each.together.after) for each in by_hand.swaps] == [
        (each.model, pytest.approx(each.together.after)) for each in report.swaps
    ]
    assert "can no longer be swapped" in by_hand.verdict
    assert "CANNOT BE SWAPPED" in str(by_hand)


def test_putting_back_the_only_model_that_was_trained_on_is_no_swap():
    report = train(listener(), hidden, Stages(ALONE, PartialEndLoss("encoder", F.mse_loss)), (20, 10))
    assert report.swaps == ()


def test_without_metrics_swaps_are_measured_by_the_loss():
    report = fit(
        listener(), hidden(0), Stages(ALONE, TOGETHER), epochs=(20, 30), optimizer=adam, validation=hidden(1), seed=0
    )
    assert {(swap.model, swap.together.metric) for swap in report.swaps} == {("encoder", "loss"), ("reader", "loss")}
    assert [swap.model for swap in report.swaps if swap.locked] == ["encoder"]


def test_an_interrupted_training_tells_the_same_of_its_swaps(tmp_path):
    class Interrupted(Exception):
        pass

    def interrupt(state):
        if state.stage == 1 and state.epoch == 2:
            raise Interrupted

    pattern, epochs = Stages(ALONE, TOGETHER), (10, 5)
    whole = train(listener(), hidden, pattern, epochs)
    with pytest.raises(Interrupted):
        train(listener(), hidden, pattern, epochs, callbacks=[interrupt], checkpoint=tmp_path / "training")
    report = train(listener(), hidden, pattern, epochs, checkpoint=tmp_path / "training")
    assert report.swaps == whole.swaps
    assert report.notes == whole.notes
    assert report.gaps == whole.gaps


def test_a_reference_without_the_model_is_refused_by_name():
    net = listener()
    with pytest.raises(UnknownNameError, match="no model 'radar' in listener; its models are: encoder, reader"):
        co_adaptation(net, net, hidden(1), ERRORS, models=["radar"])
    other = component("ear", nn.Linear(4, 2), "signal -> word")

    @system
    def stranger(signal):
        return other(signal)

    with pytest.raises(DeclarationError, match="no model in common"):
        co_adaptation(net, stranger, hidden(1), ERRORS["word"])


# -- the gap between training and validation data


def changed(errors_before: float, errors_after: float, seed: int) -> Change:
    """How the mean error changes over 200 samples that differ from each other."""
    generator = np.random.default_rng(seed)
    first, then = (mean + 0.1 * generator.standard_normal(200) for mean in (errors_before, errors_after))
    difference = paired_difference(then, first, higher_is_better=False)
    return Change("light", "error", first.mean(), then.mean(), False, difference)


def test_a_gap_that_surely_grew_is_told_with_how_often_the_trunk_was_updated():
    found = gaps({"light": changed(1.0, 0.2, 0)}, {"light": changed(1.0, 0.7, 1)})
    assert found["light"].grew
    assert found["light"].growth.value == pytest.approx(found["light"].after - found["light"].before)
    assert found["light"].growth.low < 0.5 < found["light"].growth.high
    example = fork().system
    (words,) = gap_words(example, found, {"trunk": 20, "lamp": 10, "board": 10})
    assert words.startswith("The gap between training and validation data grew: light (error")
    assert words.endswith("The trunk trunk was updated 20 times, its branches less often (lamp 10, board 10).")
    assert "updated" not in gap_words(example, found, {"trunk": 20, "lamp": 20, "board": 20})[0]


def test_a_gap_within_the_noise_is_not_told():
    found = gaps({"light": changed(1.0, 0.6, 0)}, {"light": changed(1.0, 0.6, 1)})
    assert not found["light"].grew
    assert gap_words(fork().system, found, {}) == []


def test_the_gap_is_training_less_validation_in_the_direction_of_the_metric():
    net = listener()
    report = train(net, hidden, TOGETHER, 10)
    training, validation = (evaluate(net, hidden(seed), ERRORS)["word"].value for seed in (0, 1))
    assert report.gaps["word"].after == pytest.approx(validation - training)
    assert "train - validation" in str(report)
