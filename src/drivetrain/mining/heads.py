"""Heads on one representation: networks whose layers share a backbone and answer several questions at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from drivetrain.mining.findings import Place, Source, Wiring
from drivetrain.mining.words import listed, words

Heads = tuple[tuple[str, ...], str, tuple[Place, ...], float]  # model and heads, backbone's value, where, how sure


def shared_backbones(wiring: Wiring, sources: Sequence[Source]) -> Iterator[Heads]:
    """Every network of the repository's own, among the models it uses, with two or more heads on one representation.

    A head is a layer of the network (``self.age(features)``) whose result the network returns beside that of another
    layer on the same value. Parameters of one distribution (mean and variance) are one answer.
    """
    used = {model.maker.rsplit(".", 1)[-1]: model.name for model in wiring.models if model.main}
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef) and node.name in used:
                for forward in node.body:
                    if isinstance(forward, ast.FunctionDef) and forward.name in ("forward", "call", "__call__"):
                        yield from _of_forward(used[node.name], forward, source)


def _of_forward(model: str, forward: ast.FunctionDef, source: Source) -> Iterator[Heads]:
    inputs = {argument.arg for argument in forward.args.args}
    made: dict[str, list[tuple[str, str]]] = {}  # variable -> (layer, value it was applied to)
    for statement in ast.walk(forward):
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            if isinstance(target, ast.Name):
                made.setdefault(target.id, []).extend(_layers(statement.value))
    for statement in ast.walk(forward):
        if not isinstance(statement, ast.Return) or not isinstance(statement.value, ast.Tuple | ast.List | ast.Dict):
            continue
        values = statement.value.values if isinstance(statement.value, ast.Dict) else statement.value.elts
        heads: dict[str, dict[str, None]] = {}  # shared value -> heads
        for value in values:
            results = made.get(value.id, []) if isinstance(value, ast.Name) else _layers(value)
            for layer, shared in results[-1:]:
                if shared not in inputs and not words(layer) & listed("distribution"):
                    heads.setdefault(shared, {}).setdefault(layer)
        for shared, layers in heads.items():
            if len(layers) > 1:
                yield (model, *layers), shared, (source.place(statement.lineno),), 0.8


def _layers(value: ast.expr) -> list[tuple[str, str]]:
    """The layers of the network that an expression applies to a variable, the last one applied last."""
    found = []
    for call in ast.walk(value):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or not call.args:
            continue
        owner, argument = call.func.value, call.args[0]
        if isinstance(owner, ast.Name) and owner.id == "self" and isinstance(argument, ast.Name):
            found.append((call.func.attr, argument.id))
    return found
