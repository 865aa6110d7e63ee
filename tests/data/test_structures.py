"""An edge that is not ragged carries tuples, dicts and lists of tensors; each part of them has all the samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.data import DataLoader

from drivetrain import System, component, evaluate, fit, system
from drivetrain.data import take
from drivetrain.data.batch import collated
from drivetrain.graph.parts import Parts, marked
from drivetrain.training import Individual, PartialEndLoss

SHAPES: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "tuple": lambda near, far: (near, far),
    "list": lambda near, far: [near, far],
    "dict": lambda near, far: {"near": near, "far": far},
    "list of dicts": lambda near, far: [{"near": near}, {"far": far}],
    "list in a dict": lambda near, far: {"near": near, "more": [far, {"again": (near,)}]},
}


class Backbone(nn.Module):
    """Two feature maps in one of the shapes."""

    def __init__(self, shape: str) -> None:
        super().__init__()
        self.near, self.far = nn.Linear(4, 3), nn.Linear(4, 2)
        self.shape = SHAPES[shape]

    def forward(self, image: Tensor) -> Any:
        return self.shape(self.near(image), self.far(image))


class Head(nn.Module):
    """Reads all that the backbone found."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.last = nn.Linear(width, 1)

    def forward(self, features: Any) -> Tensor:
        answer: Tensor = self.last(torch.cat(tree_leaves(features), 1))
        return answer


def net(shape: str) -> System:
    backbone = component("backbone", Backbone(shape), "image -> features")
    head = component("head", Head(8 if shape == "list in a dict" else 5), "features -> score")

    @system
    def network(image: Any) -> Any:
        return head(backbone(image))

    return network


def samples(shape: str, lacking: bool) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(12, 4, generator=generator)
    truth = Backbone(shape)(images)
    made = []
    for row, image in enumerate(images):
        features = tree_map(lambda part, row=row: part[row].detach(), truth)
        sample = {"image": image, "features": features, "score": image[:1]}
        if lacking and row % 3 < 2:  # every third sample has all
            del sample["score" if row % 3 else "features"]
        made.append(sample)
    return made


def distance(prediction: Any, truth: Any) -> Tensor:
    pairs = zip(tree_leaves(prediction), tree_leaves(truth), strict=True)
    return torch.stack([(one - other).square().mean(1) for one, other in pairs]).sum(0)


def distance_of_all(prediction: Any, truth: Any) -> Tensor:
    return distance(prediction, truth).mean()


@pytest.mark.parametrize("lacking", [False, True], ids=["all labelled", "some labelled"])
@pytest.mark.parametrize("shape", SHAPES)
def test_models_learn_from_structured_truth(shape: str, lacking: bool) -> None:
    network, data = net(shape), samples(shape, lacking)
    pattern = Individual({"features": distance_of_all, "score": distance_of_all})
    report = fit(network, data, pattern, epochs=1, batch_size=4, seed=0)
    counted = 8 if lacking else 12
    assert report.labels["features"] == counted * sum(part.numel() for part in tree_leaves(data[2]["features"]))
    judged = evaluate(network, data, {"features": distance, "score": distance})
    assert [judged[edge].n for edge in ("features", "score")] == [counted, counted]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_frozen_part_that_answers_a_structure_is_kept_and_not_run_again(shape: str) -> None:
    report = fit(net(shape), samples(shape, False), PartialEndLoss("head", distance_of_all), epochs=4, batch_size=4)
    assert report.passes["backbone"].forward < report.passes["head"].forward


@pytest.mark.parametrize("shape", SHAPES)
def test_a_dict_of_arrays_and_a_loader_carry_structures_too(shape: str) -> None:
    network, data = net(shape), samples(shape, False)
    by_samples = evaluate(network, data, {"features": distance})["features"]
    features = tree_map(lambda *parts: torch.stack(parts), *[sample["features"] for sample in data])
    table = {"image": torch.stack([sample["image"] for sample in data]), "features": features}
    assert evaluate(network, table, {"features": distance}, batch_size=5)["features"] == by_samples
    loader = DataLoader(data, batch_size=3)  # type: ignore[arg-type]
    assert evaluate(network, loader, {"features": distance})["features"].value == pytest.approx(by_samples.value)


def test_as_many_parts_as_samples_are_still_parts() -> None:
    batch = collated([{"maps": [torch.tensor([row]), torch.tensor([10 * row])]} for row in (1, 2)], set(), range(2))
    assert isinstance(batch["maps"], Parts)
    assert [part.tolist() for part in batch.only(torch.tensor([1]))["maps"]] == [[[2]], [[20]]]


def test_values_of_different_structure_are_listed() -> None:
    truths = [[torch.ones(4)], [], [torch.ones(4), torch.zeros(4)]]
    ragged: set[str] = set()
    batch = collated([{"boxes": truth} for truth in truths], ragged, range(3))
    assert ragged == {"boxes"}
    assert [len(boxes) for boxes in take(batch["boxes"], torch.tensor([2, 0]))] == [2, 1]


def test_the_order_of_fields_does_not_matter() -> None:
    one, other = {"x": torch.ones(1), "y": torch.zeros(2)}, {"y": torch.zeros(2), "x": torch.ones(1)}
    batch = collated([{"truth": one}, {"truth": other}], set(), range(2))
    assert batch["truth"]["x"].tolist() == [[1], [1]]


def test_what_holds_no_list_is_handed_on_as_it_is() -> None:
    value = {"a": (torch.ones(1), {"b": torch.ones(1)})}
    assert marked(value) is value
