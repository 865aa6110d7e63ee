"""How the models of a system are integrated: sequential, joining parallel, forking parallel (paper, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import networkx as nx

from drivetrain.graph.graph import Graph, Node

SEQUENTIAL = "sequential"
JOINING = "joining parallel"
FORKING = "forking parallel"


@dataclass(frozen=True)
class Integration:
    """One integration pattern found in a system, with its members.

    Attributes:
        pattern: ``"sequential"``, ``"joining parallel"`` or ``"forking parallel"``.
        models: the chain in order; or the parallel models that are joined; or the parallel models after the fork.
        at: where a join merges (a model or code) or a fork starts (a model); empty for a chain.
    """

    pattern: str
    models: tuple[str, ...]
    at: str = ""

    def __str__(self) -> str:
        if self.pattern == SEQUENTIAL:
            return f"{SEQUENTIAL}: {' -> '.join(self.models)}"
        if self.pattern == JOINING:
            return f"{JOINING}: {', '.join(self.models)} -> {self.at}"
        return f"{FORKING}: {self.at} -> {', '.join(self.models)}"


def integration_patterns(graph: Graph) -> tuple[Integration, ...]:
    """Every integration pattern of a diagram, forks and joins first where they stand, then what is left of chains.

    A model *processes* another's output whatever code is in between. A *join* is where the outputs of models that do
    not depend on each other first come together, in code or in a model. A *fork* is a model whose output is processed
    by several models that do not depend on each other. A *chain* is what neither explains.
    """
    links = _links(graph)
    forks = [
        Integration(FORKING, tuple(links.successors(model)), at=model)
        for model in _models(graph)
        if links.out_degree(model) > 1
    ]
    joins = _joins(graph, links)
    explained = {(fork.at, branch) for fork in forks for branch in fork.models}
    explained |= {(model, join.at) for join in joins for model in join.models}
    chains = [Integration(SEQUENTIAL, chain) for chain in _chains(links, explained)]
    return tuple(joins + forks + chains)


def _models(graph: Graph) -> tuple[str, ...]:
    return tuple(node.name for node in graph.nodes if node.component.learns)


def _nearest_models(graph: Graph) -> dict[str, frozenset[str]]:
    """For each edge, the models whose output it carries with only code in between."""
    origin: dict[str, frozenset[str]] = {port.name: frozenset() for port in graph.inputs}
    for node in graph.nodes:
        here = frozenset({node.name}) if node.component.learns else _sources(node, origin)
        origin.update(dict.fromkeys(node.makes, here))
    return origin


def _sources(node: Node, origin: dict[str, frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*(origin[edge] for edge in node.inputs))


def _links(graph: Graph) -> nx.DiGraph[str]:
    """Model to model, without the shortcuts: where A -> B -> C, an additional A -> C is additional information."""
    links: nx.DiGraph[str] = nx.DiGraph()
    links.add_nodes_from(_models(graph))
    origin = _nearest_models(graph)
    for node in graph.nodes:
        if node.component.learns:
            links.add_edges_from((source, node.name) for source in _sources(node, origin))
    reduced: nx.DiGraph[str] = nx.DiGraph()
    reduced.add_nodes_from(links)  # in order of execution
    shortest = nx.transitive_reduction(links)
    reduced.add_edges_from((a, b) for a in links for b in _models(graph) if shortest.has_edge(a, b))
    return reduced


def _joins(graph: Graph, links: nx.DiGraph[str]) -> list[Integration]:
    origin = _nearest_models(graph)
    order = _models(graph)
    above = {model: nx.ancestors(links, model) for model in order}
    joins: list[Integration] = []
    for node in graph.nodes:
        together = _sources(node, origin)
        brought = [origin[edge] for edge in node.inputs]
        if any(part == together for part in brought):
            continue  # they had come together before
        parallel = [m for m in order if m in together and not any(m in above[other] for other in together)]
        if len(parallel) > 1 and not any(join.at == node.name for join in joins):
            joins.append(Integration(JOINING, tuple(parallel), at=node.name))
    return joins


def _chains(links: nx.DiGraph[str], explained: set[tuple[str, str]]) -> list[tuple[str, ...]]:
    rest: nx.DiGraph[str] = nx.DiGraph()
    rest.add_edges_from(link for link in links.edges if link not in explained)
    chains = []
    starts = [
        model for model in rest if rest.in_degree(model) != 1 or rest.out_degree(next(rest.predecessors(model))) > 1
    ]
    for start in starts:
        for step in rest.successors(start):
            chain = [start, step]
            while rest.out_degree(chain[-1]) == 1 and rest.in_degree(chain[-1]) == 1:
                chain.append(next(rest.successors(chain[-1])))
            chains.append(tuple(chain))
    return chains


def parallel_pairs(graph: Graph) -> tuple[tuple[str, str], ...]:
    """Pairs of models that do not depend on each other."""
    links = _links(graph)
    below = {model: nx.descendants(links, model) for model in links}
    return tuple((a, b) for a, b in combinations(links, 2) if a not in below[b] and b not in below[a])
