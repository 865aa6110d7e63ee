"""ONNX models as components: run as they are by ONNX Runtime, or learning after a conversion to PyTorch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
from torch import nn

from drivetrain.components.onnx.runtime import OnnxFile

if TYPE_CHECKING:
    from drivetrain.components.onnx.learning import TrainableOnnx


def trainable(source: str | os.PathLike[str] | onnx.ModelProto, weights: Sequence[str] | None = None) -> TrainableOnnx:
    """Make an ONNX model learn, where its operators can be converted.

    After training, ``save`` writes an .onnx file with what was learned; a ``ModelProto`` that was handed over holds it.

    Args:
        source: a path to an .onnx file, or a ``ModelProto``.
        weights: the initializers that shall learn, by name; by default those that are weights by their place in an
            operator: of Conv, Gemm, MatMul and their like, of normalisations, of embeddings, and what is added or
            multiplied as an array. ``TrainableOnnx.weights`` tells which.

    Raises:
        ComponentError: the file cannot be read, operators cannot be converted, or a name is no initializer.

    Example:
        >>> from drivetrain import component  # doctest: +SKIP
        >>> lidar = component("lidar", trainable("lidar.onnx"), "scan -> hits")  # doctest: +SKIP
    """
    from drivetrain.components.onnx.learning import TrainableOnnx

    return TrainableOnnx(Path(source) if isinstance(source, str | os.PathLike) else source, weights)


def wrap(source: Any) -> nn.Module:
    """The module around a path to a file, or a ``ModelProto``."""
    return OnnxFile(Path(source) if isinstance(source, str | os.PathLike) else source)
