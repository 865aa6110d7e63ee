"""How values get into variables, attributes and elements, and what iterating over a value gives."""

from __future__ import annotations

import ast
import re

from drivetrain.mining.dataflow import handover
from drivetrain.mining.dataflow.arguments import Arguments
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.repository import ClassToken, Instance, ModuleToken
from drivetrain.mining.dataflow.values import CONTENT, ELEMENT, EMPTY, Holder, Mixed, ModelToken, Output, Text, Value


def assign(target: ast.expr, value: Value, frame: Frame) -> None:
    """Bind a value to whatever stands left of the equals sign."""
    if isinstance(target, ast.Name):
        _name_models(target.id, value, target, frame)
        if target.id in frame.outer:
            widen(frame.module.fields, target.id, value, frame)
        elif frame.names is frame.module.fields and frame.depth:
            widen(frame.names, target.id, value, frame)
        else:
            frame.names[target.id] = value
    elif isinstance(target, ast.Tuple | ast.List):
        _unpack(target.elts, value, frame)
    elif isinstance(target, ast.Starred):
        assign(target.value, value, frame)
    elif isinstance(target, ast.Attribute):
        owner = frame.evaluate(target.value)
        _name_models(target.attr, value, target, frame)
        set_attribute(owner, target.attr, value, frame)
    elif isinstance(target, ast.Subscript):
        _set_element(target, value, frame)


def _name_models(name: str, value: Value, node: ast.AST, frame: Frame) -> None:
    """Models and what owns them are known by the variables that first hold them."""
    if value and len(value) <= 3:
        for token in value:
            if token.__class__ is ModelToken:
                if len(token.source_names) < 6 and name not in token.source_names:  # type: ignore[attr-defined]
                    token.source_names[name] = frame.place(node)  # type: ignore[attr-defined]
            elif token.__class__ is Instance and len(token.names) < 4 and name not in token.names:  # type: ignore[attr-defined]
                token.names[name] = frame.place(node)  # type: ignore[attr-defined]


def widen(fields: dict[str, Value], name: str, value: Value, frame: Frame) -> None:
    """A global variable may from now on also be this."""
    old = fields.get(name, EMPTY)
    if not value <= old:
        fields[name] = old | value
        frame.machine.changed = True
    else:
        fields.setdefault(name, value)


def set_attribute(owner: Value, name: str, value: Value, frame: Frame) -> None:
    """``owner.name = value``."""
    for token in owner:
        if isinstance(token, Holder):
            frame.machine.add(token, name, value)
        elif token.__class__ is ModuleToken:
            widen(token.module.fields, name, value, frame)  # type: ignore[attr-defined]
        elif token.__class__ is ClassToken:
            widen(token.info.attributes, name, value, frame)  # type: ignore[attr-defined]


def _set_element(target: ast.Subscript, value: Value, frame: Frame) -> None:
    owner = frame.evaluate(target.value)
    index = frame.evaluate(target.slice)
    keys = constant_keys(target.slice, index)
    held = False
    for token in owner:
        if isinstance(token, Holder):
            held = True
            for key in keys or (ELEMENT,):
                frame.machine.add(token, key, value)
    passed = frozenset(token for token in value if token.__class__ in _DATA)
    if not held and passed:
        handover.field_written(keys, passed, frame)
        base = target.value
        if isinstance(base, ast.Name):
            assign(base, frame.names.get(base.id, EMPTY) | passed, frame)
        elif isinstance(base, ast.Attribute):
            set_attribute(frame.evaluate(base.value), base.attr, passed, frame)


_DATA = frozenset({Output, Mixed, ModelToken})


def constant_keys(node: ast.expr, index: Value) -> list[object]:
    """The keys an index may be, if they stand in the code."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int):
        return [node.value]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        return []
    return [token.text for token in index if token.__class__ is Text]  # type: ignore[attr-defined]


_BESIDE_MODEL = re.compile(
    r"tokeni[sz]er|processor|preprocess|transform|vocab|config|cfg|^_$|utils|scaler|metadata|args|dict|labels|names|epoch|"
    r"optimi[sz]er|schedul|history|info|meta|stride|size|device|train|val|test|data|loss|callback|feature_extractor",
    re.IGNORECASE,
)


def _unpack(targets: list[ast.expr], value: Value, frame: Frame) -> None:
    if any(token.__class__ is ModelToken for token in value):
        for at, target in enumerate(targets):
            written = target.id if isinstance(target, ast.Name) else getattr(target, "attr", "")
            beside = _BESIDE_MODEL.search(written)
            assign(target, _without_models(item(value, at, frame)) if beside else item(value, at, frame), frame)
        return
    starred = next((at for at, target in enumerate(targets) if isinstance(target, ast.Starred)), None)
    for at, target in enumerate(targets):
        if starred is not None and at >= starred:
            assign(target, item(value, None, frame), frame)
        else:
            assign(target, item(value, at, frame), frame)


def _without_models(value: Value) -> Value:
    return frozenset(token for token in value if token.__class__ is not ModelToken)


def item(value: Value, at: int | None, frame: Frame) -> Value:
    """Element number ``at`` of what a value may be; any element for None."""
    found: Value = EMPTY
    for token in value:
        if isinstance(token, Holder):
            found |= element(token, at)
        elif token.__class__ is not Text:
            found |= frozenset((token,))
    return found


def element(holder: Holder, key: object) -> Value:
    """What stands under a key of a container; what stands under any key for None."""
    fields = holder.fields
    if key is None:
        found: Value = EMPTY
        for part in fields.values():
            found |= part
        return found
    if key in fields:
        return fields[key] | fields.get(ELEMENT, EMPTY) | fields.get(CONTENT, EMPTY)
    if holder.kind == "tuple" and isinstance(key, int) and fields:
        return fields.get(ELEMENT, EMPTY)
    if isinstance(key, int) and holder.kind != "dict":
        return element(holder, None)
    return fields.get(ELEMENT, EMPTY) | fields.get(CONTENT, EMPTY)


def iterate(value: Value, frame: Frame) -> Value:
    """What a loop variable may be."""
    found: set[object] = set()
    for token in value:
        if isinstance(token, Holder):
            if token.kind == "dict":
                found.update(frame.machine.text(key) for key in token.fields if isinstance(key, str) and key != ELEMENT)
            elif token.kind == "instance":
                found |= _iterate_instance(token, frame)
            else:
                found |= element(token, None)
        elif token.__class__ is not Text:
            found.add(token)
    return frozenset(found)  # type: ignore[arg-type]


def _iterate_instance(token: Holder, frame: Frame) -> Value:
    """What looping over an instance gives: what its ``__iter__`` or ``__next__`` answers, or its content."""
    if not isinstance(token, Instance):
        return token.fields.get(CONTENT, EMPTY)
    found: Value = EMPTY
    me = frozenset((token,))
    for name in ("__next__", "__iter__", "__getitem__"):
        method = token.info.find(name)
        if method is not None:
            answer = frame.call(method[0], Arguments([me]), token.info.node)
            found |= frozenset(part for part in answer if part is not token)
            if name == "__iter__":
                found = iterate(found, frame)
            if found:
                break
    return found
