"""A weight that is declared more than once is one weight: one optimizer, one count, one epoch that it is kept from."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from drivetrain import component, fit, system
from drivetrain.errors import DeclarationError, UnknownNameError
from drivetrain.training import (
    AlternatingEndLoss,
    FederatedMerge,
    Individual,
    MergedLoss,
    PartialEndLoss,
    SimultaneousEndLoss,
    Stages,
)
from tests.training.systems import adam, assert_same, numbers, weights


def stereo():
    """One eye, declared twice, and a mind that compares what both see."""
    eye, mind = nn.Linear(3, 4).double(), nn.Linear(4, 2).double()
    left = component("left_eye", eye, "image -> left_view")
    right = component("right_eye", eye, "image -> right_view")
    compare = component("mind", mind, "difference -> depth")

    @component("left_view, right_view -> difference")
    def subtract(left_view, right_view):
        return left_view - right_view

    @system
    def seeing(left_image, right_image):
        return compare(subtract(left(left_image), right(right_image)))

    return seeing, {"eye": eye, "mind": mind}


def stereo_data():
    widths = {"left_image": 3, "right_image": 3, "left_view": 4, "right_view": 4, "depth": 2}
    return {edge: numbers(width) for edge, width in widths.items()}


class Tied(nn.Module):
    """A reader whose weight is the writer's, transposed: two models that share one of their weights."""

    def __init__(self, embedding):
        super().__init__()
        self.embedding = embedding
        self.bias = nn.Parameter(torch.zeros(3, dtype=torch.float64))

    def forward(self, code):
        return code @ self.embedding.weight + self.bias


def tied():
    writer = nn.Linear(3, 4).double()
    reader = Tied(writer)
    first, last = component("writer", writer, "word -> code"), component("reader", reader, "code -> echo")

    @system
    def echoing(word):
        return last(first(word))

    return echoing, {"writer": writer, "reader": reader}


def tied_data():
    return {"word": numbers(3), "code": numbers(4), "echo": numbers(3)}


class Counted:
    """Makes Adam, and notes for which weights."""

    def __init__(self):
        self.made = []

    def __call__(self, parameters):
        self.made.append([id(weight) for weight in parameters])
        return adam(parameters)


BOTH_VIEWS = {"left_view": F.mse_loss, "right_view": F.mse_loss}


def test_individual_training_of_a_model_declared_twice_is_one_optimizer_over_both_its_data_streams():
    net, models = stereo()
    other, data, made = copy.deepcopy(models["eye"]), stereo_data(), Counted()
    report = fit(net, data, Individual(BOTH_VIEWS), epochs=3, batch_size=99, optimizer=made, seed=0)
    optimizer = adam(list(other.parameters()))
    for _ in range(3):
        for side in ("left", "right"):
            F.mse_loss(other(data[f"{side}_image"]), data[f"{side}_view"]).backward()
            optimizer.step()
            optimizer.zero_grad()
    assert len(made.made) == 1
    for name, value in other.state_dict().items():
        torch.testing.assert_close(value, models["eye"].state_dict()[name], rtol=1e-9, atol=1e-12)
    assert report.updates == {"left_eye": 6, "right_eye": 0}
    assert report.iterations == 6


def test_a_model_declared_twice_may_have_a_data_set_for_each_of_its_edges():
    net, models = stereo()
    data = stereo_data()
    apart = {
        f"{side}_view": {edge: data[edge] for edge in (f"{side}_image", f"{side}_view")} for side in ("left", "right")
    }
    before = weights(models)
    report = fit(net, apart, Individual(BOTH_VIEWS), epochs=1, batch_size=99, seed=0)
    assert report.updates["left_eye"] == 2
    assert not torch.equal(before["eye.weight"], models["eye"].weight)


