"""``evaluate`` measures every asked edge, on the samples that can be judged, and leaves the system as it was."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
import torch
import torchmetrics
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from drivetrain import System, component, system
from drivetrain.errors import DataError, DeclarationError, MissingEdgeError, ShapeError, UnknownNameError
from drivetrain.evaluation import Metric, evaluate, paired_difference

SAMPLES = 40


def right(prediction: Tensor, truth: Tensor) -> Tensor:
    return (prediction > 0).flatten() == truth.flatten()


def error(prediction: Tensor, truth: Tensor) -> Tensor:
    return (prediction - truth).abs().mean(1)


class Counted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.dropout = nn.Dropout(0.5)
        self.runs = 0

    def forward(self, image: Tensor) -> Tensor:
        self.runs += 1
        return self.dropout(self.linear(image))


class Listed(Dataset[dict[str, Any]]):
    def __init__(self, samples: list[dict[str, Any]]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.samples[index]


@pytest.fixture
def car() -> System:
    camera = component("camera", Counted(), "image -> boxes")
    lidar = component("lidar", Counted(), "scan -> hits")

    @component("boxes, hits -> cones")
    def fusion(boxes: Tensor, hits: Tensor) -> Tensor:
        return (boxes + hits).sum(1)

    @system
    def perception(image: Any, scan: Any) -> Any:
        return fusion(camera(image), lidar(scan))

    return perception


@pytest.fixture
def data() -> dict[str, Any]:
    return {
        "image": torch.randn(SAMPLES, 3),
        "scan": torch.randn(SAMPLES, 3),
        "boxes": torch.randn(SAMPLES, 2),
        "cones": torch.randint(2, (SAMPLES,)).bool(),
        "layout": [f"track {i // 8}" for i in range(SAMPLES)],
    }


def test_a_metric_of_the_output_is_what_a_loop_by_hand_finds(car: System, data: dict[str, Any]) -> None:
    report = evaluate(car, data, right)
    car.eval()
    by_hand = right(car(data["image"], data["scan"]), data["cones"]).double().mean()
    assert report["cones"].value == pytest.approx(float(by_hand))
    assert report["cones"].low < report["cones"].value < report["cones"].high
    assert report["cones"].n == SAMPLES


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_the_batch_size_changes_nothing(car: System, data: dict[str, Any], batch_size: int) -> None:
    one, other = (evaluate(car, data, right, batch_size=size)["cones"] for size in (batch_size, 40))
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))


def test_inner_edges_are_measured_and_only_what_they_need_is_run(car: System, data: dict[str, Any]) -> None:
    del data["scan"]
    report = evaluate(car, data, {"boxes": Metric(error, higher_is_better=False)})
    assert list(report) == ["boxes"]
    assert car.component("lidar").thing.runs == 0


def test_edges_are_measured_in_one_run(car: System, data: dict[str, Any]) -> None:
    report = evaluate(car, data, {"cones": right, "boxes": error}, batch_size=SAMPLES)
    assert list(report) == ["cones", "boxes"]
    assert car.component("camera").thing.runs == 1


def test_every_module_is_left_in_the_mode_that_it_was_in(car: System, data: dict[str, Any]) -> None:
    car.train()
    car.component("camera").thing.dropout.eval()
    before = [module.training for module in car.modules()]
    evaluate(car, data, right)
    assert [module.training for module in car.modules()] == before
    with pytest.raises(ShapeError):
        evaluate(car, data, lambda prediction, truth: torch.tensor(0.5))
    assert [module.training for module in car.modules()] == before


def test_samples_that_lack_an_input_or_the_truth_are_left_out_and_counted(car: System, data: dict[str, Any]) -> None:
    samples = [{name: values[i] for name, values in data.items()} for i in range(SAMPLES)]
    for i in range(0, SAMPLES, 4):
        del samples[i]["cones"], samples[i + 1]["scan"]
    report = evaluate(car, Listed(samples), {"cones": right, "boxes": error}, batch_size=7)
    assert (report["cones"].n, report["boxes"].n) == (SAMPLES // 2, SAMPLES)
    assert report.left_out == {"cones": SAMPLES // 2, "boxes": 0}
    assert "cones: 20 of 40 samples left out, they lack an input or the truth." in " ".join(str(report).split())
    kept = torch.tensor([i for i in range(SAMPLES) if i % 4 > 1])
    cut = {name: values[kept] for name, values in data.items() if isinstance(values, Tensor)}
    assert report["cones"].value == pytest.approx(evaluate(car, cut, right)["cones"].value)


def test_intervals_are_over_the_unit_that_is_named(car: System, data: dict[str, Any]) -> None:
    report = evaluate(car, data, right, unit="layout")
    assert (report["cones"].n, report["cones"].units) == (SAMPLES, 5)
    assert "intervals over layout" in str(report)
    assert "40 in 5 units" in str(report)


def test_a_loader_is_evaluated_in_its_own_batches(car: System, data: dict[str, Any]) -> None:
    samples = [{name: values[i] for name, values in data.items() if name != "layout"} for i in range(SAMPLES)]
    report = evaluate(car, DataLoader(Listed(samples), batch_size=9), right)
    assert report["cones"].value == pytest.approx(evaluate(car, data, right)["cones"].value)


def test_data_sets_by_edge_are_evaluated_each_on_its_own(car: System, data: dict[str, Any]) -> None:
    parts = {
        "boxes": {"image": data["image"][:10], "boxes": data["boxes"][:10]},
        "cones": {name: data[name] for name in ("image", "scan", "cones")},
    }
    report = evaluate(car, parts, {"boxes": error, "cones": right})
    assert (report["boxes"].n, report["cones"].n) == (10, SAMPLES)


def test_a_ragged_edge_is_judged_sample_by_sample() -> None:
    @component("scan -> cones[]")
    def fusion(scan: Tensor) -> list[Tensor]:
        return [row[row > 0] for row in scan]

    @system
    def perception(scan: Any) -> Any:
        return fusion(scan)

    def count(prediction: list[Tensor], truth: list[Tensor]) -> tuple[list[int], list[int]]:
        return [min(len(p), len(t)) for p, t in zip(prediction, truth, strict=True)], [len(t) for t in truth]

    scan = torch.tensor([[1.0, -1.0], [1.0, 1.0], [-1.0, -1.0]])
    truth = [torch.ones(1), torch.ones(3), torch.ones(0)]
    assert evaluate(perception, {"scan": scan, "cones": truth}, count)["cones"].value == 3 / 4


def test_two_systems_are_compared_on_the_same_samples(car: System, data: dict[str, Any]) -> None:
    one, other = evaluate(car, data, right), evaluate(car, data, right)
    assert paired_difference(one.rows["cones"], other.rows["cones"]).value == 0.0


def test_the_report_prints_iterates_and_turns_into_json(car: System, data: dict[str, Any]) -> None:
    report = evaluate(car, data, {"cones": {"right": right}, "boxes": Metric(error, higher_is_better=False)})
    assert report["cones"] == report["cones.right"]
    assert dict(report.items())["boxes"].n == SAMPLES
    assert "boxes" in report
    assert len(report) == 2
    text = str(report)
    assert "perception, 95% intervals over samples" in text
    assert "error (lower is better)" in text
    assert report["boxes"].text() in text
    told = json.loads(json.dumps(report.to_dict()))
    assert told["scores"]["cones.right"]["value"] == report["cones"].value
    assert "<pre" in report._repr_html_()
    assert len(repr(report)) < 100


def test_an_unknown_name_lists_what_was_measured(car: System, data: dict[str, Any]) -> None:
    with pytest.raises(UnknownNameError, match="no 'hits' in the evaluation of perception; it has: cones"):
        _ = evaluate(car, data, right)["hits"]


def test_a_torchmetrics_metric_has_a_value_and_says_why_it_has_no_interval(car: System, data: dict[str, Any]) -> None:
    report = evaluate(car, data, {"boxes": torchmetrics.MeanAbsoluteError()})
    assert report["boxes"].value == pytest.approx(evaluate(car, data, {"boxes": error})["boxes"].value, rel=1e-5)
    assert not report["boxes"].has_interval
    assert "torchmetrics keeps no samples" in " ".join(str(report).split())


def test_a_missing_truth_is_an_error_that_lists_the_fields(car: System, data: dict[str, Any]) -> None:
    del data["cones"]
    with pytest.raises(
        MissingEdgeError, match="no truth for edge 'cones'; its samples have: image, scan, boxes, layout"
    ):
        evaluate(car, data, right)


def test_a_missing_input_or_unit_is_an_error_that_lists_the_fields(car: System, data: dict[str, Any]) -> None:
    with pytest.raises(MissingEdgeError, match="no field for unit 'session'; its samples have: image"):
        evaluate(car, data, right, unit="session")
    del data["scan"]
    with pytest.raises(MissingEdgeError, match="no input 'scan'; its samples have: image"):
        evaluate(car, data, right)


def test_data_in_which_no_sample_is_complete_is_an_error(car: System, data: dict[str, Any]) -> None:
    half = [
        {"image": data["image"][0], "scan": data["scan"][0]},
        {"image": data["image"][1], "cones": data["cones"][1]},
    ]
    with pytest.raises(MissingEdgeError, match="no sample has all of image, scan, cones"):
        evaluate(car, Listed(half), right)


def test_empty_data_is_an_error(car: System, data: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="empty"):
        evaluate(car, {name: values[:0] for name, values in data.items()}, right)


def test_a_batch_without_samples_is_an_error(car: System, data: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match=r"evaluate\(\.\.\., batch_size=0\): a batch holds one sample at least"):
        evaluate(car, data, right, batch_size=0)


def test_a_metric_that_fails_is_named_with_its_edge_and_what_it_was_given(car: System, data: dict[str, Any]) -> None:
    def missing(prediction: Any, truth: Any) -> Any:
        raise ValueError("shapes differ")

    with pytest.raises(ValueError, match="shapes differ") as failure:
        evaluate(car, data, {"cones": missing})
    assert "while the metric 'missing' judged edge 'cones' (prediction Tensor" in failure.value.__notes__[-1]


def test_a_sample_of_infinite_value_is_shown_without_an_interval(car: System, data: dict[str, Any]) -> None:
    report = evaluate(car, data, {"cones": lambda prediction, truth: [float("inf")] * len(truth)})
    assert "inf [no interval]" in str(report)
    assert "cones: no interval; the value of a sample is infinite." in str(report)


def test_a_report_is_a_plain_value_that_can_be_sent_to_another_process(car: System, data: dict[str, Any]) -> None:
    report = evaluate(car, data, {"cones": lambda prediction, truth: prediction == truth})
    sent = pickle.loads(pickle.dumps(report))
    assert sent["cones"] == report["cones"]
    assert str(sent) == str(report)
