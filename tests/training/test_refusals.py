"""The ordinary accidents, each refused in words that say what was found and what would have fitted."""

from __future__ import annotations

import jaxtyping
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from drivetrain import component, fit, system
from drivetrain.errors import (
    CheckpointError,
    DataError,
    DeclarationError,
    MissingEdgeError,
    NoGradientError,
    NonFiniteLossError,
    ShapeError,
    TrainingError,
    UnknownNameError,
)
from drivetrain.training import AlternatingEndLoss, Individual, PartialEndLoss, SimultaneousEndLoss, Stages
from tests.training.systems import Rows, assert_same, chain, error_per_sample, fork, numbers, weights


@pytest.fixture
def example():
    return chain()


def without(example, *names):
    return {name: value for name, value in example.data.items() if name not in names}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epochs": -1}, "whole numbers from 0 on"),
        ({"epochs": (1, 2)}, r"this pattern has 1 stage\(s\)"),
        ({"batch_size": 0}, "at least one sample"),
        ({"accumulate": 0}, "at least one batch"),
        ({"precision": "int4"}, "what fits: None, 32, bf16, fp16"),
        ({"until": {"word": 1.0}}, "is judged on validation data"),
        ({"device": "abacus"}, "what fits"),
        ({"optimizer": {"encoder": torch.optim.Adam}}, "optimizer has none for 'reader'"),
        ({"optimizer": torch.optim.LBFGS}, "LBFGS, made for 'encoder', runs the loss several times.*SGD, Adam, AdamW"),
        ({"schedule": torch.optim.lr_scheduler.ReduceLROnPlateau}, "asks for a measured value .*StepLR"),
        ({"device": "cuda:99"}, r"torch finds \d+ CUDA device\(s\) here"),
        ({"clip": -1.0}, "clip=-1.0: it is the largest norm of the gradient, such as clip=1.0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(example, options, words):
    with pytest.raises(DeclarationError, match=words):
        fit(example.system, example.data, SimultaneousEndLoss(example.end), **{"epochs": 1} | options)


@pytest.fixture
def as_users_run_it():
    """Without the types that are checked while the tests run."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"optimizer": "adam"}, "optimizer='adam': it is a function from weights to a torch optimizer.*lambda weights"),
        ({"optimizer": {"encoder": 3, "reader": 3}}, "optimizer=3: it is a function from weights"),
        ({"optimizer": lambda weights: None}, "answered NoneType for the weights of 'encoder'; it answers a torch opt"),
        ({"schedule": 3}, "schedule=3: it is a function from an optimizer to a torch scheduler.*lambda optimizer"),
        ({"optimizer": torch.optim.SGD([torch.zeros(1)], lr=0.1)}, r"optimizer=SGD\(\.\.\.\): it is a function from"),
        ({"cache": "no"}, "cache='no': it is True or False"),
        ({"checkpoint": 3}, "checkpoint=3: it is the path of a file"),
        ({"epochs": 2.5}, "epochs=2.5: epochs are whole numbers from 0 on"),
        ({"epochs": True}, "epochs=True: epochs are whole numbers"),
        ({"batch_size": 4.0}, "batch_size=4.0: a batch has a whole number of samples"),
        ({"accumulate": None}, "accumulate=None: an update takes a whole number of batches"),
        ({"seed": "lucky"}, "seed='lucky': a seed is a whole number"),
        ({"clip": "1"}, "clip='1': it is the largest norm"),
        ({"callbacks": print}, r"it is a list of functions of the state: callbacks=\[my_function\]"),
        ({"until": 0.9}, r"until=0.9: it names metrics and what they must reach: until=\{'word': 0.9\}"),
    ],
)
def test_options_of_a_wrong_kind_are_refused_with_the_line_to_write(example, options, words):
    with pytest.raises(DeclarationError, match=words):
        fit(example.system, example.data, SimultaneousEndLoss(example.end), **{"epochs": 1} | options)


def test_unknown_names_are_refused_with_those_there_are(example):
    with pytest.raises(UnknownNameError, match=r"no component 'radar' in listener; it has: encoder, bend, reader"):
        fit(example.system, example.data, PartialEndLoss("radar", example.end), epochs=1)
    with pytest.raises(DeclarationError, match="'bend' is code and does not learn; models are: encoder, reader"):
        fit(example.system, example.data, PartialEndLoss("bend", example.end), epochs=1)
    with pytest.raises(UnknownNameError, match="radar"):
        fit(example.system, example.data, AlternatingEndLoss(example.end, order=["encoder", "radar"]), epochs=1)
    with pytest.raises(UnknownNameError, match="boxes"):
        fit(example.system, example.data, Individual({"boxes": F.mse_loss}), epochs=1)
    with pytest.raises(DeclarationError, match="made by 'bend', which is code"):
        fit(example.system, example.data, Individual({"bent": F.mse_loss}), epochs=1)
    metric = {"boxes": error_per_sample}
    with pytest.raises(UnknownNameError, match="boxes"):
        fit(example.system, example.data, SimultaneousEndLoss(example.end), epochs=1, metric=metric)


def test_a_fork_asks_which_loss_belongs_to_which_output():
    example = fork()
    with pytest.raises(DeclarationError, match="has several outputs, light, sign"):
        fit(example.system, example.data, SimultaneousEndLoss(F.mse_loss), epochs=1)


def test_stages_take_patterns():
    with pytest.raises(DeclarationError, match="Stages takes patterns"):
        Stages()


def test_a_missing_truth_edge_is_named(example):
    with pytest.raises(MissingEdgeError, match="no truth for edge word; its samples have: signal, raw"):
        fit(example.system, without(example, "word"), SimultaneousEndLoss(example.end), epochs=1)
    with pytest.raises(MissingEdgeError, match=r"needs the truth of its input bent.*inputs=\"system\""):
        fit(example.system, without(example, "raw"), Individual({"word": F.mse_loss}), epochs=1)
    with pytest.raises(MissingEdgeError, match="has no signal"):
        fit(example.system, without(example, "signal"), SimultaneousEndLoss(example.end), epochs=1)


def test_a_loss_that_is_not_finite_stops_training_before_the_step(example):
    before = weights(example.models)

    def broken(prediction, truth):
        return F.mse_loss(prediction, truth) * float("nan")

    with pytest.raises(NonFiniteLossError, match="NaN or infinite in iteration 1 of simultaneous end-loss"):
        fit(example.system, example.data, SimultaneousEndLoss(broken), epochs=1)
    after = weights(example.models)
    learned = {name for name in before if "running" not in name and "tracked" not in name}
    assert_same({n: before[n] for n in learned}, {n: after[n] for n in learned})
    example.data["signal"][3] = float("nan")
    with pytest.raises(NonFiniteLossError, match="the first edge that is not finite is 'signal'"):
        fit(example.system, example.data, SimultaneousEndLoss(example.end), epochs=1)


def test_a_loss_that_is_not_reduced_is_refused(example):
    with pytest.raises(TrainingError, match=r"answered Tensor\(24, 2\); .* reduce it with .mean\(\)"):
        fit(
            example.system, example.data, SimultaneousEndLoss(lambda p, t: (p - t) ** 2), epochs=1,
        )  # fmt: skip


def test_truth_of_another_shape_cannot_stand_in_for_a_model(example):
    example.data["raw"] = numbers(7)
    with pytest.raises(ShapeError, match=r"the truth of edge 'raw' is .* but 'encoder' emits .* from_truth=encode"):
        fit(example.system, example.data, Individual({"word": F.mse_loss}), epochs=1)


def test_empty_data_is_refused(example):
    nothing = {name: value[:0] for name, value in example.data.items()}
    for data in (nothing, {}, Rows(nothing)):
        with pytest.raises(DataError, match="empty"):
            fit(example.system, data, SimultaneousEndLoss(example.end), epochs=1)


def test_arrays_of_different_lengths_are_refused(example):
    with pytest.raises(DataError, match="one first dimension, the samples; found signal 24, raw 24, word 9"):
        fit(
            example.system, example.data | {"word": numbers(2, 9)}, SimultaneousEndLoss(example.end), epochs=1,
        )  # fmt: skip


def test_an_unreadable_sample_is_named(example):
    class Torn(Rows):
        def __getitem__(self, index):
            if index == 17:
                raise OSError("torn file")
            return super().__getitem__(index)

    with pytest.raises(DataError, match="sample 17 cannot be read: OSError: torn file"):
        fit(example.system, Torn(example.data), SimultaneousEndLoss(example.end), epochs=1)


def test_samples_may_lack_edges(example):
    word = [None if row % 3 == 0 else value for row, value in enumerate(example.data["word"])]
    report = fit(example.system, example.data | {"word": word}, SimultaneousEndLoss(example.end), epochs=2)
    assert report.iterations == 2
    assert report.labels["word"] == 16 * 2


def test_data_sets_keyed_by_edge_are_joined_by_key(example):
    raw, word = torch.arange(20), torch.arange(4, 24)
    data = {
        "raw": {"key": raw, "signal": example.data["signal"][:20], "raw": example.data["raw"][:20]},
        "word": {"key": word, "signal": example.data["signal"][4:], "word": example.data["word"][4:]},
    }
    pattern = Stages(Individual({"raw": F.mse_loss}), SimultaneousEndLoss(example.end))
    report = fit(example.system, data, pattern, epochs=1, batch_size=10)
    assert report.updates == {"encoder": 4, "reader": 2}
    assert report.labels["raw"] == 20 * 4
    assert report.labels["word"] == 20 * 2
    both = fit(example.system, data, Individual(example.individual), epochs=1)
    assert both.updates == {"encoder": 1, "reader": 1}  # the reader learns where both truths are known


def test_individual_training_needs_no_keys_where_each_data_set_is_enough():
    example = fork()
    data = {
        "light": {"features": numbers(4, 8), "light": numbers(2, 8)},
        "sign": {"features": numbers(4, 12), "sign": numbers(1, 12)},
    }
    report = fit(
        example.system, data, Individual({"light": F.mse_loss, "sign": F.mse_loss}), epochs=1, batch_size=4
    )  # fmt: skip
    assert report.updates == {"lamp": 2, "board": 3}


@pytest.mark.parametrize("form", [dict, Rows])
def test_ragged_edges_run_from_end_to_end(form):
    @component("counts, points -> total")
    def add(counts, points):
        return torch.stack([part.sum() + 0 * row.sum() for part, row in zip(points, counts, strict=True)])[:, None]

    class Points(nn.Module):
        def __init__(self):
            super().__init__()
            self.line = nn.Linear(2, 3).double()

        def forward(self, clouds):
            return [self.line(cloud) for cloud in clouds]

    finder = component("finder", Points(), "clouds -> points[]")
    reader = component("reader", nn.Linear(1, 1).double(), "total -> area")

    @system
    def counting(cloud, counts):
        return reader(add(counts, finder(cloud)))

    sizes = [row % 4 for row in range(12)]  # a sample may be empty
    data = {
        "cloud": [numbers(2, size) for size in sizes],
        "counts": numbers(1, 12),
        "points": [numbers(3, size) for size in sizes],
        "area": numbers(1, 12),
    }

    def each(prediction, truth):
        return sum(((p - t) ** 2).sum() for p, t in zip(prediction, truth, strict=True)) / len(truth)

    pattern = Stages(Individual({"points": each, "area": F.mse_loss}), AlternatingEndLoss(F.mse_loss))
    report = fit(counting, form(data), pattern, epochs=2, batch_size=5, validation=form(data), seed=1)
    assert report.updates == {"finder": 9, "reader": 9}
    assert report.labels.total(edge="points", use="training") == 3 * sum(sizes)


def test_losses_and_perturbations_that_answer_nothing_useful_are_refused(example):
    with pytest.raises(TrainingError, match="the loss on word answered a dict without terms"):
        fit(example.system, example.data, SimultaneousEndLoss(lambda p, t: {}), epochs=1)
    with pytest.raises(TrainingError, match=r"perturb answered NoneType; .*return \{\*\*batch, 'signal': changed\}"):
        fit(example.system, example.data, SimultaneousEndLoss(F.mse_loss, perturb=lambda *_: None), epochs=1)


def test_a_loss_that_cuts_its_own_gradient_off_is_named(example):
    with pytest.raises(
        NoGradientError, match=r"no code lies between them, so the loss or the model itself cuts it off"
    ):
        fit(
            example.system, example.data, PartialEndLoss("reader", lambda p, t: F.mse_loss(p, t).detach()), epochs=1,
        )  # fmt: skip


def test_validation_data_without_the_truth_of_the_loss_cannot_choose_and_is_refused(example):
    with pytest.raises(MissingEdgeError, match="end loss, validation: the data has no truth for edge word"):
        fit(
            example.system, example.data, SimultaneousEndLoss(F.mse_loss), epochs=1,
            validation=without(example, "word"),
        )  # fmt: skip
    unlabelled = example.data | {"word": [*example.data["word"][:1], *[None] * 23]}
    unlabelled["signal"] = [None, *example.data["signal"][1:]]
    with pytest.raises(DataError, match="no sample of the validation data has all that is read: signal, and the truth"):
        fit(example.system, example.data, SimultaneousEndLoss(F.mse_loss), epochs=1, validation=unlabelled)


def test_a_checkpoint_that_is_a_folder_is_refused_without_the_advice_to_delete_it(example, tmp_path):
    with pytest.raises(CheckpointError, match="is a folder; a checkpoint is one file, such as") as error:
        fit(example.system, example.data, SimultaneousEndLoss(F.mse_loss), epochs=1, checkpoint=tmp_path)
    assert "delete" not in str(error.value)


def test_an_optimizer_for_a_sub_system_serves_all_its_models():
    inner = chain()
    last = component("judge", nn.Linear(2, 1).double(), "word -> verdict")

    @system
    def deciding(signal):
        return last(inner.system(signal))

    made = []

    def slow(weights):
        made.append(len(weights))
        return torch.optim.SGD(weights, lr=0.0)

    before, judge = weights(inner.models), last.thing.weight.clone()
    data = {"signal": inner.data["signal"], "verdict": numbers(1)}
    fit(
        deciding, data, SimultaneousEndLoss(F.mse_loss), epochs=1,
        optimizer={"listener": slow, "judge": lambda weights: torch.optim.SGD(weights, lr=0.1)},
    )  # fmt: skip
    assert len(made) == 2
    learned = {name for name in before if "running" not in name and "tracked" not in name}
    after = weights(inner.models)
    assert_same({name: before[name] for name in learned}, {name: after[name] for name in learned})
    assert not torch.equal(last.thing.weight, judge)


class Untouched(torch.utils.data.Dataset):
    """Samples that nobody may read."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        raise AssertionError("data was touched before the declaration was refused")


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (lambda loss: SimultaneousEndLoss(torch.nn.MSELoss), r"the class MSELoss; hand over an instance: MSELoss\(\)"),
        (
            lambda loss: SimultaneousEndLoss(loss, perturb=3),
            r"perturb=3; it is a function: perturb\(system, batch, loss",
        ),
        (lambda loss: PartialEndLoss(loss, "reader"), r'found function: write PartialEndLoss\("encoder", loss\)'),
        (lambda loss: PartialEndLoss(["reader"], loss), "takes the name of a model, then the loss; found list of 1"),
        (
            lambda loss: AlternatingEndLoss(loss, every=1.5),
            "a whole number of iterations, at least one, found every=1.5",
        ),
        (lambda loss: AlternatingEndLoss(loss, order=5), "order is a list of models such as encoder, reader, found 5"),
        (
            lambda loss: AlternatingEndLoss(loss, order=lambda: "reader"),
            "a function of the state to a model's name; what",
        ),
        (
            lambda loss: SimultaneousEndLoss(loss, perturb=lambda batch: batch),
            r"called as perturb\(system, batch, loss\)",
        ),
        (
            lambda loss: SimultaneousEndLoss(lambda batch: 0),
            r"loss on '.*' is called as loss\(prediction, truth\); what",
        ),
    ],
)
def test_patterns_that_mean_nothing_are_refused_before_data_is_touched(example, pattern, words):
    with pytest.raises(DeclarationError, match=words):
        fit(example.system, Untouched(), pattern(torch.nn.functional.mse_loss), epochs=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"schedule": torch.optim.lr_scheduler.StepLR}, "a function of an optimizer alone: schedule=lambda optimizer"),
        ({"optimizer": lambda: None}, "a function of the weights of one model: optimizer=lambda weights"),
        ({"callbacks": [lambda: None]}, "a function of the state: callbacks="),
    ],
)
def test_functions_that_cannot_be_called_as_they_will_be_are_refused_before_data_is_touched(example, options, words):
    with pytest.raises(DeclarationError, match=words):
        fit(example.system, Untouched(), SimultaneousEndLoss(example.end), epochs=1, **options)


def test_an_impossible_device_is_refused_before_data_is_touched(example):
    with pytest.raises(DeclarationError, match="what fits"):
        fit(example.system, Untouched(), SimultaneousEndLoss(example.end), epochs=1, device="abacus")


def test_a_unit_that_no_sample_has_is_refused_without_a_metric_too(example):
    with pytest.raises(MissingEdgeError, match="unit='room': the data has no such field; its samples have"):
        fit(example.system, example.data, SimultaneousEndLoss(example.end), epochs=1, unit="room")
