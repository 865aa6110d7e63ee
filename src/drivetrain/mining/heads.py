"""Heads on one representation: networks whose layers share a backbone and answer several questions at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from drivetrain.mining.findings import Place, Source, Wiring
from drivetrain.mining.words import listed, words

Heads = tuple[tuple[str, ...], str, tuple[Place, ...], float]  # model and heads, backbone's layer, where, how sure
Chain = tuple[str, ...]  # the layers that a value went through, from the input


def shared_backbones(wiring: Wiring, sources: Sequence[Source]) -> Iterator[Heads]:
    """Every network of the repository's own, among the models it uses, with two or more heads on one representation.

    A head is a layer of the network (``self.age(features)``) whose result the network returns beside that of another
    layer, where both go back to what one layer before them put out. Parameters of one distribution (mean and variance)
    are one answer.
    """
    used = {model.maker.rsplit(".", 1)[-1]: model.name for model in wiring.models if model.main}
    for source in sources:
        for node in source.nodes.of(ast.ClassDef):
            if node.name in used:
                for forward in node.body:
                    if isinstance(forward, ast.FunctionDef) and forward.name in ("forward", "call", "__call__"):
                        yield from _of_forward(used[node.name], forward, source)


def _of_forward(model: str, forward: ast.FunctionDef, source: Source) -> Iterator[Heads]:
    known: dict[str, Chain] = {argument.arg: () for argument in forward.args.args[1:]}
    for statement in _in_order(forward.body):
        if isinstance(statement, ast.Assign):
            _assign(statement, known)
        elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            known[statement.target.id] = max(
                known.get(statement.target.id, ()), _chain(statement.value, known), key=len
            )
        elif isinstance(statement, ast.Return):
            heads, shared = _heads(statement.value, known)
            if len(heads) > 1:
                yield (model, *heads), shared, (source.place(statement.lineno),), 0.8


def _in_order(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        for name in ("body", "orelse", "finalbody"):
            inner = getattr(statement, name, None)
            if inner and not isinstance(statement, ast.FunctionDef | ast.ClassDef):
                yield from _in_order(inner)


def _assign(statement: ast.Assign, known: dict[str, Chain]) -> None:
    for target in statement.targets:
        if isinstance(target, ast.Name):
            known[target.id] = _chain(statement.value, known)
        elif isinstance(target, ast.Tuple | ast.List):
            values = statement.value.elts if isinstance(statement.value, ast.Tuple | ast.List) else None
            chains = [_chain(value, known) for value in values or [statement.value] * len(target.elts)]
            for one, chain in zip(target.elts, chains):
                if isinstance(one, ast.Name):
                    known[one.id] = chain


def _chain(value: ast.expr, known: dict[str, Chain]) -> Chain:
    """The layers that an expression went through; of several operands, those of the one that went through most."""
    if isinstance(value, ast.Name):
        return known.get(value.id, ())
    if isinstance(value, ast.Call):
        layer = _layer(value.func)
        inner = [*value.args, *(word.value for word in value.keywords)]
        if not layer and isinstance(value.func, ast.Attribute):
            inner.append(value.func.value)  # features.mean(1)
        before = max((_chain(one, known) for one in inner), key=len, default=())
        return (*before, layer) if layer and value.args else before
    parts = [part for part in ast.iter_child_nodes(value) if isinstance(part, ast.expr)]
    return max((_chain(part, known) for part in parts), key=len, default=())


def _layer(function: ast.expr) -> str:
    """``age`` of ``self.age`` and of ``self.age[0]``."""
    if isinstance(function, ast.Subscript):
        function = function.value
    owner = function.value if isinstance(function, ast.Attribute) else None
    return (
        function.attr
        if isinstance(function, ast.Attribute) and isinstance(owner, ast.Name) and owner.id == "self"
        else ""
    )


def _heads(value: ast.expr | None, known: dict[str, Chain]) -> tuple[tuple[str, ...], str]:
    """The layers where the ways to the returned values part, and the last one that they have in common."""
    if not isinstance(value, ast.Tuple | ast.List | ast.Dict):
        return (), ""
    values = value.values if isinstance(value, ast.Dict) else value.elts
    chains = list(dict.fromkeys(_chain(one, known) for one in values))
    best: tuple[tuple[str, ...], str] = ((), "")
    for chain in chains:
        for length in range(1, len(chain)):
            heads = dict.fromkeys(one[length] for one in chains if len(one) > length and one[:length] == chain[:length])
            answers = tuple(head for head in heads if not words(head) & listed("distribution"))
            if len({head.strip("_0123456789") for head in answers}) < 2:
                continue  # conv4_1 and conv4_2: two layers of one answer, as far as their names tell
            if len(answers) > max(1, len(best[0])):
                best = (answers, chain[length - 1])
    return best
