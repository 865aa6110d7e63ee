"""Truth in the place of a model: its output edges carry what the truth says, encoded as the model would emit it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map

from drivetrain.data import Batch
from drivetrain.errors import MissingEdgeError, ShapeError, listed
from drivetrain.graph import Node, System
from drivetrain.graph.component import FromTruth
from drivetrain.graph.execution import describe, needed, run


@dataclass(frozen=True)
class TruthPlan:
    """How to feed one model with truth.

    Attributes:
        nodes: what runs: code on the way from truth to the model, and the model.
        substituted: the edges whose truth stands in.
        inputs: the system inputs that are read.
    """

    nodes: tuple[Node, ...]
    substituted: tuple[str, ...]
    inputs: tuple[str, ...]


def plan_from_truth(system: System, model: str, wanted: Collection[str], fields: Collection[str]) -> TruthPlan:
    """Plan the run of one model in which truth stands in for every other model.

    Code between truth and the model runs; where it cannot, because a truth before it is missing, the truth of its own
    output stands in.

    Raises:
        MissingEdgeError: the data lacks a truth or an input that the model's inputs come from.
    """
    graph = system.graph
    substituted: dict[str, None] = {}
    inputs: dict[str, None] = {}

    def known(edge: str) -> bool:
        producer = graph.producer.get(edge)
        if producer is None:
            inputs[edge] = None
            return edge in fields
        if not producer.component.learns and all(known(source) for source in producer.inputs):
            return True
        if edge in fields:
            substituted[edge] = None
            return True
        return False

    node = graph.node(model)
    unknown = [edge for edge in node.inputs if not known(edge)]
    if unknown:
        raise MissingEdgeError(
            f"individual training of '{model}' needs the truth of its input {listed(unknown)}; the data has: "
            f'{listed(fields)}. Individual(..., inputs="system") takes it from the models before it'
        )
    given = (*system.inputs, *substituted)
    nodes = needed(graph, wanted, given)
    read = {edge for each in nodes for edge in each.inputs}
    return TruthPlan(nodes, tuple(e for e in substituted if e in read), tuple(e for e in inputs if e in read))


def encoder(system: System, edge: str) -> FromTruth | None:
    """How the truth of an edge becomes what its producer emits; None where nothing was declared."""
    node = system.graph.producer[edge]
    declared = node.component.signature.outputs[node.makes.index(edge)].name
    return node.component.from_truth.get(declared)


def encoded(system: System, edge: str, truth: Any) -> Any:
    """The truth of an edge as the edge carries it, if an encoder was declared; otherwise the truth itself."""
    encode = encoder(system, edge)
    if encode is None:
        return truth
    try:
        return encode(truth)
    except Exception as error:
        name = system.graph.producer[edge].name
        error.add_note(f"while from_truth of '{name}' encoded the truth of edge '{edge}' ({describe(truth)})")
        raise


class Stand:
    """Truth standing in for models in batch after batch; looks once whether it fits where no encoder was declared.

    Attributes:
        unencoded: edges whose truth was used as it is.
    """

    def __init__(self, system: System, plan: TruthPlan) -> None:
        self.system = system
        self.plan = plan
        self.unencoded = tuple(edge for edge in plan.substituted if encoder(system, edge) is None)
        self._like: dict[str, Any] = {}

    def values(self, batch: Batch) -> dict[str, Any]:
        """The substituted edges of a batch.

        Raises:
            ShapeError: a truth has another structure than what the model emits, and no ``from_truth`` was declared.
        """
        values = {}
        for edge in self.plan.substituted:
            if edge not in batch:  # left out, since all that is made of it is cached
                continue
            truth = batch[edge]
            if edge not in self.unencoded:
                values[edge] = encoded(self.system, edge, truth)
                continue
            if edge not in self._like:
                self._like[edge] = self._emitted(edge, batch)
            values[edge] = fitted(self.system, edge, truth, self._like[edge])
        return values

    def _emitted(self, edge: str, batch: Batch) -> Any:
        """What the models really put on the edge, on two samples; None where the batch lacks what they need."""
        if any(
            name not in batch
            for node in self.system.plan((edge,))
            for name in node.inputs
            if name in self.system.inputs
        ):
            return None
        rows = batch.rows(self.system.inputs)
        few = torch.arange(min(2, batch.size)) if rows is None else rows[:2]
        flags = [(module, module.training) for module in self.system.modules()]
        self.system.eval()
        with torch.no_grad():
            values: dict[str, Any] = dict(batch.only(few))
            emitted = run(self.system.plan((edge,)), {e: values[e] for e in self.system.inputs if e in values})[edge]
        for module, flag in flags:
            module.training = flag
        return emitted


def fitted(system: System, edge: str, truth: Any, like: Any) -> Any:
    """Truth used unencoded, in the number type of the edge.

    Raises:
        ShapeError: its structure differs from what the edge carries.
    """
    if like is None:
        return truth
    if not same_structure(truth, like):
        name = system.graph.producer[edge].name
        raise ShapeError(
            f"the truth of edge '{edge}' is {describe(truth)}, but '{name}' emits {describe(like)}; to let truth "
            f'stand in for it, declare how it is encoded: component("{name}", ..., from_truth=encode)'
        )
    if isinstance(truth, Tensor) and isinstance(like, Tensor):
        return truth.to(like.dtype)
    leaf = next((part for part in tree_flatten(like)[0] if isinstance(part, Tensor)), None)
    if leaf is None or isinstance(truth, list):
        return truth
    return tree_map(lambda part: part.to(leaf.dtype) if isinstance(part, Tensor) else part, truth)


def same_structure(truth: Any, like: Any) -> bool:
    """Whether truth has the nesting and the shapes of a value, the number of samples apart."""
    if isinstance(truth, list) or isinstance(like, list):
        pairs = isinstance(truth, list) and isinstance(like, list)
        return pairs and (not truth or not like or _trailing(truth[0])[1:] == _trailing(like[0])[1:])
    left, left_spec = tree_flatten(truth)
    right, right_spec = tree_flatten(like)
    return left_spec == right_spec and all(
        _trailing(a)[1:] == _trailing(b)[1:] for a, b in zip(left, right, strict=True)
    )


def _trailing(value: Any) -> tuple[int, ...]:
    shape = getattr(value, "shape", None)
    return () if shape is None else tuple(shape)
