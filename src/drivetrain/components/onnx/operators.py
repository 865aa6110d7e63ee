"""Operators of ONNX that onnx2torch does not convert yet, or only in an older version that means the same."""

from __future__ import annotations

from typing import Any

import torch
from onnx import defs
from onnx2torch.node_converters import get_converter
from onnx2torch.node_converters.registry import add_converter
from onnx2torch.utils.common import OperationConverterResult, onnx_mapping_from_node
from torch import Tensor, nn

SAME = (
    "Cast", "Constant", "ConstantOfShape", "Conv", "ConvTranspose", "Dropout", "Elu", "Equal", "Flatten",
    "GlobalAveragePool", "GlobalMaxPool", "HardSigmoid", "Identity", "InstanceNormalization", "MaxPool", "Pad",
    "Reshape", "Shape", "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip
"""Operators to which versions after 17 have added types of numbers alone (ONNX, ``docs/Changelog.md``)."""


def complete() -> None:
    """Tell onnx2torch of them, once; what it knows itself stays its own."""
    for operator, make in OWN.items():
        for version in _unknown(operator):
            add_converter(operation_type=operator, version=version)(_converter(make))
    for operator in SAME:
        for version in _unknown(operator):
            try:
                older = get_converter(operation_type=operator, version=version - 1)
            except NotImplementedError:  # it knows none of them
                continue
            add_converter(operation_type=operator, version=version)(older)


class Split(nn.Module):
    """Into parts of equal size, the last one smaller where they do not divide; or of the sizes given."""

    def __init__(self, parts: int, axis: int) -> None:
        super().__init__()
        self.parts, self.axis = parts, axis

    def forward(self, value: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        """Views of the value."""
        size: Any = -(-value.shape[self.axis] // self.parts) if sizes is None else sizes.tolist()
        return torch.split(value, size, dim=self.axis)


OWN = {
    "Gelu": lambda node: nn.GELU(node.attributes.get("approximate", "none")),
    "HardSwish": lambda node: nn.Hardswish(),
    "Mish": lambda node: nn.Mish(),
    "Split": lambda node: Split(len(node.output_values), node.attributes.get("axis", 0)),
}
"""From a node to its module."""


def _converter(make: Any) -> Any:
    return lambda node, graph: OperationConverterResult(make(node), onnx_mapping_from_node(node=node))


def _unknown(operator: str) -> list[int]:
    """The versions of an operator for which there is no converter, oldest first."""
    latest = range(13, defs.onnx_opset_version() + 1)
    schemas = [defs.get_schema(operator, max_inclusive_version=v) for v in latest if _is_there(operator, v)]
    return [
        version for version in sorted({schema.since_version for schema in schemas}) if not _known(operator, version)
    ]


def _is_there(operator: str, version: int) -> bool:
    try:
        defs.get_schema(operator, max_inclusive_version=version)
    except defs.SchemaError:
        return False
    return True


def _known(operator: str, version: int) -> bool:
    try:
        get_converter(operation_type=operator, version=version)
    except NotImplementedError:
        return False
    return True
