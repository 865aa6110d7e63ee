"""Calls: functions of the repository are walked with their actual arguments, everything else by what is known of it."""

from __future__ import annotations

import ast
import builtins

from drivetrain.mining.dataflow import builtin, classes, containers, handover, outside, using
from drivetrain.mining.dataflow.arguments import Arguments, written_name
from drivetrain.mining.dataflow.callbacks import callbacks
from drivetrain.mining.dataflow.machine import DEEPEST_CALL, MOST_CONTEXTS, Frame, Machine, Summary
from drivetrain.mining.dataflow.merging import combine
from drivetrain.mining.dataflow.parameters import bind_arguments
from drivetrain.mining.dataflow.repository import ClassToken, Function, Instance
from drivetrain.mining.dataflow.values import (
    ELEMENT,
    EMPTY,
    Bound,
    Holder,
    Library,
    MethodOf,
    Mixed,
    ModelToken,
    Output,
    Text,
    Token,
    Value,
)

BUILTINS = frozenset(dir(builtins))


def call(callee: Value, arguments: Arguments, node: ast.Call | ast.AST, frame: Frame) -> Value:
    """What calling everything the callee may be gives."""
    if not callee:
        return outside.unknown(written_name(node), arguments, node, frame)
    if len(callee) == 1:
        for token in callee:
            return call_token(token, arguments, node, frame)
    found: Value = EMPTY
    for token in callee:
        found |= call_token(token, arguments, node, frame)
    return found