def test_individual_training_of_models_that_share_one_weight_steps_it_by_one_optimizer():
    net, models = tied()
    other, data, made = copy.deepcopy(models), tied_data(), Counted()
    report = fit(
        net, data, Individual({"code": F.mse_loss, "echo": F.mse_loss}), epochs=3, batch_size=99, optimizer=made
    )
    writer, reader = other["writer"], other["reader"]
    of_writer, of_reader = adam(list(writer.parameters())), adam([reader.bias])
    for _ in range(3):
        F.mse_loss(writer(data["word"]), data["code"]).backward()
        of_writer.step()
        of_writer.zero_grad()
        F.mse_loss(reader(data["code"]), data["echo"]).backward()
        for optimizer in (of_writer, of_reader):
            optimizer.step()
            optimizer.zero_grad()
    steps = [weight for parameters in made.made for weight in parameters]
    assert len(steps) == len(set(steps)) == 3
    for name, model in other.items():
        for key, value in model.state_dict().items():
            torch.testing.assert_close(value, models[name].state_dict()[key], rtol=1e-9, atol=1e-12)
    assert report.updates == {"writer": 3, "reader": 3}


def test_turns_of_models_that_share_one_weight_move_it_in_both_turns_by_one_optimizer():
    net, models = tied()
    other, data = copy.deepcopy(models), tied_data()
    report = fit(net, data, AlternatingEndLoss(F.mse_loss), epochs=4, batch_size=99, optimizer=adam)
    writer, reader = other["writer"], other["reader"]
    of_writer, of_reader = adam(list(writer.parameters())), adam([reader.bias])
    for turn in range(4):
        own = {id(weight) for weight in (writer, reader)[turn % 2].parameters()}
        F.mse_loss(reader(writer(data["word"])), data["echo"]).backward()
        for weight in (*writer.parameters(), *reader.parameters()):
            if id(weight) not in own:
                weight.grad = None
        for optimizer in (of_writer, of_reader):
            optimizer.step()
            optimizer.zero_grad()
    for name, model in other.items():
        for key, value in model.state_dict().items():
            torch.testing.assert_close(value, models[name].state_dict()[key], rtol=1e-9, atol=1e-12)
    assert report.updates == {"writer": 2, "reader": 2}


@pytest.mark.parametrize("pattern", [
    SimultaneousEndLoss(F.mse_loss), PartialEndLoss("right_eye", F.mse_loss),
    AlternatingEndLoss(F.mse_loss, order=["left_eye", "right_eye"]), Individual(BOTH_VIEWS),
], ids=lambda pattern: pattern.name)  # fmt: skip
def test_no_pattern_makes_two_optimizers_for_one_weight_or_counts_an_update_twice(pattern):
    net, _ = stereo()
    made = Counted()
    report = fit(net, stereo_data(), pattern, epochs=2, batch_size=99, optimizer=made)
    owned = [weight for parameters in made.made for weight in parameters]
    assert len(owned) == len(set(owned))
    models = 2 if isinstance(pattern, SimultaneousEndLoss) else 1
    assert sum(report.updates.values()) == models * report.iterations


def test_a_schedule_of_a_shared_weight_steps_once_an_epoch():
    net, _ = stereo()
    made = []

    def halving(optimizer):
        made.append(optimizer)
        return torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)

    fit(net, stereo_data(), Individual(BOTH_VIEWS), epochs=3, batch_size=99, optimizer=adam, schedule=halving)
    assert [each.param_groups[0]["lr"] for each in made] == [0.02 / 8]


def test_weights_that_two_models_share_are_kept_from_one_epoch():
    """The left views are best after the first epoch and the right ones after the second; both cannot be had."""
    net, models = stereo()
    data = stereo_data()
    data["left_view"] += 50.0
    data["right_view"] -= 50.0
    seen = [weights(models)]

    def lean(state):
        seen.append(weights(models))
        with torch.no_grad():
            models["eye"].bias.fill_({1: 50.0, 2: -40.0}.get(state.epoch, 500.0))

    report = fit(
        net, data, Individual(BOTH_VIEWS), epochs=4, batch_size=99, validation=data, callbacks=[lean],
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1e-6),
    )  # fmt: skip
    (kept,) = report.kept
    assert kept["left_eye"] == kept["right_eye"]
    assert_same(seen[kept["left_eye"]], weights(models))


