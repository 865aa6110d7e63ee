"""Data sets of single edges become one by the keys of their samples, each of which names one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from drivetrain import System, component, evaluate, system
from drivetrain.data import open_data
from drivetrain.errors import DataError


def join() -> System:
    camera = component("camera", nn.Linear(3, 2), "image -> boxes")
    lidar = component("lidar", nn.Linear(3, 2), "scan -> hits")
    fusion = component("fusion", torch.add, "boxes, hits -> cones")

    @system
    def perception(image: Any, scan: Any) -> Any:
        return fusion(camera(image), lidar(scan))

    return perception


def data_of(edge: str, source: str, keys: list[Any]) -> dict[str, Any]:
    values = torch.tensor([[float(str(key)[-1])] * 3 for key in keys])
    return {"key": keys, source: values, edge: values[:, :2]}


def test_samples_are_related_by_key_whatever_their_order() -> None:
    parts = {"boxes": data_of("boxes", "image", ["a1", "a2", "a3"]), "hits": data_of("hits", "scan", ["a3", "a1"])}
    (batch,) = open_data(parts, join()).batches(10)
    assert batch["key"] == ["a1", "a2", "a3"]
    assert batch["boxes"][:, 0].tolist() == [1, 2, 3]
    assert batch["hits"][:, 0].tolist() == [1, 3]
    assert batch.present["hits"].tolist() == [0, 2]


def test_samples_that_are_in_one_data_set_alone_are_left_out_and_counted() -> None:
    parts = {
        "hits": data_of("hits", "scan", list(range(6))),
        "cones": data_of("cones", "image", list(range(3, 9))),
    }
    report = evaluate(join(), parts, {"cones": lambda prediction, truth: (prediction - truth).abs().mean(1)})
    assert report["cones"].n == 3
    assert report.left_out == {"cones": 6}


def test_a_key_that_stands_twice_is_refused() -> None:
    parts = {"boxes": data_of("boxes", "image", [4, 5, 5]), "hits": data_of("hits", "scan", [4, 5])}
    with pytest.raises(DataError, match="the data set of 'boxes' has the key 5 twice, in samples 1 and 2; a key names"):
        open_data(parts, join())


def test_data_sets_without_keys_cannot_be_joined() -> None:
    hits = data_of("hits", "scan", [1, 2])
    del hits["key"]
    with pytest.raises(DataError, match=r"the data set of 'hits' has no field 'key', .* it has: scan, hits"):
        open_data({"boxes": data_of("boxes", "image", [1, 2]), "hits": hits}, join())


def test_a_loader_cannot_be_joined() -> None:
    samples = [{"key": 1, "scan": torch.ones(3), "hits": torch.ones(2)}]
    with pytest.raises(DataError, match=r"the data set of 'hits' is a loader, .* hand its Dataset over"):
        open_data({"boxes": data_of("boxes", "image", [1, 2]), "hits": DataLoader(samples)}, join())  # type: ignore[arg-type]
