"""Which framework a model comes from, told by its class; the framework's adapter is imported only then."""

from __future__ import annotations

import importlib
import os
from typing import Any

from torch import nn

from drivetrain.components.foreign import BRIDGES, AbstractForeignModel, ForeignModule, keep_triton_out

ADAPTERS = {
    "keras": "drivetrain.components.keras",
    "tensorflow": "drivetrain.components.tensorflow",
    "onnx": "drivetrain.components.onnx",
    "flax": "drivetrain.components.flax",
    "drivetrain.components.jax": "drivetrain.components.jax",
    "drivetrain.components.sklearn": "drivetrain.components.sklearn",
    "sklearn": "drivetrain.components.sklearn",
}
"""The package or module that defines a class of models, and the file with its `wrap`; the first that fits counts."""


def bridge(thing: Any) -> nn.Module | None:
    """A torch module that runs a model of another framework; the same one for the same model; None: no such model."""
    if (known := BRIDGES.get(id(thing))) is not None:
        return known
    if isinstance(thing, str | os.PathLike):
        return importlib.import_module(ADAPTERS["onnx"]).wrap(thing)  # type: ignore[no-any-return]
    adapter = next((ADAPTERS[name] for name in ADAPTERS if _comes_from(thing, name)), None)
    if adapter is None:
        return None
    wrapped = importlib.import_module(adapter).wrap(thing)
    keep_triton_out()
    return ForeignModule(wrapped) if isinstance(wrapped, AbstractForeignModel) else wrapped


def _comes_from(thing: Any, name: str) -> bool:
    return any(f"{base.__module__}.".startswith(f"{name}.") for base in type(thing).__mro__)
