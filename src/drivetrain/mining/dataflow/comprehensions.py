"""Comprehensions: what they collect, and one model for each name where they build models under names."""

from __future__ import annotations

import ast

from drivetrain.mining.dataflow import binding
from drivetrain.mining.dataflow.contents import outputs
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.values import ELEMENT, Holder, Text, Token, Value

_MOST_NAMES = 8  # names in the code for which a comprehension is walked one by one


def sequence(node: ast.ListComp | ast.SetComp | ast.GeneratorExp, frame: Frame) -> Value:
    """The value of a comprehension that collects elements."""
    before, control = dict(frame.names), frame.control
    _generators(node.generators, frame)
    value = frame.evaluate(node.elt)
    _restore(before, control, frame)
    holder = frame.machine.holder("list", node, frame)
    frame.machine.add(holder, ELEMENT, value)
    return frozenset((holder,))


def mapping(node: ast.DictComp, frame: Frame) -> Value:
    """The value of a comprehension that collects pairs: ``{name: build(name) for name in ("left", "right")}``."""
    before, control, context = dict(frame.names), frame.control, frame.context
    holder = frame.machine.holder("dict", node, frame)
    names = _names(node.generators, frame)
    for name in names:
        frame.names[node.generators[0].target.id] = frozenset((name,))  # type: ignore[attr-defined]
        frame.context = (*context, name)
        _pair(node, holder, frame)
        frame.context = context
    if not names:
        _generators(node.generators, frame)
        _pair(node, holder, frame)
    _restore(before, control, frame)
    return frozenset((holder,))


def _pair(node: ast.DictComp, holder: Holder, frame: Frame) -> None:
    key = frame.evaluate(node.key)
    value = frame.evaluate(node.value)
    for name in binding.constant_keys(node.key, key) or [ELEMENT]:
        frame.machine.add(holder, name, value)
    frame.machine.add(holder, ELEMENT, frozenset(outputs(key)))


def _names(generators: list[ast.comprehension], frame: Frame) -> list[Token]:
    """The names that the one loop of a comprehension goes through, if all of them stand in the code."""
    one = generators[0]
    if len(generators) > 1 or one.ifs or not isinstance(one.target, ast.Name):
        return []
    found: dict[Token, None] = {}
    for token in frame.evaluate(one.iter):
        if not isinstance(token, Holder) or token.kind not in ("list", "tuple"):
            return []
        for value in token.fields.values():
            found.update(dict.fromkeys(value))
    texts = all(token.__class__ is Text for token in found)
    return list(found) if texts and 2 <= len(found) <= _MOST_NAMES else []


def _generators(generators: list[ast.comprehension], frame: Frame) -> None:
    for generator in generators:
        iterated = frame.evaluate(generator.iter)
        binding.assign(generator.target, binding.iterate(iterated, frame), frame)
        for test in generator.ifs:
            frame.control |= frozenset(outputs(frame.evaluate(test)))


def _restore(before: dict[str, Value], control: Value, frame: Frame) -> None:
    frame.control = control
    frame.names.clear()
    frame.names.update(before)
