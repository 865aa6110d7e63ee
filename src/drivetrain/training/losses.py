"""What training minimises: losses on edges, their named terms, and their binding to a system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from drivetrain.data import Batch, take
from drivetrain.errors import DeclarationError, MissingEdgeError, TrainingError, UnknownNameError, listed
from drivetrain.graph import System
from drivetrain.graph.execution import describe
from drivetrain.training.calling import check_takes

LossFunction = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Loss:
    """A loss over several edges: ``Loss(fn, "cones, hits")`` calls ``fn(predictions, truths)`` with dicts by edge.

    Attributes:
        function: answers a scalar or a dict of named scalars, the *terms*.
        edges: the edges that it reads, separated by commas.

    Raises:
        DeclarationError: the function cannot be called, or a name is missing among the edges.
    """

    function: Any
    edges: Any

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise DeclarationError(
                f"Loss: {describe(self.function)} is no function of (predictions, truths), two dicts by edge; "
                f'write Loss(function, "cones, hits")'
            )
        if not isinstance(self.edges, str) or not all(part.strip() for part in self.edges.split(",")):
            raise DeclarationError(
                f'Loss: {self.edges!r} names no edges; write them with commas between: Loss(function, "cones, hits")'
            )


@dataclass(frozen=True)
class BoundLoss:
    """A loss that knows its edges in a system.

    Attributes:
        name: how its total is called; the edge, or the key that the user gave.
        weight: factor of all its terms.
    """

    name: str
    function: LossFunction
    edges: tuple[str, ...]
    by_edge: bool
    weight: float = 1.0

    def terms(self, values: Mapping[str, Any], batch: Batch) -> dict[str, Tensor]:
        """The terms on the samples that have all its truths; none where no sample has."""
        rows = batch.rows(self.edges)
        if rows is not None and not len(rows):
            return {}
        predictions = {edge: values[edge] if rows is None else take(values[edge], rows) for edge in self.edges}
        truths = {edge: batch.values_of(edge, rows) for edge in self.edges}
        try:
            if self.by_edge:
                answer = self.function(predictions, truths)
            else:
                answer = self.function(predictions[self.edges[0]], truths[self.edges[0]])
        except Exception as error:
            error.add_note(
                f"while the loss on {listed(self.edges)} was computed "
                f"(predictions {describe(predictions)}, truths {describe(truths)}){_of_short_numbers(truths, error)}"
            )
            raise
        named = self._named(answer)
        return named if self.weight == 1.0 else {name: self.weight * term for name, term in named.items()}

    def _named(self, answer: Any) -> dict[str, Tensor]:
        terms = answer if isinstance(answer, Mapping) else {"": answer}
        if not terms:
            raise TrainingError(
                f"the loss on {listed(self.edges)} answered a dict without terms; it answers a scalar tensor or a dict "
                f"of named scalar tensors"
            )
        for name, term in terms.items():
            if not isinstance(term, Tensor) or term.numel() != 1:
                called = f"term '{name}' of the loss" if name else "the loss"
                raise TrainingError(
                    f"{called} on {listed(self.edges)} answered {describe(term)}; a loss answers a scalar tensor "
                    f"or a dict of named scalar tensors, so reduce it with .mean()"
                )
        return {name: term.reshape(()) if term.ndim else term for name, term in terms.items()}


def bind(system: System, loss: Any, asker: str) -> tuple[BoundLoss, ...]:
    """A user's loss or dict of losses as bound losses.

    Raises:
        DeclarationError: one loss was given but the system has several outputs, or it cannot be called.
        UnknownNameError: an edge is named that the system does not have.
    """
    if isinstance(loss, Loss):
        edges = tuple(part.strip() for part in loss.edges.split(","))
        for edge in edges:
            system.graph.check_edge(edge, asker)
        return (BoundLoss(", ".join(edges), loss.function, edges, by_edge=True),)
    if isinstance(loss, Mapping):
        if not loss:
            raise DeclarationError(f"{asker}: no loss was given; write {{'{system.outputs[0]}': loss}}")
        return tuple(_on_edge(system, edge, part, asker) for edge, part in loss.items())
    if len(system.outputs) > 1:
        raise DeclarationError(
            f"{asker}: {system.name} has several outputs, {listed(system.outputs)}; say which loss belongs to which: "
            f"{{'{system.outputs[0]}': loss, ...}}"
        )
    return (_on_edge(system, system.outputs[0], loss, asker),)


def named_terms(losses: tuple[BoundLoss, ...], values: Mapping[str, Any], batch: Batch) -> dict[str, Tensor]:
    """The terms of several losses; with more than one loss each term carries its loss's name in front."""
    terms = {}
    for loss in losses:
        for name, term in loss.terms(values, batch).items():
            label = name or loss.name
            terms[label if len(losses) == 1 else loss.name if not name else f"{loss.name}.{name}"] = term
    return terms


def total(terms: Mapping[str, Tensor]) -> Tensor:
    """The sum of the terms."""
    first, *others = terms.values()
    for value in others:  # for a few numbers, half of what stacking them costs there and back
        first = first + value.to(first.dtype)
    return first


def check_truths(losses: tuple[BoundLoss, ...], fields: tuple[str, ...], asker: str) -> None:
    """Refuse data that has no truth for a loss.

    Raises:
        MissingEdgeError: the message names the truth and lists what the data has.
    """
    missing = [edge for loss in losses for edge in loss.edges if edge not in fields]
    if missing:
        raise MissingEdgeError(
            f"{asker}: the data has no truth for edge {listed(missing)}; its samples have: {listed(fields)}"
        )


def reaches_gradient(values: Any) -> bool:
    """Whether any tensor in a structure carries a tape."""
    return any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in tree_leaves(values))


def _on_edge(system: System, edge: str, loss: Any, asker: str) -> BoundLoss:
    if isinstance(loss, Loss):
        (bound,) = bind(system, loss, asker)
        return BoundLoss(edge, bound.function, bound.edges, by_edge=True)
    if not isinstance(edge, str):
        raise UnknownNameError(f"{asker}: losses are keyed by edge, found {edge!r}; edges are: {listed(system.edges)}")
    system.graph.check_edge(edge, asker)
    if edge in system.inputs:
        raise DeclarationError(f"{asker}: '{edge}' is an input of {system.name}; nothing there can learn")
    if isinstance(loss, type):
        raise DeclarationError(
            f"{asker}: the loss on '{edge}' is the class {loss.__name__}; hand over an instance: {loss.__name__}()"
        )
    if not callable(loss):
        raise DeclarationError(
            f"{asker}: the loss on '{edge}' is {type(loss).__name__}; it is a function of (prediction, truth)"
        )
    check_takes(loss, 2, f"{asker}: the loss on '{edge}' is called as loss(prediction, truth)")
    return BoundLoss(edge, loss, (edge,), by_edge=False)


def _of_short_numbers(truths: Mapping[str, Any], error: Exception) -> str:
    """What to write where labels are whole numbers of another length than torch's losses take, as numpy's may be."""
    types = {edge: getattr(truth, "dtype", None) for edge, truth in truths.items()}
    short = [edge for edge, kind in types.items() if kind in (torch.int8, torch.int16, torch.int32)]
    if not short or "dtype" not in str(error):
        return ""
    return f"; the truth of '{short[0]}' is {types[short[0]]}: hand over {short[0]}.long()"
