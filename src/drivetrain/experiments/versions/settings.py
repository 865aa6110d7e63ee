"""What of a model is read to tell versions apart: of other frameworks' objects the settings, not what they remember.

An estimator, or a model of Keras, holds addresses, caches and names that count on within a process. Its weights are in
the component's state; what rules how they are used is its class and its settings, which are the same in every process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivetrain.components.foreign import ForeignComponent
from drivetrain.graph import Component


def read_of(component: Component) -> Any:
    """The thing of a component, or what stands for it: the classes of an object's parts, and its settings."""
    thing = component.thing
    if callable(getattr(thing, "file_identity", None)):  # an ONNX model, whose classes and weights are not all of it
        return [type(thing), thing.file_identity()]
    if not isinstance(component, ForeignComponent):
        return thing
    if callable(getattr(thing, "get_params", None)):  # scikit-learn: the state is all of the estimator as a skops file
        return [type(thing)]
    if callable(getattr(thing, "get_config", None)):  # Keras
        layers = [type(layer) for layer in getattr(thing, "_flatten_layers", list)()]
        return [type(thing), layers, _settings(thing)]
    if hasattr(thing, "submodules"):  # TensorFlow: its weights are in the state, and what it compiled is a cache
        plain = {name: value for name, value in vars(thing).items() if isinstance(value, str | int | float | bool)}
        return [type(thing), [type(part) for part in thing.submodules], plain]
    return thing


def _settings(thing: Any) -> Any:
    try:
        return without_names(thing.get_config(), {})
    except NotImplementedError:  # a subclass that does not tell; its code and the shapes of its weights have to do
        return None


def without_names(value: Any, met: dict[str, str]) -> Any:
    """Settings in which every name is a number, counted as names are met: ``dense_3`` is ``dense`` in another process.

    Example:
        >>> first, second = ({"layers": [{"name": name}], "output": name} for name in ("dense", "dense_7"))
        >>> without_names(first, {}) == without_names(second, {})
        True
    """
    if isinstance(value, Mapping):
        policy = str(value.get("class_name", "")).endswith("Policy")  # what it is called is what it does: "float32"
        told = {}
        for key, part in value.items():
            if key == "name" and isinstance(part, str):
                told[key] = met.setdefault(part, f"name {len(met)}")
            elif key != "shared_object_id":
                told[key] = part if policy else without_names(part, met)
        return told
    if isinstance(value, list | tuple):
        return [without_names(part, met) for part in value]
    return met.get(value, value) if isinstance(value, str) else value
