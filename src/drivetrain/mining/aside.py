"""What belongs to training or to the inside of a network, and not to the system that is put to use."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from drivetrain.mining.findings import FEEDS, Fitting, Place, Source, Wiring
from drivetrain.mining.trees import walk
from drivetrain.mining.words import listed, speaks_of


@dataclass(frozen=True)
class Spans:
    """Lines of files, as pairs of first and last."""

    lines: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)

    def hold(self, place: Place | None) -> bool:
        """Whether a place stands in them; places in notebooks do not."""
        if place is None or place.cell is not None:
            return False
        return any(first <= place.line <= last for first, last in self.lines.get(place.file, ()))


def put_to_use(wiring: Wiring, sources: Sequence[Source] = ()) -> Wiring:
    """The findings without what only serves training: losses and their sums, judges of what another model makes.

    Left out are also layers and blocks that a network builds inside itself. A function that calls ``backward`` is
    training; a model that runs in such functions alone, hands nothing on and is not trained together with what feeds it
    judges that. Models that the system loads always stay.
    """
    training, networks = _training(sources), _networks(sources)
    step_files = {fitting.place.file for fitting in wiring.fittings if fitting.how == "step"}
    handing_on = {edge.source for edge in wiring.edges if edge.kind == FEEDS and not training.hold(edge.at_target)}
    together = [set(fitting.models) for fitting in wiring.fittings]
    left_out: set[str] = set()
    for model in wiring.models:
        feeders = {edge.source for edge in wiring.edges if edge.kind == FEEDS and edge.target == model.name}
        partners = any(model.name in models and models & feeders for models in together)
        trains_only = bool(model.uses) and all(training.hold(place) for place in model.uses)
        judges = speaks_of(model, "judge") and {place.file for place in model.uses} <= step_files
        judges = judges or (trains_only and bool(feeders) and model.name not in handing_on and not partners)
        if speaks_of(model, "loss") or judges or (not model.loaded and networks.hold(model.place)):
            left_out.add(model.name)
    models = tuple(model for model in wiring.models if model.name not in left_out)
    if not models:
        return wiring
    edges = tuple(edge for edge in wiring.edges if not left_out & {edge.source, edge.target})
    merges = [replace(m, models=_without(m.models, left_out), into=_without(m.into, left_out)) for m in wiring.merges]
    kept = tuple(merge for merge in merges if len(merge.models) > 1 and not training.hold(merge.place))
    return replace(wiring, models=models, edges=edges, merges=kept)


def judges(wiring: Wiring) -> dict[str, Fitting]:
    """Models that only judge what is trained beside them, each with the fitting of what it judges.

    Such a model runs in files with training loops alone, and takes the output of a model that is trained in one of them
    by an optimiser of its own.
    """
    loops = {fitting.place.file for fitting in wiring.fittings if fitting.how == "step"}
    models = {model.name: model for model in wiring.models}
    found: dict[str, Fitting] = {}
    for edge in wiring.edges:
        target = models.get(edge.target)
        if edge.kind != FEEDS or target is None or not {place.file for place in target.uses} <= loops:
            continue
        for fitting in wiring.fittings:
            trained = edge.source in fitting.models and edge.target not in fitting.models
            if trained and edge.at_target is not None and edge.at_target.file == fitting.place.file:
                found.setdefault(edge.target, fitting)
    return found


def _without(names: Sequence[str], left_out: set[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in left_out)


def _training(sources: Sequence[Source]) -> Spans:
    """The innermost functions that call ``backward``."""
    found: dict[str, tuple[tuple[int, int], ...]] = {}
    for source in sources:
        learns = not source.cells and any(node.attr == "backward" for node in source.nodes.of(ast.Attribute))
        functions = [*source.nodes.of(ast.FunctionDef), *source.nodes.of(ast.AsyncFunctionDef)] if learns else []
        spans = [
            (function.lineno, function.end_lineno or function.lineno)
            for function in functions
            if any(isinstance(node, ast.Attribute) and node.attr == "backward" for node in walk(function))
        ]
        inner = [a for a in spans if not any(a != b and a[0] <= b[0] and b[1] <= a[1] for b in spans)]
        found[source.path] = tuple(inner)
    return Spans(found)


def _networks(sources: Sequence[Source]) -> Spans:
    """Classes that are networks, by the last name of a base."""
    found: dict[str, tuple[tuple[int, int], ...]] = {}
    for source in sources:
        classes = source.nodes.of(ast.ClassDef) if not source.cells else ()
        found[source.path] = tuple(
            (node.lineno, node.end_lineno or node.lineno)
            for node in classes
            if any(ast.unparse(base).rsplit(".", 1)[-1] in listed("network") for base in node.bases)
        )
    return Spans(found)
