"""What an expression may be: one small function for each kind of node."""

from __future__ import annotations

import ast
from collections.abc import Callable

from drivetrain.mining.dataflow import attributes, binding, calls, comprehensions, handover, outside
from drivetrain.mining.dataflow.arguments import Arguments
from drivetrain.mining.dataflow.contents import outputs
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.merging import combine
from drivetrain.mining.dataflow.repository import Instance, Lazy
from drivetrain.mining.dataflow.values import (
    ELEMENT,
    EMPTY,
    Holder,
    Library,
    Mixed,
    Output,
    Text,
    Value,
)
from drivetrain.mining.findings import WEIGHTED_SUM


def evaluate(node: ast.expr, frame: Frame) -> Value:
    """The value of an expression in a frame."""
    found = _KINDS.get(node.__class__)
    return found(node, frame) if found is not None else EMPTY


def _constant(node: ast.Constant, frame: Frame) -> Value:
    value = node.value
    if value.__class__ is str and len(value) < 300:  # type: ignore[arg-type]
        return frozenset((frame.machine.text(value),))  # type: ignore[arg-type]
    return EMPTY


def _name(node: ast.Name, frame: Frame) -> Value:
    return name_value(node.id, frame)


def name_value(name: str, frame: Frame) -> Value:
    """A variable: of the function, of those around it, of the module."""
    found = frame.names.get(name)
    if found is None:
        for names in frame.closure:
            found = names.get(name)
            if found is not None:
                break
    if found is None or name in frame.outer:
        found = frame.module.fields.get(name)
    if found is None:
        return frozenset((frame.machine.library(name),)) if name in calls.BUILTINS else EMPTY
    if found and len(found) == 1:
        for token in found:
            if token.__class__ is Lazy:
                return token.module.fields.get(token.name, EMPTY)  # type: ignore[attr-defined]
    return found


def _attribute(node: ast.Attribute, frame: Frame) -> Value:
    return attributes.read(evaluate(node.value, frame), node.attr, node, frame)


def _call(node: ast.Call, frame: Frame) -> Value:
    """The value of a call expression."""
    frame.machine.tick()
    callee = evaluate(node.func, frame)
    positional: list[Value] = []
    keywords: dict[str, Value] = {}
    spread: Value = EMPTY
    for argument in node.args:
        if isinstance(argument, ast.Starred):
            value = evaluate(argument.value, frame)
            tuples = [token for token in value if isinstance(token, Holder) and token.kind == "tuple"]
            if len(tuples) == 1 and len(value) == 1 and ELEMENT not in tuples[0].fields:
                positional.extend(tuples[0].fields.values())
            else:
                spread |= binding.iterate(value, frame)
        else:
            positional.append(evaluate(argument, frame))
    for keyword in node.keywords:
        value = evaluate(keyword.value, frame)
        if keyword.arg is None:
            for token in value:
                if isinstance(token, Holder) and token.kind == "dict":
                    for key, held in token.fields.items():
                        if isinstance(key, str) and key != ELEMENT:
                            keywords[key] = keywords.get(key, EMPTY) | held
                        else:
                            spread |= held
                else:
                    spread |= frozenset((token,))
        else:
            keywords[keyword.arg] = value
    if not callee and isinstance(node.func, ast.Attribute) and node.func.attr in outside.FILLING:
        return outside.filled(node.func, Arguments(positional, keywords, spread), node, frame)
    return calls.call(callee, Arguments(positional, keywords, spread), node, frame)


def _subscript(node: ast.Subscript, frame: Frame) -> Value:
    owner = evaluate(node.value, frame)
    index = evaluate(node.slice, frame)
    found: set[object] = set()
    keys = binding.constant_keys(node.slice, index)
    for token in owner:
        if token.__class__ is Instance:
            getter = token.info.find("__getitem__")  # type: ignore[attr-defined]
            if getter is not None:
                me = frozenset((token,))
                found |= calls.call_function(getter[0], Arguments([me, index]), node, frame)
        elif isinstance(token, Holder):
            if isinstance(node.slice, ast.Slice):
                found.add(token)
            elif keys:
                for key in keys:
                    found |= binding.element(token, key)
            else:
                found |= binding.element(token, None)
        elif token.__class__ is Library or token.__class__ is not Text or keys is None:
            found.add(token)
    if keys and not any(isinstance(token, Holder) for token in owner):
        found |= handover.field_read(keys, frame)
    if index:
        cropped = frozenset(token for token in outputs(index) if token not in found)
        data = [token for token in found if token.__class__ is Output or token.__class__ is Mixed]
        if cropped and (not data or not isinstance(node.slice, ast.Name | ast.Constant)):
            found |= combine(frame, [frozenset(data), cropped], node, "[]")  # type: ignore[arg-type]
    return frozenset(found)  # type: ignore[arg-type]


def _binary(node: ast.BinOp, frame: Frame) -> Value:
    left, right = evaluate(node.left, frame), evaluate(node.right, frame)
    if not left and not right:
        return EMPTY
    kept = frozenset(token for token in left | right if token.__class__ not in _DATA)
    if isinstance(node.op, ast.Add | ast.Mod) and any(token.__class__ is Text for token in kept):
        return kept | frozenset(outputs(left) | outputs(right))
    if isinstance(node.op, ast.Add) and any(isinstance(token, Holder) for token in kept):
        return left | right
    terms = (node.left, node.right)
    weighted = isinstance(node.op, ast.Add) and all(isinstance(one, ast.BinOp) and _weighs(one) for one in terms)
    return kept | combine(frame, [left, right], node, WEIGHTED_SUM if weighted else "operator")


