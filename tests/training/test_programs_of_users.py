"""Programs as the design lets users write them, each beside the loop in plain PyTorch that does the same."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from drivetrain import component, fit, system
from drivetrain.gradients import relaxed
from drivetrain.training import AlternatingEndLoss, Individual, PartialEndLoss, SimultaneousEndLoss
from tests.training.systems import Rows, adam, numbers, sgd


def line(inputs, outputs):
    return nn.Linear(inputs, outputs).double()


def assert_close(models, by_hand):
    for name, model in models.items():
        for key, value in model.state_dict().items():
            torch.testing.assert_close(
                value, by_hand[name].state_dict()[key], rtol=1e-6, atol=1e-12, msg=f"{name}.{key}"
            )


def steps(optimizers):
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()


def test_a_sub_system_is_trained_by_its_name():
    models = {"sharpen": line(3, 4), "find": line(4, 4), "judge": line(4, 2)}
    by_hand = copy.deepcopy(models)
    sharpen = component("sharpen", models["sharpen"], "image -> sharp")
    find = component("find", models["find"], "sharp -> boxes")
    judge = component("judge", models["judge"], "boxes -> cones")

    @system
    def front(image):
        return find(sharpen(image))

    @system
    def perception(image):
        return judge(front(image))

    data = {"image": numbers(3), "cones": numbers(2)}
    report = fit(perception, data, PartialEndLoss("front", F.mse_loss), epochs=3, batch_size=24, optimizer=sgd)
    optimizers = [sgd(list(by_hand[name].parameters())) for name in ("sharpen", "find")]
    for _ in range(3):
        boxes = by_hand["find"](by_hand["sharpen"](data["image"]))
        F.mse_loss(by_hand["judge"](boxes), data["cones"]).backward()
        steps(optimizers)
    assert_close(models, by_hand)
    assert report.updates == {"front.sharpen": 3, "front.find": 3, "judge": 0}


def test_a_model_with_two_outputs_learns_from_both_at_once():
    class Finder(nn.Module):
        def __init__(self):
            super().__init__()
            self.boxes, self.classes = line(3, 4), line(3, 2)

        def forward(self, image):
            return self.boxes(image), self.classes(image)

    models = {"finder": Finder(), "judge": line(6, 1)}
    by_hand = copy.deepcopy(models)
    finder = component("finder", models["finder"], "image -> boxes, classes")
    judge = component("judge", models["judge"], "both -> cones")

    @component("boxes, classes -> both")
    def join(boxes, classes):
        return torch.cat([boxes, classes], 1)

    @system
    def perception(image):
        boxes, classes = finder(image)
        return {"cones": judge(join(boxes, classes)), "classes": classes}

    data = {"image": numbers(3), "boxes": numbers(4), "classes": numbers(2), "cones": numbers(1)}
    losses = {"boxes": F.mse_loss, "classes": F.l1_loss, "cones": F.mse_loss}
    fit(perception, data, Individual(losses), epochs=3, batch_size=24, optimizer=adam)
    optimizers = {name: adam(list(model.parameters())) for name, model in by_hand.items()}
    for _ in range(3):
        boxes, classes = by_hand["finder"](data["image"])
        (F.mse_loss(boxes, data["boxes"]) + F.l1_loss(classes, data["classes"])).backward()
        steps([optimizers["finder"]])
        F.mse_loss(by_hand["judge"](torch.cat([data["boxes"], data["classes"]], 1)), data["cones"]).backward()
        steps([optimizers["judge"]])
    assert_close(models, by_hand)


def chain():
    models = {"encoder": line(3, 4), "reader": line(4, 2)}
    encoder = component("encoder", models["encoder"], "signal -> raw")
    reader = component("reader", models["reader"], "bent -> word")

    @component("raw -> bent")
    def bend(raw):
        return torch.tanh(raw)

    @system
    def listener(signal):
        return reader(bend(encoder(signal)))

    return listener, models, {"signal": numbers(3, 20), "raw": numbers(4, 20), "word": numbers(2, 20)}


def test_clip_accumulation_and_a_schedule_together_are_those_of_a_hand_written_loop():
    net, models, data = chain()
    by_hand = copy.deepcopy(models)
    batches = DataLoader(Rows(data), batch_size=4)

    def halving(optimizer):
        return torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)

    fit(
        net, batches, SimultaneousEndLoss(F.mse_loss), epochs=4, optimizer=sgd, clip=0.3, accumulate=2, schedule=halving
    )
    optimizers = [sgd(list(model.parameters())) for model in by_hand.values()]
    schedules = [halving(optimizer) for optimizer in optimizers]
    every = [weight for model in by_hand.values() for weight in model.parameters()]
    for _ in range(4):
        read = list(batches)
        for group in (read[:2], read[2:4], read[4:]):
            for batch in group:
                word = by_hand["reader"](torch.tanh(by_hand["encoder"](batch["signal"])))
                (F.mse_loss(word, batch["word"]) / len(group)).backward()
            torch.nn.utils.clip_grad_norm_(every, 0.3)
            steps(optimizers)
        for schedule in schedules:
            schedule.step()
    assert_close(models, by_hand)


def test_each_model_may_have_a_loader_of_its_own():
    net, models, data = chain()
    by_hand = copy.deepcopy(models)
    apart = {"raw": DataLoader(Rows(data), batch_size=5), "word": DataLoader(Rows(data), batch_size=10)}
    report = fit(net, apart, Individual({"raw": F.mse_loss, "word": F.mse_loss}), epochs=2, optimizer=adam)
    encoder, reader = (adam(list(model.parameters())) for model in by_hand.values())
    for _ in range(2):
        for batch in apart["raw"]:
            F.mse_loss(by_hand["encoder"](batch["signal"]), batch["raw"]).backward()
            steps([encoder])
        for batch in apart["word"]:
            F.mse_loss(by_hand["reader"](torch.tanh(batch["raw"])), batch["word"]).backward()
            steps([reader])
    assert_close(models, by_hand)
    assert report.updates == {"encoder": 8, "reader": 4}


def test_turns_over_a_ragged_edge_are_those_of_a_hand_written_loop():
    class Points(nn.Module):
        def __init__(self):
            super().__init__()
            self.line = line(2, 3)

        def forward(self, clouds):
            return [self.line(cloud) for cloud in clouds]

    models = {"finder": Points(), "reader": line(3, 1)}
    by_hand = copy.deepcopy(models)
    finder = component("finder", models["finder"], "clouds -> points[]")
    reader = component("reader", models["reader"], "total -> area")

    @component("points -> total")
    def add(points):
        return torch.stack([part.sum(0) for part in points])

    @system
    def counting(cloud):
        return reader(add(finder(cloud)))

    data = {"cloud": [numbers(2, row % 4) for row in range(8)], "area": numbers(1, 8)}
    fit(counting, data, AlternatingEndLoss(F.mse_loss), epochs=4, batch_size=8, optimizer=sgd)
    optimizers = [sgd(list(model.parameters())) for model in by_hand.values()]
    for turn in range(4):
        total = torch.stack([part.sum(0) for part in by_hand["finder"](data["cloud"])])
        F.mse_loss(by_hand["reader"](total), data["area"]).backward()
        optimizers[turn % 2].step()
        for optimizer in optimizers:
            optimizer.zero_grad()
    assert_close(models, by_hand)


def towards_a_larger_loss(net, batch, loss):
    """The fast gradient sign method (Goodfellow, Shlens and Szegedy 2015)."""
    signal = batch["signal"].clone().requires_grad_(True)
    loss(net(signal), batch["word"]).backward()
    return {**batch, "signal": signal + 0.1 * signal.grad.sign()}


def test_adversarial_training_is_that_of_a_hand_written_loop():
    net, models, data = chain()
    by_hand = copy.deepcopy(models)
    fit(
        net, data, SimultaneousEndLoss(F.mse_loss, perturb=towards_a_larger_loss), epochs=3, batch_size=20,
        optimizer=adam,
    )  # fmt: skip
    optimizers = [adam(list(model.parameters())) for model in by_hand.values()]

    def run(signal):
        return by_hand["reader"](torch.tanh(by_hand["encoder"](signal)))

    for _ in range(3):
        moved = towards_a_larger_loss(run, data, F.mse_loss)["signal"].detach()
        for optimizer in optimizers:
            optimizer.zero_grad()
        F.mse_loss(run(moved), data["word"]).backward()
        steps(optimizers)
    assert_close(models, by_hand)


@pytest.mark.parametrize("model", ["encoder", "reader"])
def test_a_perturbation_gets_its_gradient_through_relaxed_code_whoever_is_in_turn(model):
    net, _, data = chain()

    @component("raw -> bent")
    def hard(raw):
        return (raw > 0).double()

    slopes = []

    def attack(net, batch, loss):
        changed = towards_a_larger_loss(net, batch, loss)
        slopes.append(float((changed["signal"] - batch["signal"]).detach().abs().sum()))
        return changed

    net = net.replace(bend=relaxed(hard, torch.sigmoid))
    fit(net, data, PartialEndLoss(model, F.mse_loss, perturb=attack), epochs=2, batch_size=20)
    assert len(slopes) == 2
    assert min(slopes) > 0


def test_mixed_precision_takes_the_steps_of_torch_autocast():
    net, models, data = chain()
    net.float()
    data = {edge: value.float() for edge, value in data.items()}
    by_hand = copy.deepcopy(models)

    def loss(prediction, truth):
        return F.mse_loss(prediction.float(), truth)

    batches = DataLoader(Rows(data), batch_size=20)
    fit(net, batches, SimultaneousEndLoss(loss), epochs=3, optimizer=sgd, precision="bf16")
    optimizers = [sgd(list(model.parameters())) for model in by_hand.values()]
    for _ in range(3):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            word = by_hand["reader"](torch.tanh(by_hand["encoder"](data["signal"])))
            value = loss(word, data["word"])
        value.backward()
        steps(optimizers)
    assert_close(models, by_hand)


@pytest.mark.parametrize("place", ["component", "edge", "system"])
def test_a_name_that_the_written_function_uses_itself_is_free_for_users(place):
    front = component("marked" if place == "component" else "front", nn.Linear(4, 3), "signal -> code")
    back = component("back", nn.Linear(3, 2), "code -> marked" if place == "edge" else "code -> word")

    def listener(signal):
        return back(front(signal))

    listener.__name__ = "marked" if place == "system" else "listener"
    whole = system(listener)
    data = {"signal": torch.ones(6, 4), whole.outputs[0]: torch.ones(6, 2)}
    report = fit(whole, data, SimultaneousEndLoss(F.mse_loss), epochs=1)
    assert report.iterations == 1
