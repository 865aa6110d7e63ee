"""Small ONNX models, written by hand, so that no exporter is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def model(
    nodes: list[Any],
    inputs: Mapping[str, tuple[Any, ...]],
    outputs: Mapping[str, tuple[Any, ...]],
    weights: Mapping[str, np.ndarray] | None = None,
    opset: int = 17,
    types: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """A checked model; shapes are tuples of numbers and names."""

    def value(name: str, shape: tuple[Any, ...]) -> Any:
        return helper.make_tensor_value_info(name, (types or {}).get(name, TensorProto.FLOAT), shape)

    graph = helper.make_graph(
        [helper.make_node(*node[:3], **(node[3] if len(node) > 3 else {})) for node in nodes],
        "scanner",
        [value(name, shape) for name, shape in inputs.items()],
        [value(name, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.checker.check_model(made)
    return made


def numbers(*shape: int) -> np.ndarray:
    return (0.5 * np.random.default_rng(sum(shape)).standard_normal(shape)).astype(np.float32)


def dense(batch: int | str = "batch") -> onnx.ModelProto:
    """Gemm with a transposed weight, Tanh, MatMul and Add."""
    nodes = [
        ("Gemm", ["scan", "first.weight", "first.bias"], ["middle"], {"transB": 1}),
        ("Tanh", ["middle"], ["bent"]),
        ("MatMul", ["bent", "last.weight"], ["product"]),
        ("Add", ["product", "last.bias"], ["hits"]),
    ]
    weights = {
        "first.weight": numbers(4, 3), "first.bias": np.zeros(4, np.float32),
        "last.weight": numbers(4, 2), "last.bias": np.zeros(2, np.float32),
    }  # fmt: skip
    return model(nodes, {"scan": (batch, 3)}, {"hits": (batch, 2)}, weights)


def convolution() -> onnx.ModelProto:
    """Conv, batch norm whose scale equals its variance, and a pooled linear layer from a Constant node."""
    constant = numpy_helper.from_array(numbers(4, 2), "value")
    nodes = [
        ("Conv", ["picture", "kernel"], ["features"], {"pads": [1, 1, 1, 1]}),
        ("BatchNormalization", ["features", "scale", "shift", "mean", "variance"], ["normal"]),
        ("Sigmoid", ["normal"], ["bent"]),
        ("GlobalAveragePool", ["bent"], ["pooled"]),
        ("Flatten", ["pooled"], ["flat"]),
        ("Constant", [], ["table"], {"value": constant}),
        ("MatMul", ["flat", "table"], ["sign"]),
    ]
    ones, zeros = np.ones(4, np.float32), np.zeros(4, np.float32)
    weights = {"kernel": numbers(4, 1, 3, 3), "scale": ones, "shift": zeros, "mean": zeros, "variance": ones}
    return model(nodes, {"picture": ("batch", 1, 5, 5)}, {"sign": ("batch", 2)}, weights)


def two_outputs() -> onnx.ModelProto:
    """Scores and the index of the largest."""
    nodes = [
        ("MatMul", ["scan", "weight"], ["scores"]),
        ("ArgMax", ["scores"], ["label"], {"axis": 1, "keepdims": 0}),
    ]
    types = {"label": TensorProto.INT64}
    inputs, outputs = {"scan": ("batch", 3)}, {"label": ("batch",), "scores": ("batch", 2)}
    return model(nodes, inputs, outputs, {"weight": numbers(3, 2)}, types=types)


def embedding() -> onnx.ModelProto:
    """Whole numbers to rows of a table."""
    types = {"word": TensorProto.INT64}
    nodes = [("Gather", ["table", "word"], ["vector"])]
    return model(nodes, {"word": ("batch",)}, {"vector": ("batch", 2)}, {"table": numbers(5, 2)}, types=types)


def tied() -> onnx.ModelProto:
    """One weight, used twice."""
    nodes = [
        ("MatMul", ["scan", "weight"], ["once"]),
        ("Tanh", ["once"], ["bent"]),
        ("MatMul", ["bent", "weight"], ["hits"]),
    ]
    return model(nodes, {"scan": ("batch", 3)}, {"hits": ("batch", 3)}, {"weight": numbers(3, 3)})


def inconvertible() -> onnx.ModelProto:
    """An operator that onnx2torch does not know, among others that it does."""
    nodes = [("HardSwish", ["scan"], ["bent"]), ("Det", ["square"], ["size"]), ("Add", ["bent", "size"], ["hits"])]
    return model(nodes, {"scan": ("batch", 3), "square": (3, 3)}, {"hits": ("batch", 3)})