def call_token(token: Token, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """What calling one token gives."""
    kind = token.__class__
    if kind is Function:
        return call_function(token, arguments, node, frame)  # type: ignore[arg-type]
    if kind is Bound:
        function, first, named = token.function, token.arguments, dict(token.keywords)  # type: ignore[attr-defined]
        more = Arguments([*first, *arguments.positional], {**named, **arguments.keywords}, arguments.spread)
        return call_token(function, more, node, frame)
    if kind is Library:
        if "." not in token.name:  # type: ignore[attr-defined]
            found = builtin.call(token.name, arguments, node, frame)  # type: ignore[attr-defined]
            if found is not None:
                return found
        return outside.call(token.name, arguments, node, frame)  # type: ignore[attr-defined]
    if kind is ClassToken:
        return classes.instantiate(token.info, arguments, node, frame)  # type: ignore[attr-defined]
    if kind is ModelToken:
        return using.run(token, "", arguments, node, frame)  # type: ignore[arg-type]
    if kind is MethodOf:
        return _method(token, arguments, node, frame)  # type: ignore[arg-type]
    if kind is Instance:
        return _instance(token, arguments, node, frame)  # type: ignore[arg-type]
    if kind is Output or kind is Mixed:
        me = frozenset((token,))
        met = combine(frame, [me, *arguments.everything()], node, written_name(node))
        handover.outside_call(written_name(node), Arguments([me, *arguments.everything()]), node, frame)
        return met | callbacks(arguments, met, node, frame)
    if isinstance(token, Holder):
        return containers.call(token, "__call__", arguments, node, frame)
    return EMPTY


def _method(token: MethodOf, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    receiver = token.receiver
    if receiver.__class__ is ModelToken:
        return using.run(receiver, token.name, arguments, node, frame)  # type: ignore[arg-type]
    if receiver.__class__ is ClassToken:
        return outside.class_method(receiver, token.name, arguments, node, frame)  # type: ignore[arg-type]
    if receiver.__class__ is MethodOf:
        return _method_of_part(receiver, token.name, arguments, node, frame)  # type: ignore[arg-type]
    if receiver.__class__ in (Function, Bound) and token.name in handover.STARTED_ELSEWHERE:
        return call_token(receiver, handover.sent_away(arguments, frame), node, frame)
    if receiver.__class__ is Text:
        return builtin.text_method(receiver, token.name, arguments, node, frame)  # type: ignore[arg-type]
    if isinstance(receiver, Holder):
        return containers.call(receiver, token.name, arguments, node, frame)
    return outside.unknown(token.name, arguments, node, frame)


def _method_of_part(part: MethodOf, name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """``model.part.method(...)`` is a call of the model; ``client.chat.completions.create`` too."""
    receiver: Token = part
    while receiver.__class__ is MethodOf:
        receiver = receiver.receiver  # type: ignore[attr-defined]
    return _method(frame.machine.method(receiver, name), arguments, node, frame)  # type: ignore[arg-type]


def _instance(token: Instance, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    me = frozenset((token,))
    for name in ("__call__", "forward", "call"):
        method = token.info.find(name)
        if method is not None:
            return call_function(method[0], Arguments([me, *arguments.positional], arguments.keywords), node, frame)
    return outside.unknown(token.info.name, arguments, node, frame)


def call_function(function: Function, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """Walk a function with these arguments, or say again what it answered for them."""
    machine = frame.machine
    machine.called.add(function.node)
    if frame.depth >= DEEPEST_CALL:
        return combine(frame, arguments.everything(), node, written_name(node), reporting=True)
    bound = bind_arguments(function, arguments, frame)
    values = tuple(bound.values())
    known = machine.contexts.setdefault(function, {})
    if values not in known and len(known) >= MOST_CONTEXTS:
        if not any(one.invoked for one in known.values()):
            return combine(frame, arguments.everything(), node, written_name(node), reporting=True)
        bound, summary = _joined(function, bound, machine)
    else:
        summary = known.setdefault(values, Summary())
    if summary.round != machine.round and not summary.running:
        summary.running = True
        walk_function(function, bound, summary, frame)
        summary.running = False
        summary.round = machine.round
    for model in summary.invoked:
        using.controlled(model, node, frame)
    frame.invoked |= summary.invoked
    return summary.returns


def _joined(function: Function, bound: dict[str, Value], machine: Machine) -> tuple[dict[str, Value], Summary]:
    """All arguments beyond the most contexts, as one context that is walked once a round, however it grows."""
    joined, summary = machine.joined.setdefault(function, ({}, Summary()))
    for name, value in bound.items():
        known = joined.get(name, EMPTY)
        if not value <= known:
            joined[name] = known | value
            machine.changed = True
    return {name: joined.get(name, EMPTY) for name in bound}, summary


def walk_function(function: Function, bound: dict[str, Value], summary: Summary, frame: Frame) -> None:
    """Walk the body of a function once."""
    inner = Frame(frame.machine, function.module, bound, closure=function.closure, owner=function.owner)
    inner.depth, inner.parameters = frame.depth + 1, frozenset(bound)
    inner.context = _context(bound)
    inner.arguments = tuple(bound.values())
    if function.owner is not None and bound:
        inner.me = next(iter(bound.values()))
    body = function.node.body
    inner.flags = frame.machine.flags(function.node)
    if isinstance(body, list):
        inner.run(body)
    else:
        inner.returns = inner.evaluate(body)
    returns = inner.returns
    if inner.generator:
        holder = frame.machine.holder("list", function.node, inner, "yields")
        frame.machine.add(holder, ELEMENT, inner.yields)
        returns |= frozenset((holder,))
    if not returns <= summary.returns:
        summary.returns |= returns
        frame.machine.changed = True
    summary.invoked |= inner.invoked


_CONTEXT = frozenset({Instance, ModelToken, ClassToken, Function, Text, Bound})


def _context(bound: dict[str, Value]) -> tuple[Token, ...]:
    found: dict[Token, None] = {}
    for value in bound.values():
        if len(value) <= 4:
            for token in value:
                if token.__class__ in _CONTEXT:
                    found[token] = None
    return tuple(found)[:8]


def enter(value: Value, node: ast.AST, frame: Frame) -> Value:
    """What ``with value as x`` binds to x."""
    found: Value = EMPTY
    for token in value:
        if token.__class__ is Instance:
            method = token.info.find("__enter__")  # type: ignore[attr-defined]
            if method is not None:
                found |= call_function(method[0], Arguments([frozenset((token,))]), node, frame)
                continue
        found |= frozenset((token,))
    return found
