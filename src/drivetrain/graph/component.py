"""The contract of everything that stands in a graph: values in, values out, a name and a signature."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from drivetrain.errors import NameTakenError, SignatureError, listed
from drivetrain.graph.by_value import packed, unpacked
from drivetrain.graph.signature import Port, Signature, is_name
from drivetrain.graph.symbol import draw, is_drawn

FromTruth = Callable[[Any], Any]
"""Turns the truth of an output edge into what the component emits there."""

# What a System needs for itself; a component of that name would hide it.
RESERVED = frozenset(dir(nn.Module())) | {
    "name", "signature", "graph", "inputs", "outputs", "nodes", "edges", "ragged", "models", "component",
    "trace", "replace", "renamed", "save", "load", "svg", "mermaid", "text", "digest", "plan", "patterns",
    "learns", "runs", "from_truth", "thing", "edges_when_called", "shape_answer",
}  # fmt: skip


class Component(nn.Module):
    """One box of a system's diagram: a model, ordinary code, or a system inside a system.

    Called with values it runs; called in the body of a system it draws itself into the diagram.

    Attributes:
        name: what the box is called; an identifier.
        signature: its ports.
        from_truth: per output edge, how the truth of that edge becomes what the component emits.
    """

    def __init__(
        self, name: str, signature: Signature, from_truth: FromTruth | Mapping[str, FromTruth] | None = None
    ) -> None:
        super().__init__()
        self.name = checked_name(name)
        self.signature = signature
        self.from_truth = _encoders(name, signature, from_truth)

    @property
    @abstractmethod
    def thing(self) -> Any:
        """The user's own object."""

    @property
    def learns(self) -> bool:
        """Whether this is a model: something with weights of its own."""
        return any(True for _ in self.parameters())

    @property
    def runs(self) -> Callable[..., Any]:
        """What a running system calls; the shortest way to the user's own code."""
        return self

    @property
    def edges_when_called(self) -> tuple[Port, ...]:
        """The edges that a call of it makes in the body of a system."""
        return self.signature.outputs

    def shape_answer(self, values: list[Any]) -> Any:
        """The values of these edges in the shape in which it answers them."""
        return values[0] if len(values) == 1 else tuple(values)

    @abstractmethod
    def forward(self, *values: Any, **constants: Any) -> Any:
        """Run on values bound by position; one value per declared output."""

    def __call__(self, *values: Any, **constants: Any) -> Any:
        if is_drawn(values, constants):
            return draw(self, values, constants)
        return super().__call__(*values, **constants)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "from_truth": {edge: packed(encode) for edge, encode in self.from_truth.items()}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        encoders = {edge: unpacked(encode) for edge, encode in state["from_truth"].items()}
        super().__setstate__({**state, "from_truth": encoders})  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        return f"{self.name}: {self.signature}  [{type(self.thing).__name__}]"


def checked_name(name: str) -> str:
    """The name, if a component may carry it.

    Raises:
        SignatureError: it is not an identifier.
        NameTakenError: ``torch.nn.Module`` or ``System`` has an attribute of that name.
    """
    if not isinstance(name, str) or not is_name(name):
        raise SignatureError(f"{name!r} cannot name a component: names are Python identifiers, such as 'camera'")
    if name in RESERVED:
        raise NameTakenError(
            f"'{name}' cannot name a component: a system has an attribute of that name; call it '{name}_model', say"
        )
    return name


def check_arity(name: str, function: Callable[..., Any], signature: Signature) -> None:
    """Refuse a signature whose inputs the function cannot take by position.

    Raises:
        SignatureError: the function takes fewer or needs more arguments.
    """
    try:
        parameters = inspect.signature(function)
    except (TypeError, ValueError):  # builtins without a readable signature
        return
    try:
        parameters.bind(*signature.inputs)
    except TypeError as misfit:
        raise SignatureError(
            f"'{name}' is declared as '{signature}', which hands it {len(signature.inputs)} value(s), "
            f"but it takes ({listed(parameters.parameters.values())}): {misfit}"
        ) from None


def _encoders(
    name: str, signature: Signature, from_truth: FromTruth | Mapping[str, FromTruth] | None
) -> dict[str, FromTruth]:
    outputs = [port.name for port in signature.outputs]
    if from_truth is None:
        return {}
    if isinstance(from_truth, Mapping):
        for edge in from_truth:
            if edge not in outputs:
                raise SignatureError(f"'{name}': from_truth names '{edge}', but its outputs are: {listed(outputs)}")
        return dict(from_truth)
    if not callable(from_truth):
        raise SignatureError(
            f"'{name}': from_truth is a function from truth to what the edge carries, found {from_truth!r}"
        )
    if len(outputs) > 1:
        raise SignatureError(
            f"'{name}' has several outputs ({listed(outputs)}); say which one from_truth encodes: "
            f"from_truth={{'{outputs[0]}': encode}}"
        )
    return {outputs[0]: from_truth}
