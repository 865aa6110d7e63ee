"""How the models of a repository are integrated: the paper's three patterns (section 3.2), and those beyond them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise

import networkx as nx

from drivetrain.graph.topology import FORKING, JOINING, SEQUENTIAL
from drivetrain.mining.aside import put_to_use
from drivetrain.mining.beyond import beyond
from drivetrain.mining.findings import Integration, Source, Wiring
from drivetrain.mining.flow import Flow, flow


def integrations(wiring: Wiring, sources: Sequence[Source] = ()) -> tuple[Integration, ...]:
    """Every integration pattern of a repository: joins, forks, what is left of chains, then patterns beyond the paper.

    A *join* is where outputs of models first come together of which none depends on another, in code or in a model. A
    *fork* is a model whose output is processed by several models of which none depends on another. A *chain* is what
    neither explains; a model that is handed an earlier output once more (a skip connection) is part of the chain. One
    of several interchangeable models stands for all of them.

    Args:
        wiring: models, edges, merges.
        sources: the parsed files, which show heads on one backbone; without them that pattern is not looked for.
    """
    used = put_to_use(wiring, sources)
    topology = flow(used, sources)
    joins = _joins(topology)
    forks = _forks(topology)
    return (*joins, *forks, *_chains(topology, joins, forks), *beyond(wiring, used.merges, topology, sources))


def _joins(topology: Flow) -> tuple[Integration, ...]:
    joins: list[Integration] = []
    for target in nx.lexicographical_topological_sort(topology.links, key=list(topology.links).index):
        sources = _models_before(topology, target)
        above = {name for other in sources for name in nx.ancestors(topology.graph, other)}
        parallel = tuple(name for name in sources if name not in above)
        if not _incomparable(topology, parallel):
            continue
        if any(set(parallel) <= set(join.models) for join in joins):
            continue  # they had come together before
        pairs = [(name, target) for name in topology.graph.predecessors(target)]
        joins.append(_integration(topology, JOINING, parallel, target, pairs))
    return tuple(joins)


def _models_before(topology: Flow, target: str) -> tuple[str, ...]:
    """The models whose output comes to a node with only code in between."""
    found: dict[str, None] = {}
    for name in topology.links.predecessors(target):
        for model in _models_before(topology, name) if name in topology.merges else (name,):
            found.setdefault(model)
    return tuple(name for name in topology.models if name in found)


def _forks(topology: Flow) -> tuple[Integration, ...]:
    forks = []
    for source in topology.models:
        targets = tuple(topology.model_links.successors(source))
        if _incomparable(topology, targets):
            pairs = [(source, target) for target in targets]
            forks.append(_integration(topology, FORKING, targets, source, pairs))
    return tuple(forks)


def _incomparable(topology: Flow, models: Sequence[str]) -> bool:
    return any(topology.parallel(one, other) for one, other in combinations(models, 2))


def _chains(topology: Flow, joins: Iterable[Integration], forks: Iterable[Integration]) -> tuple[Integration, ...]:
    explained = {(fork.at, branch) for fork in forks for branch in fork.models}
    joined = {join.at for join in joins}
    rest: nx.DiGraph[str] = nx.DiGraph()
    rest.add_edges_from(
        (a, b)
        for a, b in topology.links.edges
        if b not in topology.merges and b not in joined and (a, b) not in explained
    )
    chains = []
    for start in rest:
        if rest.in_degree(start) == 1 and rest.out_degree(next(rest.predecessors(start))) == 1:
            continue
        for step in rest.successors(start):
            chain = [start, step]
            while rest.out_degree(chain[-1]) == 1 and rest.in_degree(chain[-1]) == 1:
                chain.append(next(rest.successors(chain[-1])))
            models = tuple(name for name in chain if name not in topology.merges)
            at = start if start in topology.merges else ""
            chains.append(_integration(topology, SEQUENTIAL, models, at, list(pairwise(chain))))
    return tuple(chains)


def _integration(
    topology: Flow, pattern: str, models: Sequence[str], at: str, pairs: Sequence[tuple[str, str]]
) -> Integration:
    sure = min((topology.confidence(*pair) for pair in pairs), default=1.0)
    return Integration(pattern, tuple(models), at, topology.places(pairs), sure)