def _weighs(node: ast.BinOp) -> bool:
    """``weight * value``, or a sum of such."""
    return isinstance(node.op, ast.Mult | ast.Div) or (
        isinstance(node.op, ast.Add)
        and all(isinstance(one, ast.BinOp) and _weighs(one) for one in (node.left, node.right))
    )


_DATA = frozenset({Output, Mixed})


def _unary(node: ast.UnaryOp, frame: Frame) -> Value:
    return evaluate(node.operand, frame)


def _boolean(node: ast.BoolOp, frame: Frame) -> Value:
    values = [evaluate(value, frame) for value in node.values]
    joined = frozenset().union(*values)
    met = combine(frame, values, node, "and/or", fallback=isinstance(node.op, ast.Or))
    return frozenset(token for token in joined if token.__class__ not in _DATA) | met


def _compare(node: ast.Compare, frame: Frame) -> Value:
    values = [evaluate(node.left, frame), *(evaluate(part, frame) for part in node.comparators)]
    return combine(frame, values, node, "comparison")


def _conditional(node: ast.IfExp, frame: Frame) -> Value:
    condition = evaluate(node.test, frame)
    control = frame.control
    if condition:
        frame.control = control | frozenset(outputs(condition))
    value = evaluate(node.body, frame) | evaluate(node.orelse, frame)
    frame.control = control
    return value


def _sequence(node: ast.List | ast.Tuple | ast.Set, frame: Frame) -> Value:
    kind = "tuple" if isinstance(node, ast.Tuple) else "list"
    values = [evaluate(part.value if isinstance(part, ast.Starred) else part, frame) for part in node.elts]
    if not any(values):
        if kind == "tuple":
            return EMPTY
        return frozenset((frame.machine.holder(kind, node, frame),))
    if kind == "tuple" and not any(isinstance(part, ast.Starred) for part in node.elts):
        return frame.machine.packed(tuple(values), node, frame)
    holder = frame.machine.holder(kind, node, frame)
    for at, value in enumerate(values):
        if isinstance(node.elts[at], ast.Starred):
            frame.machine.add(holder, ELEMENT, binding.iterate(value, frame))
        else:
            frame.machine.add(holder, at, value)
    return frozenset((holder,))


def _dict(node: ast.Dict, frame: Frame) -> Value:
    holder = frame.machine.holder("dict", node, frame)
    for key, part in zip(node.keys, node.values):
        value = evaluate(part, frame)
        if key is None:
            for token in value:
                if isinstance(token, Holder):
                    for name, held in list(token.fields.items()):
                        frame.machine.add(holder, name, held)
            continue
        names = binding.constant_keys(key, evaluate(key, frame)) or [ELEMENT]
        for name in names:
            frame.machine.add(holder, name, value)
    return frozenset((holder,))


def _lambda(node: ast.Lambda, frame: Frame) -> Value:
    return frozenset((frame.function(node),))


def _formatted(node: ast.JoinedStr, frame: Frame) -> Value:
    found: Value = EMPTY
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            value = evaluate(part.value, frame)
            found |= frozenset(outputs(value)) | frozenset(token for token in value if token.__class__ is Text)
        elif isinstance(part, ast.Constant) and part.value and len(str(part.value)) < 300:
            found |= frozenset((frame.machine.text(str(part.value)),))
    return found


def _await(node: ast.Await | ast.Starred, frame: Frame) -> Value:
    return evaluate(node.value, frame)


def _yield(node: ast.Yield | ast.YieldFrom, frame: Frame) -> Value:
    value = evaluate(node.value, frame) if node.value is not None else EMPTY
    frame.generator = True
    frame.yields |= binding.iterate(value, frame) if isinstance(node, ast.YieldFrom) else value
    return EMPTY


def _walrus(node: ast.NamedExpr, frame: Frame) -> Value:
    value = evaluate(node.value, frame)
    binding.assign(node.target, value, frame)
    return value


def _slice(node: ast.Slice, frame: Frame) -> Value:
    found: Value = EMPTY
    for part in (node.lower, node.upper, node.step):
        if part is not None:
            found |= evaluate(part, frame)
    return frozenset(token for token in found if token.__class__ is not Text)


_KINDS: dict[type[ast.expr], Callable[..., Value]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.Subscript: _subscript,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.IfExp: _conditional,
    ast.List: _sequence,
    ast.Tuple: _sequence,
    ast.Set: _sequence,
    ast.Dict: _dict,
    ast.ListComp: comprehensions.sequence,
    ast.SetComp: comprehensions.sequence,
    ast.GeneratorExp: comprehensions.sequence,
    ast.DictComp: comprehensions.mapping,
    ast.Lambda: _lambda,
    ast.JoinedStr: _formatted,
    ast.Await: _await,
    ast.Starred: _await,
    ast.Yield: _yield,
    ast.YieldFrom: _yield,
    ast.NamedExpr: _walrus,
    ast.Slice: _slice,
}
