"""A Keras model as bytes and back: by its own config where that is enough, else part by part, whatever its class."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import cloudpickle
import keras
import numpy as np
import numpy.typing as npt
from keras.src.saving.keras_saveable import KerasSaveable
from keras.src.utils.tracking import TrackedDict, TrackedList, TrackedOrderedDict, TrackedSet

FORGOTTEN = {
    "train_function", "test_function", "predict_function", "optimizer", "history", "_compile_loss", "_compile_metrics",
    "_compile_config", "_compiled_trainable_state", "_eval_epoch_iterator",
}  # fmt: skip
"""What ``compile`` and Keras' own ``fit`` leave in a model: compiled code and an optimizer, which Drivetrain brings."""


def packed(model: Any) -> tuple[Any, ...]:
    """A model as what can be copied and pickled, for ``unpacked``.

    Keras itself saves models by what their ``get_config`` answers, which classes of users often lack or answer
    incompletely. These are taken apart, with the user's classes where no module names them.
    """
    try:
        return _by_config, (_own_classes(model), *model.__reduce__())
    except Exception:  # each class of a user's raises what it likes
        return _by_parts, (_pickled(model),)


def unpacked(make: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """A copy of a model that was packed."""
    return make(*arguments)


def array_of(variable: Any) -> npt.NDArray[Any]:
    """The numbers of a Keras variable; Keras' own way warns of an old protocol of numpy on TensorFlow."""
    value = variable.value.detach() if keras.config.backend() == "torch" else variable.value
    return np.array(value.numpy() if hasattr(value, "numpy") else value)


def _by_config(own: dict[str, type], make: Callable[..., Any], arguments: Any) -> Any:
    with keras.saving.custom_object_scope(own):
        return make(*arguments)


def _own_classes(model: Any) -> dict[str, type]:
    layers = [model, *model._flatten_layers(include_self=False)]
    return {type(layer).__name__: type(layer) for layer in layers if not type(layer).__module__.startswith("keras.")}


def _by_parts(content: bytes) -> Any:
    model = pickle.loads(content)
    for layer in model._flatten_layers():  # trackers know what they have seen by identity
        tracker = layer._tracker
        tracker.stored_ids = {name: {id(part) for part in store} for name, (_, store) in tracker.config.items()}
    return model


def _pickled(model: Any) -> bytes:
    content = io.BytesIO()
    _Pickler(content).dump(model)
    return content.getvalue()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Takes Keras objects for what they are, objects with attributes, and variables for arrays."""

    def reducer_override(self, part: Any) -> Any:
        if isinstance(part, keras.Variable):
            kept = {name: value for name, value in part.__dict__.items() if name != "_value"}
            return _variable, (type(part), kept, array_of(part))
        if isinstance(part, KerasSaveable):
            return _empty, (type(part),), _attributes(part), None, None, _with_attributes
        if isinstance(part, TrackedList | TrackedDict | TrackedOrderedDict | TrackedSet):
            items = dict(part) if isinstance(part, dict) else list(part)
            return _empty, (type(part),), (items, part.tracker), None, None, _with_items
        return super().reducer_override(part)


def _empty(kind: Any) -> Any:
    return kind.__new__(kind) if issubclass(kind, list | dict | set) else object.__new__(kind)


def _attributes(part: Any) -> dict[str, Any]:
    # names with _self_ are TensorFlow's bookkeeping for its checkpoints, made anew when one is written
    kept = {name: value for name, value in part.__dict__.items() if not name.startswith("_self_")}
    if "optimizer" in kept:
        kept |= dict.fromkeys(FORGOTTEN & kept.keys()) | {"compiled": False}
    return kept


def _with_attributes(part: Any, attributes: dict[str, Any]) -> None:
    part.__dict__.update(attributes)


def _with_items(collection: Any, content: tuple[Any, Any]) -> None:
    items, tracker = content
    plain: Any = next(kind for kind in (list, dict, set) if isinstance(collection, kind))
    (plain.extend if plain is list else plain.update)(collection, items)
    collection.tracker = tracker


def _variable(kind: type, kept: dict[str, Any], value: Any) -> Any:
    made: Any = object.__new__(kind)
    made.__dict__.update(kept)
    made._initialize(value)
    return made
