"""The system that was found, as a diagram: its models, the code that merges their outputs, and what flows between."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import networkx as nx
import torch
from torch import nn

from drivetrain.errors import ComponentError
from drivetrain.graph.component import RESERVED, Component
from drivetrain.graph.graph import Call, Graph, Ref
from drivetrain.graph.signature import Port, Signature, is_name
from drivetrain.mining.findings import Merge, Model, Wiring
from drivetrain.mining.flow import flow

_LONGEST = 32  # characters of a name that was made from a path


class Found(Component):
    """A box for something that was read about and is not here; it draws, it does not run.

    Attributes:
        caption: what the box says below its name: what makes the model, and where.
    """

    def __init__(self, name: str, signature: Signature, caption: str, *, model: bool) -> None:
        super().__init__(name, signature)
        self.caption = caption
        if model:
            self.weight = nn.Parameter(torch.zeros(1))  # models are told from code by having weights

    @property
    def thing(self) -> Any:
        return self.caption

    def forward(self, *values: Any, **constants: Any) -> NoReturn:
        """Refuse.

        Raises:
            ComponentError: always.
        """
        raise ComponentError(f"'{self.name}' was found by a scan ({self.caption}) and cannot run; --sketch begins one")


def diagram(name: str, wiring: Wiring) -> Graph | None:
    """The found models as the diagram of a system; None if there are none.

    A model that takes no other's output takes the system's input. What no other model takes is an output. Gates and
    selections are not values, so they are not drawn; the report lists them.
    """
    topology = flow(wiring)
    if not topology.graph:
        return None
    taken: set[str] = set(RESERVED)
    calls: dict[str, Call] = {}
    for node in nx.lexicographical_topological_sort(topology.graph, key=list(topology.graph).index):
        models = topology.models.get(node, ())
        what: Model | Merge = models[0] if models else topology.merges[node]
        box = _fresh(node if models else _word(what), taken)
        before = [calls[source].outputs[0] for source in topology.graph.predecessors(node)] or [Port("input")]
        made = Port(f"{box}_output")
        component = Found(box, Signature(tuple(before), (made,)), _caption(what, len(models)), model=bool(models))
        calls[node] = Call(box, component, tuple(Ref(port.name) for port in before), {}, (made,))
    ends = [calls[node].outputs[0] for node in calls if not topology.graph.out_degree(node)]
    returned = tuple(Ref(port.name) for port in ends)
    return Graph(_fresh(name, set()), (Port("input"),), tuple(calls.values()), returned)


def _caption(what: Model | Merge, alternatives: int) -> str:
    if isinstance(what, Merge):
        return f"code, {what.place}"
    others = f" or {alternatives - 1} other{'s' * (alternatives > 2)}" if alternatives > 1 else ""
    return f"{what.maker.rpartition('.')[2]}{others}, {what.place}"


def _word(merge: Model | Merge) -> str:
    """A name for merging code: that of the function it calls."""
    called = re.match(r"(?:[\w.]*\.)?(\w+)\s*\(", merge.what) if isinstance(merge, Merge) else None
    return called[1] if called else "merge"


def _fresh(wish: str, taken: set[str]) -> str:
    """A name as close to the wish as is free and can be one."""
    plain = re.sub(r"\W", "_", wish.rpartition("/")[2])[:_LONGEST].strip("_").lower() or "found"
    plain = plain if is_name(plain) else f"found_{plain}"
    count, name = 1, plain
    while name in taken:
        count += 1
        name = f"{plain}_{count}"
    taken.add(name)
    return name
