"""``component``: the one door through which models and code enter a system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, overload

from torch import nn

from drivetrain.components.foreign import ForeignComponent
from drivetrain.components.frameworks import bridge
from drivetrain.components.function import FunctionComponent
from drivetrain.components.torch import TorchComponent
from drivetrain.errors import SignatureError, listed
from drivetrain.graph.component import Component, FromTruth
from drivetrain.graph.execution import describe
from drivetrain.graph.signature import Signature
from drivetrain.graph.system import System

Encoders = FromTruth | Mapping[str, FromTruth] | None


@overload
def component(signature: str, /, *, from_truth: Encoders = None) -> Callable[[Callable[..., Any]], Component]: ...
@overload
def component(name: str, thing: Any, signature: str, /, *, from_truth: Encoders = None) -> Component: ...
def component(
    name_or_signature: Any, thing: Any = None, signature: Any = None, /, *, from_truth: Encoders = None
) -> Component | Callable[[Callable[..., Any]], Component]:
    """Make a component of a model, a function or a system; above a function, ``@component("a, b -> c")``.

    Args:
        name_or_signature: the component's name; as a decorator the signature, and the function's name is the name.
        thing: a ``torch.nn.Module``, a model of Keras, TensorFlow or JAX, a path to an .onnx file, a function,
            another component or a system (whose weights are then shared).
        signature: its inputs, bound by position, and the edges that it makes: ``"image -> boxes"``.
        from_truth: turns the truth of an output edge into what the component emits there (labels into logits, a list
            of boxes into a grid), wherever truth stands in for the component. Several outputs: a dict by edge.

    Example:
        >>> import torch
        >>> camera = component("camera", torch.nn.Linear(8, 4), "image -> boxes")
        >>> @component("boxes -> sizes")
        ... def measure(boxes):
        ...     return boxes.abs().sum(-1)
        >>> measure(camera(torch.ones(2, 8))).shape
        torch.Size([2])

    Raises:
        SignatureError: the signature cannot be read, or the thing does not take its inputs.
        ComponentError: another framework's model is not built, or a file is missing or damaged.
        NameTakenError: the name is reserved.
    """
    if thing is None and signature is None:
        return _decorator(name_or_signature, from_truth)
    if not isinstance(name_or_signature, str) or (isinstance(thing, str) and not thing.endswith(".onnx")):
        found = listed(describe(part) for part in (name_or_signature, thing, signature) if part is not None)
        raise SignatureError(
            f"component takes a name, the thing and its signature, in this order; found {found}: "
            f'write component("camera", thing, "image -> boxes")'
        )
    if signature is None:
        raise SignatureError(
            f"component({name_or_signature!r}, ...) needs a signature: "
            f'component({name_or_signature!r}, thing, "image -> boxes")'
        )
    return _wrapped(name_or_signature, thing, Signature.parse(signature), from_truth)


def _decorator(signature: Any, from_truth: Encoders) -> Callable[[Callable[..., Any]], Component]:
    if callable(signature):
        name = getattr(signature, "__name__", "it")
        raise SignatureError(f'@component needs a signature: write @component("a, b -> c") above {name}')
    if "->" not in signature:
        raise SignatureError(
            f"component({signature!r}) has neither a thing nor a signature; write "
            f'component({signature!r}, thing, "image -> boxes") or, above a function, @component("a, b -> c")'
        )
    parsed = Signature.parse(signature)

    def decorate(function: Callable[..., Any]) -> Component:
        return _wrapped(getattr(function, "__name__", type(function).__name__), function, parsed, from_truth)

    return decorate


def _wrapped(name: str, thing: Any, signature: Signature, from_truth: Encoders) -> Component:
    if isinstance(thing, System):
        return thing.renamed(name, signature)
    if isinstance(thing, ForeignComponent):
        return ForeignComponent(name, thing.module, signature, from_truth or _moved(thing, signature))
    if isinstance(thing, Component):
        return _wrapped(name, thing.thing, signature, from_truth or _moved(thing, signature))
    if (module := bridge(thing)) is not None:
        return ForeignComponent(name, module, signature, from_truth)
    if isinstance(thing, nn.Module):
        return TorchComponent(name, thing, signature, from_truth)
    if isinstance(thing, type):
        raise SignatureError(
            f"'{name}' is given the class {thing.__name__}; hand over an instance: {thing.__name__}(...)"
        )
    if callable(thing):
        return FunctionComponent(name, thing, signature, from_truth)
    raise SignatureError(
        f"'{name}' cannot be a component: found {type(thing).__name__}; "
        f"what fits: a torch.nn.Module, a function, a component or a system"
    )


def _moved(thing: Component, signature: Signature) -> dict[str, FromTruth]:
    """A component declared a second time keeps how its truth is encoded, output by output."""
    pairs = zip(thing.signature.outputs, signature.outputs, strict=False)
    return {new.name: thing.from_truth[old.name] for old, new in pairs if old.name in thing.from_truth}
