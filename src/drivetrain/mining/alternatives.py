"""Slots: which models are interchangeable, because one of them is chosen and the others are not built."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, pairwise

import networkx as nx

from drivetrain.mining.definitions import Definitions, Given, define
from drivetrain.mining.findings import FEEDS, Model, Source, Wiring
from drivetrain.mining.trees import walk

# Two models, what the place is called that one of them takes, and whether no run of the program can build both.
Choice = tuple[str, str, str, bool]


def with_slots(wiring: Wiring, sources: Sequence[Source]) -> Wiring:
    """The same findings, with the slot of every model that is one of several to choose from.

    Alternatives are: values that arms of one branch, methods of one class or returns of one function give to the same
    target; classes in a table that is asked by a key; and the subclasses of a class that is asked for them. Models of
    which one processes the other's output are no alternatives, and a slot that is already known stays.
    """
    if len(wiring.models) < 2:
        return wiring
    known = define(wiring.models, sources)
    fed = {frozenset((edge.source, edge.target)) for edge in wiring.edges if edge.kind == FEEDS}
    graph: nx.Graph[str] = nx.Graph()
    built = {model.name: model.place for model in wiring.models}
    makers = {model.name: model.maker for model in wiring.models}
    for choices in (_branches(known), _arms(known), _tables(known, sources), _subclasses(known, sources)):
        for one, other, place, sure in choices:
            # arms of one branch that make the same class differently, or what one object may hold
            at_once = (sure and makers[one] == makers[other]) or built[one] == built[other]
            if one != other and (at_once or frozenset((one, other)) not in fed):
                graph.add_edge(one, other, place=place)
    slot: dict[str, str] = {}
    taken: set[str] = set()
    for members in nx.connected_components(graph):
        name = min(place for _, _, place in graph.subgraph(members).edges(data="place"))
        while name in taken:
            name += "_"
        taken.add(name)
        slot.update(dict.fromkeys(members, name))
    models = tuple(replace(model, slot=model.slot or slot.get(model.name, "")) for model in wiring.models)
    return replace(wiring, models=models)


def _branches(known: Definitions) -> Iterator[Choice]:
    """Values of one target of which one is given at most; an attribute may be given by any method of its class."""
    groups: dict[tuple[int, str], list[Given]] = {}
    for given in known.given:
        attribute = given.owner is not None and given.target.startswith("self.")
        scope = given.owner if attribute else given.function
        groups.setdefault((id(scope), given.target), []).append(given)
    for given in known.given:
        for choice in walk(given.value) if isinstance(given.value, ast.IfExp) else ():
            if isinstance(choice, ast.IfExp):
                yield from _pairs(known, given, choice.body, choice.orelse, True)
    for values in groups.values():
        if len(values) > 40:
            continue
        for one, other in combinations(values, 2):
            sure = one.excludes(other)
            if sure or one.target == "return" or one.function is not other.function:
                yield from _pairs(known, one, one.value, other.value, sure)


def _arms(known: Definitions) -> Iterator[Choice]:
    """Models of which each is the only one that its arm of one branch builds, whatever it is given to."""
    arms: dict[int, dict[int, dict[str, str]]] = {}
    for given in known.given:
        for model in known.built_by(given.value, given.source.path, depth=0) if given.arms else ():
            branch, arm = given.arms[-1]
            arms.setdefault(branch, {}).setdefault(arm, {})[model.name] = given.target
    for branches in arms.values():
        single = [next(iter(built.items())) for built in branches.values() if len(built) == 1]
        for (one, place), (other, _) in pairwise(single):
            yield one, other, re.sub(r"\W+", "_", place.removeprefix("self.")).strip("_"), False


def _pairs(known: Definitions, given: Given, one: ast.expr, other: ast.expr, sure: bool) -> Iterator[Choice]:
    path = given.source.path
    first, second = known.built_by(one, path), known.built_by(other, path)
    place = re.sub(r"\W+", "_", given.target.removeprefix("self.")).strip("_")
    if given.target == "return":
        place = getattr(given.function, "name", place)
    if len(first) == len(second) == 1:
        yield first[0].name, second[0].name, place, sure
    elif len({model.maker for model in first}) == len({model.maker for model in second}) == 1:
        # one line of a class that is made in several places: what is chosen for one object belongs together
        yield from ((a.name, b.name, place, sure) for a in first for b in second if a.place == b.place)


def _tables(known: Definitions, sources: Sequence[Source]) -> Iterator[Choice]:
    """Classes or loaders in a dict that is asked by a key which does not stand in the code: a name from a user."""
    tables = [given for given in known.given if isinstance(given.value, ast.Dict)]
    dicts = [(given, node) for given in tables for node in walk(given.value) if isinstance(node, ast.Dict)]
    asked: set[str] | None = None
    for given, table in dicts:
        built = [(key, _of_entry(known, value, given)) for key, value in zip(table.keys, table.values, strict=True)]
        single = {models[0].name: key for key, models in built if len(models) == 1}
        if len(single) < 2:
            continue
        asked = _asked(sources) if asked is None else asked
        keys = [key.value for key in single.values() if isinstance(key, ast.Constant)]
        if keys and all(str(key) in asked for key in keys):
            continue  # every entry is asked for by its own name: they serve side by side
        names = list(single)
        place = re.sub(r"\W+", "_", given.target).strip("_").lower()
        yield from ((one, other, place, False) for one, other in pairwise(names))


def _of_entry(known: Definitions, value: ast.expr, given: Given) -> list[Model]:
    if isinstance(value, ast.Name | ast.Attribute):
        name = value.attr if isinstance(value, ast.Attribute) else value.id
        return known.built_in(name, given.source.path)
    return known.built_by(value, given.source.path) if isinstance(value, ast.Call | ast.Lambda) else []


def _asked(sources: Sequence[Source]) -> set[str]:
    """Every string that stands as an argument or in a subscript."""
    found: set[str] = set()
    for source in sources:
        given = [node.slice for node in source.nodes.of(ast.Subscript)]
        for node in source.nodes.of(ast.Call):
            given += (*node.args, *(keyword.value for keyword in node.keywords))
        found.update(str(one.value) for one in given if isinstance(one, ast.Constant))
    return found


def _subclasses(known: Definitions, sources: Sequence[Source]) -> Iterator[Choice]:
    """Classes that are found by ``Base.__subclasses__()``."""
    bases: dict[str, None] = {}
    for source in sources:
        for asked in source.nodes.of(ast.Attribute) if known.models else ():
            if asked.attr == "__subclasses__":
                name = asked.value.attr if isinstance(asked.value, ast.Attribute) else getattr(asked.value, "id", "")
                bases.setdefault(name)
    for base in bases:
        members: dict[str, None] = {}
        for name, definitions in known.named.items():
            for path, node in definitions:
                of = (
                    [ast.unparse(one).rsplit(".", 1)[-1] for one in node.bases]
                    if isinstance(node, ast.ClassDef)
                    else []
                )
                if base in of:
                    members.update(dict.fromkeys(m.name for m in known.built_in(name, path)[:1]))
        names = list(members)
        yield from ((one, other, base.lower(), False) for one, other in pairwise(names))
