"""Metrics: what fits, where it belongs, how it adds up, and what is said when it does not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torchmetrics
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from drivetrain import System, component, system
from drivetrain.errors import DeclarationError, ShapeError, UnknownNameError
from drivetrain.evaluation import Metric, Rows, Tally, metrics_by_edge


def error(prediction: Tensor, truth: Tensor) -> Tensor:
    return (prediction - truth).abs()


def found(prediction: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    return (prediction * truth).flatten(1).sum(1), truth.flatten(1).sum(1)


@pytest.fixture
def car() -> System:
    camera = component("camera", nn.Linear(3, 2), "image -> boxes")
    fusion = component("fusion", nn.Linear(2, 1), "boxes -> cones")

    @system
    def perception(image: Any) -> Any:
        return fusion(camera(image))

    return perception


@pytest.fixture
def fork() -> System:
    light = component("light", nn.Linear(3, 2), "image -> lights")
    sign = component("sign", nn.Linear(3, 2), "image -> signs")

    @system
    def traffic(image: Any) -> Any:
        return light(image), sign(image)

    return traffic


def test_one_function_is_a_metric_of_the_only_output(car: System) -> None:
    assert metrics_by_edge(car, error) == {"cones": Metric(error, "cones", name="error")}


def test_a_metric_goes_to_the_edge_that_it_names(car: System) -> None:
    assert list(metrics_by_edge(car, Metric(error, "boxes"))) == ["boxes"]


def test_several_metrics_of_an_edge_are_known_by_edge_and_name(car: System) -> None:
    named = metrics_by_edge(car, {"cones": {"f1": found, "distance": Metric(error, higher_is_better=False)}})
    assert list(named) == ["cones.f1", "cones.distance"]
    assert [metric.edge for metric in named.values()] == ["cones", "cones"]
    several = metrics_by_edge(car, {"cones": [found, error], "boxes": error})
    assert list(several) == ["cones.found", "cones.error", "boxes"]
    assert list(metrics_by_edge(car, [Metric(found, "boxes"), error])) == ["boxes", "cones"]


def test_a_metric_that_does_not_say_which_of_several_outputs_is_refused(fork: System) -> None:
    with pytest.raises(DeclarationError, match=r'traffic answers lights, signs: write {"lights": error}'):
        metrics_by_edge(fork, error)


def test_an_unknown_edge_is_refused_with_the_edges_there_are(car: System) -> None:
    with pytest.raises(UnknownNameError, match="no edge 'cone' in perception; it has: image, boxes, cones"):
        metrics_by_edge(car, {"cone": error})


def test_an_input_cannot_be_judged(car: System) -> None:
    with pytest.raises(DeclarationError, match=r"'image' is an input of perception.* what can be judged: boxes, cones"):
        metrics_by_edge(car, {"image": error})


def test_a_metric_given_for_another_edge_than_its_own_is_refused(car: System) -> None:
    with pytest.raises(DeclarationError, match="'error' of edge 'boxes' is given for edge 'cones'"):
        metrics_by_edge(car, {"cones": Metric(error, "boxes")})


def test_no_metric_and_two_of_one_name_are_refused(car: System) -> None:
    with pytest.raises(DeclarationError, match="no metric is given"):
        metrics_by_edge(car, {})
    with pytest.raises(DeclarationError, match=r"two metrics would both be called 'cones\.error'"):
        metrics_by_edge(car, {"cones": [error, error]})


@pytest.mark.parametrize("thing", [42, "f1", nn.L1Loss])
def test_what_cannot_be_called_is_no_metric(thing: Any) -> None:
    with pytest.raises(DeclarationError, match=r"is no metric; what fits: a function of \(prediction, truth\)"):
        Metric(thing)


def test_values_are_averaged_and_ratios_are_summed_before_dividing() -> None:
    mean, ratio = Tally(Metric(error)), Tally(Metric(found))
    mean.add(torch.tensor([1.0, 2.0]), torch.zeros(2))
    mean.add(torch.tensor([6.0]), torch.zeros(1))
    assert mean.value == 3.0
    assert mean.count == 3
    ratio.add(torch.tensor([[1.0, 0, 0, 0], [1.0, 0, 0, 0]]), torch.tensor([[1.0, 0, 0, 0], [1.0, 1, 1, 1]]))
    assert ratio.value == 2 / 5  # and not the mean of 1 and 1/4


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20), st.integers(1, 7))
def test_a_ratio_is_sum_by_sum_in_any_order_and_any_batches(pairs: list[tuple[int, int]], size: int) -> None:
    def metric(prediction: list[Any], truth: list[Any]) -> tuple[list[int], list[int]]:
        return prediction, truth

    values = []
    for order in (pairs, pairs[::-1]):
        tally = Tally(Metric(metric))
        for begin in range(0, len(order), size):
            part = order[begin : begin + size]
            tally.add([above for above, _ in part], [below for _, below in part])
        values.append(tally.value)
    above, below = (sum(column) for column in zip(*pairs, strict=True))
    expected = above / below if below else math.nan
    assert values == pytest.approx([expected, expected], nan_ok=True)


@pytest.mark.parametrize("answer", [torch.tensor([1, 0]) > 0, np.array([1.0, 0.0]), [1, 0], [torch.tensor(1.0), False]])
def test_values_come_as_tensors_arrays_or_lists(answer: Any) -> None:
    tally = Tally(Metric(lambda prediction, truth: answer))
    tally.add(torch.zeros(2), torch.zeros(2))
    assert tally.value == 0.5


def test_a_metric_without_samples_or_denominators_is_nan() -> None:
    assert math.isnan(Tally(Metric(error)).value)
    tally = Tally(Metric(found))
    tally.add(torch.zeros(2, 3), torch.zeros(2, 3))
    assert math.isnan(tally.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (torch.tensor(0.5), r"answered one number for a batch of 4.*one value a sample.*\.flatten\(1\)\.mean\(1\)"),
        (0.5, r"answered one number for a batch of 4"),
        (torch.zeros(3), r"answered 3 values for a batch of 4"),
        (torch.zeros(4, 1), r"answered values of shape \(4, 1\) for a batch of 4"),
        ((torch.zeros(4), torch.zeros(3)), r"answered 3 denominators for a batch of 4"),
        ((torch.zeros(4),) * 3, r"answered a tuple of 3 for a batch of 4"),
        ({"f1": torch.zeros(4)}, r"answered {f1: Tensor\(4,\)} for a batch of 4"),
        (None, r"answered NoneType for a batch of 4"),
    ],
)
def test_what_is_not_one_value_a_sample_is_refused(answer: Any, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        Tally(Metric(lambda prediction, truth: answer, name="f1")).add(torch.zeros(4), torch.zeros(4))


def test_a_number_is_enough_for_a_batch_of_one() -> None:
    tally = Tally(Metric(lambda prediction, truth: (prediction - truth).abs().mean()))
    tally.add(torch.ones(1, 5), torch.zeros(1, 5))
    assert tally.value == 1.0


def test_rows_remember_units_and_ids() -> None:
    tally = Tally(Metric(error))
    tally.add(torch.ones(2), torch.zeros(2), units=torch.tensor([7, 7]), ids=["a", "b"])
    tally.add(torch.ones(1), torch.zeros(1), units=["rain"], ids=["c"])
    assert tally.rows.units == (7, 7, "rain")
    assert tally.rows.ids == ("a", "b", "c")
    assert len(Rows.joined([tally.rows, tally.rows])) == 6


def test_a_metric_keeps_no_tape() -> None:
    weight = torch.ones(2, requires_grad=True)
    graded = []
    tally = Tally(Metric(lambda prediction, truth: graded.append(torch.is_grad_enabled()) or prediction * weight))
    tally.add(torch.ones(2), torch.ones(2))
    assert graded == [False]


def test_a_torchmetrics_metric_is_counted_on_a_copy(car: System) -> None:
    metric = torchmetrics.MeanSquaredError()
    tally = Tally(metrics_by_edge(car, metric)["cones"])
    tally.add(torch.tensor([1.0, 3.0]), torch.zeros(2))
    tally.add(torch.tensor([2.0]), torch.zeros(1))
    assert tally.value == pytest.approx(14 / 3)
    assert tally.count == 3
    assert not metric.update_called
    assert not metrics_by_edge(car, metric)["cones"].higher_is_better


def test_a_torchmetrics_metric_whose_direction_is_mistaken_is_refused() -> None:
    with pytest.raises(DeclarationError, match="for this torchmetrics metric lower is better"):
        Metric(torchmetrics.MeanSquaredError())


def test_a_torchmetrics_metric_with_several_answers_is_refused() -> None:
    tally = Tally(Metric(torchmetrics.classification.MulticlassRecall(3, average="none")))
    tally.add(torch.tensor([0, 1, 2]), torch.tensor([0, 1, 1]))
    with pytest.raises(ShapeError, match="answers 3 numbers, a report shows one; let it average"):
        _ = tally.value


def test_better_knows_which_way_is_up_and_distrusts_nan() -> None:
    assert Metric(error, higher_is_better=False).better(0.1, 0.2)
    assert Metric(found).better(0.2, 0.1)
    assert Metric(found).better(0.2, math.nan)
    assert not Metric(found).better(math.nan, 0.1)


def test_a_metric_without_a_name_is_called_metric() -> None:
    assert Metric(lambda prediction, truth: prediction == truth).name == "metric"