def pair():
    """One head, declared twice, behind one trunk."""
    trunk, head = nn.Linear(5, 6).double(), nn.Linear(6, 2).double()
    shared = component("trunk", trunk, "image -> features")
    left, right = component("left", head, "features -> light"), component("right", head, "features -> sign")

    @system
    def traffic(image):
        features = shared(image)
        return left(features), right(features)

    return traffic, {"trunk": trunk, "head": head}


PAIR = {"light": F.mse_loss, "sign": F.mse_loss}


def pair_data():
    return {"image": numbers(5), "light": numbers(2), "sign": numbers(2)}


def test_a_model_declared_twice_learns_from_a_loss_that_only_its_second_name_feeds():
    net, models = pair()
    before = weights(models)
    report = fit(net, pair_data(), SimultaneousEndLoss({"sign": F.mse_loss}), epochs=1, batch_size=99)
    assert report.updates["right"] == 1
    assert not torch.equal(before["head.weight"], models["head"].weight)


def test_merged_loss_aggregates_the_gradients_of_a_head_that_both_branches_share():
    net, models = pair()
    other, data = copy.deepcopy(models), pair_data()
    seen = []
    pattern = MergedLoss(PAIR, aggregator=lambda matrix: seen.append(matrix.shape) or matrix.sum(0))
    report = fit(net, data, pattern, epochs=2, batch_size=99, optimizer=adam)
    optimizers = [adam(list(model.parameters())) for model in other.values()]
    for _ in range(2):
        features = other["trunk"](data["image"])
        sum(F.mse_loss(other["head"](features), data[edge]) for edge in PAIR).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    for name, model in other.items():
        for key, value in model.state_dict().items():
            torch.testing.assert_close(value, models[name].state_dict()[key], rtol=1e-9, atol=1e-12)
    assert set(seen) == {(2, 5 * 6 + 6 + 6 * 2 + 2)}
    assert report.updates == {"trunk": 2, "left": 2, "right": 0}


def test_federated_chains_both_train_a_head_that_they_share_and_its_mean_is_kept():
    net, models = pair()
    other, data = copy.deepcopy(models), pair_data()
    report = fit(net, data, FederatedMerge(PAIR), epochs=2, batch_size=99, optimizer=adam)
    ends = []
    for edge in PAIR:
        chain = copy.deepcopy(other)
        optimizers = [adam(list(model.parameters())) for model in chain.values()]
        for _ in range(2):
            F.mse_loss(chain["head"](chain["trunk"](data["image"])), data[edge]).backward()
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
        ends.append(weights(chain))
    for name, value in weights(models).items():
        torch.testing.assert_close(value, (ends[0][name] + ends[1][name]) / 2, rtol=1e-9, atol=1e-12)
    assert report.updates == {"trunk": 4, "left": 2, "right": 2}


def test_optimizers_by_component_are_judged_before_any_stage_is_trained():
    net, models = stereo()
    before = weights(models)
    stages = Stages(Individual({"left_view": F.mse_loss}), SimultaneousEndLoss(F.mse_loss))
    with pytest.raises(DeclarationError, match="optimizer has none for 'mind'; this pattern trains left_eye, mind"):
        fit(net, stereo_data(), stages, epochs=1, optimizer={"left_eye": adam})
    with pytest.raises(
        UnknownNameError, match="optimizer names 'minds', which is no model of seeing; models are: left"
    ):
        fit(net, stereo_data(), stages, epochs=1, optimizer={"left_eye": adam, "mind": adam, "minds": adam})
    assert_same(before, weights(models))
