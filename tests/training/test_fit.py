"""What ``fit`` promises besides the weights: choice of weights, stopping, options, counts, the ledger, the verdict."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from drivetrain import Metric, component, fit, system
from drivetrain.data import Labels, annotated
from drivetrain.training import (
    AlternatingEndLoss,
    EveryIteration,
    Individual,
    PartialEndLoss,
    SimultaneousEndLoss,
    Stages,
)
from tests.training.systems import (
    EXAMPLES,
    Rows,
    adam,
    assert_same,
    chain,
    error_per_sample,
    fork,
    join,
    loader,
    network,
    numbers,
    sgd,
    weights,
)

ERROR = Metric(error_per_sample, "word", higher_is_better=False, name="error")


@pytest.fixture
def example():
    return chain()


def end(example):
    return SimultaneousEndLoss(example.end)


# -- which weights are kept


@pytest.mark.parametrize("metric", [None, {"word": ERROR}], ids=["by loss", "by metric"])
def test_validation_chooses_the_best_weights(example, metric):
    seen = [weights(example.models)]

    def ruin_after_two(state):
        seen.append(weights(example.models))
        if state.epoch >= 2:
            with torch.no_grad():
                example.models["reader"][3].bias += 10

    report = fit(
        example.system, example.data, end(example), epochs=5, batch_size=8, optimizer=sgd, validation=example.data,
        metric=metric, callbacks=[ruin_after_two],
    )  # fmt: skip
    scores = [row["validation loss" if metric is None else "validation word"] for row in report.history]
    best = scores.index(min(scores))
    assert report.kept == ({"encoder": best, "reader": best},)
    assert best in (1, 2)
    assert_same(seen[best], weights(example.models))


def test_training_that_only_harms_keeps_the_weights_of_before_and_says_so(example):
    before = weights(example.models)
    harm = SimultaneousEndLoss(lambda prediction, truth: -F.mse_loss(prediction, truth))
    report = fit(
        example.system, example.data, harm, epochs=2, batch_size=8, validation=example.data, metric={"word": ERROR}
    )
    assert_same(before, weights(example.models))
    assert "No epoch was better on validation than the start" in report.verdict


def test_without_validation_the_last_weights_stay(example):
    last = []
    report = fit(
        example.system, example.data, end(example), epochs=3, callbacks=[lambda s: last.append(weights(example.models))]
    )
    assert_same(last[-1], weights(example.models))
    assert report.kept == ({"encoder": None, "reader": None},)


def test_individual_models_are_chosen_each_by_its_own_loss(example):
    seen = [weights(example.models)]

    def ruin_the_reader(state):
        seen.append(weights(example.models))
        with torch.no_grad():
            example.models["reader"][3].bias += 10

    report = fit(
        example.system, example.data, Individual(example.individual), epochs=3, batch_size=8, optimizer=sgd,
        validation=example.data, callbacks=[ruin_the_reader],
    )  # fmt: skip
    (kept,) = report.kept
    assert kept["reader"] == 1
    assert kept["encoder"] > 1
    for model in ("encoder", "reader"):
        chosen = {name: value for name, value in seen[kept[model]].items() if name.startswith(model)}
        now = {name: value for name, value in weights(example.models).items() if name.startswith(model)}
        assert_same(chosen, now)


def test_until_stops_as_soon_as_the_requirement_holds(example):
    report = fit(
        example.system, example.data, end(example), epochs=50, batch_size=8, optimizer=adam, validation=example.data,
        metric={"word": ERROR}, until={"word": 1.0},
    )  # fmt: skip
    assert report.reached is True
    assert report.history[-1]["validation word"] <= 1.0
    assert all(row["validation word"] > 1.0 for row in report.history[:-1])
    assert len(report.history) < 50


def test_until_that_is_never_reached_is_said(example):
    report = fit(
        example.system, example.data, end(example), epochs=1, validation=example.data, metric={"word": ERROR},
        until={"word": 1e-9},
    )  # fmt: skip
    assert report.reached is False
    assert "The required quality was not reached" in report.verdict


def test_a_requirement_that_holds_from_the_start_trains_nothing(example):
    before = weights(example.models)
    report = fit(
        example.system, example.data, end(example), epochs=3, validation=example.data, metric={"word": ERROR},
        until={"word": 1e9},
    )  # fmt: skip
    assert report.iterations == 0
    assert_same(before, weights(example.models))


# -- options


def test_stages_after_the_one_that_reached_what_was_asked_for_do_not_run(example):
    pattern = Stages(SimultaneousEndLoss(example.end), PartialEndLoss("reader", example.end))
    wanted = {"word": 1e9}
    data = example.data
    report = fit(example.system, data, pattern, epochs=(2, 3), validation=data, metric={"word": ERROR}, until=wanted)
    assert len(report.kept) == 1
    assert report.verdict.count("The required quality was reached before training (epoch 0 of 2 of stage 1") == 1
    assert "Not run at all: partial end-loss" in report.verdict


def test_a_callback_may_stop_training(example):
    calls = []

    def stop_after_two(state):
        calls.append((state.epoch, state.iteration, state.system is example.system))
        if state.epoch == 2:
            state.stop()

    report = fit(example.system, example.data, end(example), epochs=9, batch_size=8, callbacks=[stop_after_two])
    assert calls == [(1, 3, True), (2, 6, True)]
    assert report.iterations == 6


def test_accumulated_batches_make_the_step_of_the_large_batch():
    def plain():  # without batch norm, whose statistics depend on the batch
        torch.manual_seed(2)
        return component("line", torch.nn.Linear(3, 2).double(), "signal -> word")

    trained = []
    for size, accumulate in ((24, 1), (6, 4)):
        line = plain()

        @system
        def straight(signal, line=line):
            return line(signal)

        torch.manual_seed(4)
        data = {"signal": numbers(3), "word": numbers(2)}
        report = fit(
            straight, data, SimultaneousEndLoss(F.mse_loss), epochs=3, batch_size=size, accumulate=accumulate, seed=1,
            optimizer=adam,
        )  # fmt: skip
        assert report.iterations == 3
        assert report.passes["line"].forward == 3 * accumulate
        trained.append(line.thing.weight)
    torch.testing.assert_close(trained[0], trained[1], rtol=1e-9, atol=1e-12)


def test_a_schedule_steps_after_every_epoch_or_after_every_iteration(example):
    rates = []

    def halving(optimizer):
        rates.append(optimizer)
        return torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)

    fit(example.system, example.data, end(example), epochs=2, batch_size=8, optimizer=sgd, schedule=halving)
    assert [each.param_groups[0]["lr"] for each in rates] == [0.05 / 4] * 2
    rates.clear()
    fit(
        example.system, example.data, AlternatingEndLoss(example.end), epochs=1, batch_size=8, optimizer=sgd,
        schedule=EveryIteration(halving),
    )  # fmt: skip
    assert [each.param_groups[0]["lr"] for each in rates] == [0.05 / 4, 0.05 / 2]  # turns: encoder, reader, encoder


def test_clip_bounds_the_norm_of_the_gradient(example):
    norms = []

    class Watching(torch.optim.SGD):
        def step(self, closure=None):
            norms.append([weight.grad.norm() for group in self.param_groups for weight in group["params"]])
            return super().step(closure)

    def watching(parameters):
        return Watching(parameters, lr=0.1)

    loud = SimultaneousEndLoss(lambda prediction, truth: 100 * F.mse_loss(prediction, truth))
    fit(example.system, example.data, loud, epochs=1, batch_size=99, optimizer=watching, clip=0.5)
    together = torch.tensor([norm for model in norms for norm in model]).norm()
    assert float(together) == pytest.approx(0.5, rel=1e-4)
    seen = []
    fit(example.system, example.data, loud, epochs=1, batch_size=99, clip=lambda parameters: seen.append(parameters))
    assert len(seen[0]) == len(list(example.system.parameters()))


def test_mixed_precision_computes_in_bf16_and_keeps_the_weights_type():
    example = chain()
    example.system.float()
    data = {name: value.float() for name, value in example.data.items()}
    seen = []

    def loss(prediction, truth):
        seen.append(prediction.dtype)
        return F.mse_loss(prediction.float(), truth)

    before = weights(example.models)
    fit(example.system, data, SimultaneousEndLoss(loss), epochs=2, precision="bf16")
    assert seen.count(torch.bfloat16) == 2  # measuring before and after is done in the type of the weights
    assert all(weight.dtype is torch.float32 for weight in example.system.parameters())
    assert not torch.equal(before["encoder.0.weight"], example.models["encoder"][0].weight)


@pytest.mark.parametrize("form", ["dict", "data set", "loader"])
def test_the_same_seed_gives_the_same_weights(form):
    ends = []
    for _ in range(2):
        torch.manual_seed(1)
        example = chain()
        example.models["reader"].insert(3, torch.nn.Dropout(0.3))
        torch.manual_seed(torch.initial_seed() + len(ends))  # what else was drawn must not matter
        data = {"dict": example.data, "data set": Rows(example.data), "loader": loader(example.data)}[form]
        fit(example.system, data, end(example), epochs=2, batch_size=8, seed=7)
        ends.append(weights(example.models))
    assert_same(*ends)


def test_fit_leaves_the_users_random_state_alone(example):
    torch.manual_seed(11)
    fit(example.system, example.data, end(example), epochs=1, batch_size=8, seed=1)
    drawn = torch.rand(3)
    torch.manual_seed(11)
    assert torch.equal(drawn, torch.rand(3))


# -- what is counted


def test_updates_passes_and_iterations_are_counted():
    example = join()
    report = fit(example.system, example.data, AlternatingEndLoss(example.end), epochs=2, batch_size=8)
    assert report.iterations == 6
    assert report.updates == {"camera": 2, "lidar": 2, "judge": 2}
    assert {name: passes.forward for name, passes in report.passes.items()} == {"camera": 6, "lidar": 6, "judge": 6}
    assert report.passes["camera"].backward == 2  # not differentiated while another is in turn
    assert report.passes["judge"].backward == 6  # the gradients of camera and lidar go back through it
    assert [row["iteration"] for row in report.history] == [3, 6]
    assert report.seconds > 0


def test_labels_count_once_over_epochs_and_stages_and_by_use(example):
    data = annotated(example.data, raw=Labels(lambda raw: 5), word=Labels(lambda word: 3, origin="machine"))
    check = {name: value[:10] for name, value in example.data.items()}
    report = fit(
        example.system, data, Stages(Individual(example.individual), end(example)), epochs=(2, 3), batch_size=8,
        validation=annotated(check, word=Labels(lambda word: 3)), metric={"word": ERROR},
    )  # fmt: skip
    assert report.labels.total(edge="raw", use="training") == 24 * 5
    assert report.labels.total(edge="word", use="training") == 24 * 3
    assert report.labels.total(origin="machine") == 24 * 3
    assert report.labels.total(edge="word", use="validation") == 10 * 3
    assert report.to_dict()["labels"]["raw"] == {"human": {"training": 120}}


def test_end_loss_training_does_not_pay_for_inner_truth(example):
    report = fit(example.system, example.data, end(example), epochs=2)
    assert report.labels["raw"] == 0
    assert report.labels["word"] == 24 * 2


def test_every_edge_is_measured_before_and_after(example):
    def error():
        with torch.no_grad():
            return float(F.mse_loss(example.system.eval()(example.data["signal"]), example.data["word"]))

    first = error()
    report = fit(
        example.system, example.data, end(example), epochs=5, optimizer=adam, validation=example.data,
        metric={"word": ERROR},
    )  # fmt: skip
    assert report.edges["word"].before == pytest.approx(first)
    assert report.edges["word"].after == pytest.approx(error())
    assert "raw: mean squared error" in report.edges
    assert "improved word" in report.verdict
    assert "word" in str(report)
    assert report.to_dict()["verdict"] == report.verdict


def test_the_verdict_says_when_an_inner_edge_moved_away_from_its_truth(example):
    fit(example.system, example.data, Individual({"raw": F.mse_loss}), epochs=60, batch_size=8, optimizer=adam)
    report = fit(
        example.system, example.data, end(example), epochs=60, batch_size=8, optimizer=adam,
        validation=example.data, metric={"word": ERROR, "raw": Metric(error_per_sample, higher_is_better=False)},
    )  # fmt: skip
    assert report.edges["word"].better
    assert report.edges["raw"].better is False
    assert "Inner edges moved away from their truth: raw" in report.verdict
    assert "co_adaptation measures whether they can still be swapped" in report.verdict


def test_the_verdict_says_when_the_system_became_worse(example):
    harm = SimultaneousEndLoss(lambda prediction, truth: -F.mse_loss(prediction, truth))
    report = fit(example.system, example.data, harm, epochs=10, batch_size=8, optimizer=sgd, metric={"word": ERROR})
    assert "made worse word" in report.verdict


# -- truth in the place of a model


def test_truth_that_stood_in_unencoded_is_named(example):
    report = fit(example.system, example.data, Individual({"word": F.mse_loss}), epochs=1)
    assert "The truth of raw stood in for its model unencoded" in report.verdict


def test_from_truth_encodes_what_stands_in_for_a_model():
    seen = []
    encoder = component(
        "encoder", network(3, 4), "signal -> raw", from_truth=lambda classes: F.one_hot(classes, 4).double()
    )

    class Reader(torch.nn.Linear):
        def forward(self, value):
            seen.append(value.detach().clone())
            return super().forward(value)

    reader = component("reader", Reader(4, 2).double(), "raw -> word")

    @system
    def listener(signal):
        return reader(encoder(signal))

    classes = torch.arange(24) % 4
    data = {"signal": numbers(3), "raw": classes, "word": numbers(2)}
    report = fit(listener, data, Individual({"word": F.mse_loss}), epochs=1, batch_size=24, seed=1, cache=False)
    expected = F.one_hot(classes, 4).double()
    trained_on = [value for value in seen if set(value.flatten().tolist()) == {0.0, 1.0}]
    assert trained_on
    assert torch.equal(trained_on[0].sum(0), expected.sum(0))
    assert "unencoded" not in report.verdict


@pytest.mark.parametrize("name", EXAMPLES)
def test_zero_epochs_change_nothing(name):
    example = EXAMPLES[name]()
    before = weights(example.models)
    report = fit(example.system, example.data, SimultaneousEndLoss(example.end), epochs=0)
    assert_same(before, weights(example.models))
    assert report.iterations == 0


def test_a_fork_keeps_the_head_that_is_not_trained():
    example = fork()
    report = fit(
        example.system, example.data, PartialEndLoss("trunk", example.end), epochs=5, validation=example.data,
        metric={"light": Metric(error_per_sample, higher_is_better=False),
                "sign": Metric(error_per_sample, higher_is_better=False)},
    )  # fmt: skip
    assert report.updates == {"trunk": 5, "lamp": 0, "board": 0}
    assert set(report.kept[0]) == {"trunk"}
