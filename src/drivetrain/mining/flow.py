"""Who processes whose output: the findings as one graph of slots and merges, without cycles and shortcuts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import networkx as nx

from drivetrain.mining.conditions import by_verdict
from drivetrain.mining.findings import FEEDBACK, FEEDS, GATES, SELECTS, Edge, Merge, Model, Place, Source, Wiring
from drivetrain.mining.words import listed, words

# Operators and calls that only lay values side by side for the model they are handed to: the model is where they meet.
_SIDE_BY_SIDE = re.compile(
    r"\b(?:cat|concat|concatenate|Concatenate|stack|[hvd]stack|column_stack|zip|append|extend)\b"
)


@dataclass(frozen=True)
class Flow:
    """The topology of a repository.

    A node is a model or, for interchangeable models, the first of their slot; or a merge, named by its place.

    Attributes:
        models: the models of each node, in order of place.
        merges: the merge of each node that is one.
        graph: an edge where the output of one node is processed by another, with ``evidence`` (edges or a merge) and
            ``confidence``; no cycles.
        loops: edges that were left out because they close a cycle.
        control: gates, selections and feedback between nodes.
        decisive: the selections and gates among them by which a model decides through what it says.
        lone: edges of every other kind (training), between nodes.
    """

    models: dict[str, tuple[Model, ...]] = field(default_factory=dict)
    merges: dict[str, Merge] = field(default_factory=dict)
    graph: nx.DiGraph[str] = field(default_factory=nx.DiGraph)
    loops: tuple[Edge, ...] = ()
    control: tuple[Edge, ...] = ()
    decisive: tuple[Edge, ...] = ()
    lone: tuple[Edge, ...] = ()

    @cached_property
    def links(self) -> nx.DiGraph[str]:
        """The graph without shortcuts: where A -> B -> C, an additional A -> C is additional information."""
        return _reduced(self.graph)

    @cached_property
    def model_links(self) -> nx.DiGraph[str]:
        """Model to model, whatever code is in between, without shortcuts."""
        direct: nx.DiGraph[str] = self.graph.copy()
        for merge in self.merges:
            direct.add_edges_from((a, b) for a in self.graph.predecessors(merge) for b in self.graph.successors(merge))
        for merge in self.merges:
            before, after = list(direct.predecessors(merge)), list(direct.successors(merge))
            direct.add_edges_from((a, b) for a in before for b in after)
            direct.remove_node(merge)
        return _reduced(direct)

    def comparable(self, one: str, other: str) -> bool:
        """Whether one of two nodes comes after the other: processes its output, or runs only if it may."""
        return other in self._after[one] or one in self._after[other]

    def parallel(self, one: str, other: str) -> bool:
        """Whether two nodes stand side by side: neither comes after the other, nor is it the same in two scripts."""
        return not self.comparable(one, other) and not self._twins(one, other)

    def _twins(self, one: str, other: str) -> bool:
        if one in self.merges or other in self.merges:
            return False
        left, right = self.models[one][0], self.models[other][0]
        stems = {model.name.rstrip("_0123456789") for model in (left, right)}
        if left.maker == right.maker and len({frozenset(words(stem) - listed("copy")) for stem in stems}) == 1 < len(
            stems
        ):
            return True  # actor and target_actor: a copy that lags behind
        same = len(stems) == 1 or (left.weights == right.weights and not left.loaded and not right.loaded)
        return same and left.maker == right.maker and left.place.file != right.place.file

    @cached_property
    def _after(self) -> dict[str, set[str]]:
        ordered: nx.DiGraph[str] = self.graph.copy()
        for edge in self.control:
            if edge.kind != FEEDBACK and not nx.has_path(self.graph, edge.target, edge.source):
                ordered.add_edge(edge.source, edge.target)
        return {node: set(nx.descendants(ordered, node)) for node in ordered}

    def confidence(self, source: str, target: str) -> float:
        """How sure an edge of the graph is; 1 for one that only stands for a path."""
        return float(self.graph.edges[source, target]["confidence"]) if self.graph.has_edge(source, target) else 1.0

    def places(self, pairs: Iterable[tuple[str, str]]) -> tuple[Place, ...]:
        """Both ends of every edge, in order, each place once."""
        found: dict[Place, None] = {}
        for pair in pairs:
            for place in self.graph.edges[pair]["evidence"] if self.graph.has_edge(*pair) else ():
                found.setdefault(place)
        return tuple(found)


def flow(wiring: Wiring, sources: Sequence[Source] = ()) -> Flow:
    """The topology that the findings show, of the models that the system itself uses (of all, if it uses none).

    Args:
        wiring: models, edges, merges.
        sources: the parsed files, in which the conditions of gates stand.
    """
    chosen = [model for model in wiring.models if model.main] or list(wiring.models)
    first = _first_of_place(chosen, wiring.edges)
    members: dict[str, dict[str, Model]] = {}  # slot -> models, one of each place
    for model in chosen:
        members.setdefault(model.slot or first[model.name].name, {})[first[model.name].name] = first[model.name]
    of_slot = {slot: next(iter(models)) for slot, models in members.items()}
    node = {model.name: of_slot[model.slot or first[model.name].name] for model in chosen}

    def known(edge: Edge) -> bool:
        return edge.source in node and edge.target in node and node[edge.source] != node[edge.target]

    between = [_renamed(edge, node) for edge in wiring.edges if known(edge)]
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(of_slot.values())
    for edge in between:
        if edge.kind == FEEDS:
            ends = (edge.at_source, edge.at_target)
            _connect(graph, edge.source, edge.target, (end for end in ends if end), edge.confidence)
    loops = _cut_cycles(graph, [edge for edge in between if edge.kind == FEEDS])
    merges = _add_merges(graph, wiring.merges, node)
    by_path = {source.path: source for source in sources}
    control = tuple(edge for edge in between if edge.kind in (GATES, SELECTS, FEEDBACK))
    return Flow(
        models={of_slot[slot]: tuple(models.values()) for slot, models in members.items()},
        merges=merges,
        graph=graph,
        loops=loops,
        control=control,
        decisive=tuple(e for e in control if e.kind == SELECTS or (e.kind == GATES and by_verdict(e, by_path))),
        lone=tuple(edge for edge in between if edge.kind not in (FEEDS, GATES, SELECTS, FEEDBACK)),
    )


def _first_of_place(models: Iterable[Model], edges: Iterable[Edge]) -> dict[str, Model]:
    """What is built at one line for several callers is one model, unless weights differ or they feed each other."""
    copies: dict[tuple[object, ...], list[Model]] = {}
    for model in models:
        copies.setdefault((model.place, model.also, model.maker, model.weights), []).append(model)
    fed = {(edge.source, edge.target) for edge in edges if edge.kind == FEEDS}
    first: dict[str, Model] = {}
    for group in copies.values():
        apart = {a.name for a in group for b in group if (a.name, b.name) in fed or (b.name, a.name) in fed}
        one = next((model for model in group if model.name not in apart), group[0])
        first.update({model.name: model if model.name in apart else one for model in group})
    return first


def _renamed(edge: Edge, node: dict[str, str]) -> Edge:
    return Edge(
        node[edge.source],
        node[edge.target],
        edge.kind,
        edge.medium,
        edge.at_source,
        edge.at_target,
        edge.through,
        edge.confidence,
    )


def _connect(graph: nx.DiGraph[str], source: str, target: str, places: Iterable[Place], confidence: float) -> None:
    if graph.has_edge(source, target):
        known = graph.edges[source, target]
        known["evidence"] = tuple(dict.fromkeys((*known["evidence"], *places)))
        known["confidence"] = max(known["confidence"], confidence)
    else:
        graph.add_edge(source, target, evidence=tuple(places), confidence=confidence)


def _cut_cycles(graph: nx.DiGraph[str], edges: list[Edge]) -> tuple[Edge, ...]:
    """Take out of every cycle its least sure edge; among equals the one that runs back in the order of the models."""
    position = {name: index for index, name in enumerate(graph)}
    cut: list[Edge] = []
    while not nx.is_directed_acyclic_graph(graph):
        cycle = [(pair[0], pair[1]) for pair in nx.find_cycle(graph)]
        weakest = min(cycle, key=lambda pair: (graph.edges[pair]["confidence"], position[pair[1]] - position[pair[0]]))
        graph.remove_edge(*weakest)
        cut.extend(edge for edge in edges if (edge.source, edge.target) == weakest)
    return tuple(cut)


def _add_merges(graph: nx.DiGraph[str], merges: Iterable[Merge], node: dict[str, str]) -> dict[str, Merge]:
    kept: dict[str, Merge] = {}
    for merge in merges:
        sources = tuple(dict.fromkeys(node[name] for name in merge.models if name in node))
        targets = tuple(dict.fromkeys(node[name] for name in merge.into if name in node))
        if len(sources) < 2:
            continue
        before = {name: nx.ancestors(graph, name) for name in sources}
        targets = tuple(t for t in targets if not any(t == name or t in before[name] for name in sources))
        if targets and _SIDE_BY_SIDE.search(merge.what):
            for target in targets:
                for source in sources:
                    _connect(graph, source, target, (merge.place,), merge.confidence)
            continue
        if not targets and any(set(sources) <= set(graph.predecessors(name)) for name in kept):
            continue  # they had come together before, and nothing follows
        name = str(merge.place)
        kept.setdefault(name, merge)
        for source in sources:
            _connect(graph, source, name, (merge.place,), merge.confidence)
        for target in targets:
            _connect(graph, name, target, (merge.place,), merge.confidence)
    return kept


def _reduced(graph: nx.DiGraph[str]) -> nx.DiGraph[str]:
    shortest = nx.transitive_reduction(graph)
    reduced: nx.DiGraph[str] = nx.DiGraph()
    reduced.add_nodes_from(graph)  # in order of place
    reduced.add_edges_from(edge for edge in graph.edges if shortest.has_edge(*edge))
    return reduced
