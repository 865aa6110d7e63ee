"""What ``owner.name`` may be: a field, a method, a global of a module, a name of a library, a part of a model."""

from __future__ import annotations

import ast

from drivetrain.mining.dataflow import imports
from drivetrain.mining.dataflow.arguments import Arguments
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.repository import ClassInfo, ClassToken, Instance, ModuleToken, SuperToken
from drivetrain.mining.dataflow.values import CONTENT, EMPTY, Holder, Library, Mixed, ModelToken, Output, Token, Value
from drivetrain.mining.knowledge import words

# Attributes of an array or a result that say nothing of what the model saw.
_SHAPES = frozenset({"shape", "dtype", "device", "ndim", "itemsize", "nbytes", "__class__", "__name__", "__doc__"})


def read(owner: Value, name: str, node: ast.AST, frame: Frame) -> Value:
    """The value of an attribute of everything the owner may be."""
    if not owner:
        return EMPTY
    found: set[Token] = set()
    for token in owner:
        kind = token.__class__
        if kind is Output or kind is Mixed:
            if name not in _SHAPES:
                found.add(token)
        elif kind is Library:
            found.add(frame.machine.library(f"{token.name}.{name}"))  # type: ignore[attr-defined]
        elif kind is Instance:
            found |= _of_instance(token, name, node, frame)  # type: ignore[arg-type]
        elif kind is ModuleToken:
            found |= imports.member(token.module, name, frame)  # type: ignore[attr-defined]
        elif kind is ModelToken:
            found |= _of_model(token, name, frame)  # type: ignore[arg-type]
        elif kind is ClassToken:
            found |= _of_class(token.info, token, name, frame)  # type: ignore[attr-defined]
        elif isinstance(token, Holder):
            found |= _of_holder(token, name, frame)
        elif kind is SuperToken:
            found |= _of_super(token, name, frame)  # type: ignore[arg-type]
        else:
            found.add(frame.machine.method(token, name))
    return frozenset(found)


def _of_instance(token: Instance, name: str, node: ast.AST, frame: Frame) -> Value:
    held = token.fields.get(name)
    method = token.info.find(name)
    if method is not None:
        function, decorated = method
        if decorated == "property":
            answer = frame.call(function, Arguments([frozenset((token,))]), node)
            return answer | (held or EMPTY)
        if decorated == "staticmethod":
            return frozenset((function,))
        if decorated == "classmethod":
            return frozenset(
                (frame.machine.bound(function, (frozenset((frame.machine.named(ClassToken, token.info),)),)),)
            )
        return frozenset((frame.machine.bound(function, (frozenset((token,)),)),)) | (held or EMPTY)
    if held is not None:
        return held | _attribute(token.info, name)
    found = _attribute(token.info, name)
    if found:
        return found
    if token.info.outside() or token.fields.get(CONTENT):
        return frozenset((frame.machine.method(token, name),))
    return EMPTY


def _attribute(info: ClassInfo, name: str) -> Value:
    for one in info.ancestors():
        if name in one.attributes:
            return one.attributes[name]
    return EMPTY


def _of_class(info: ClassInfo, token: Token, name: str, frame: Frame) -> Value:
    method = info.find(name)
    if method is not None:
        function, decorated = method
        if decorated == "classmethod":
            return frozenset((frame.machine.bound(function, (frozenset((token,)),)),))
        return frozenset((function,))
    found = _attribute(info, name)
    if found:
        return found
    return frozenset((frame.machine.method(token, name),))


def _of_super(token: SuperToken, name: str, frame: Frame) -> Value:
    for one in token.info.ancestors()[1:]:
        if name in one.methods:
            return frozenset((frame.machine.bound(one.methods[name], (token.me,)),))
    found: Value = EMPTY
    for me in token.me:
        if isinstance(me, Holder):
            found |= me.fields.get(name, EMPTY)
    return found


def _of_model(token: ModelToken, name: str, frame: Frame) -> Value:
    known = words()
    if name in known.attributes:
        return EMPTY
    if name in known.parts:
        return frozenset((token,))
    if name in ("output", "outputs", "last_hidden_state", "logits"):
        return frozenset((frame.machine.output(token, token.place),))
    return frozenset((frame.machine.method(token, name),))


def _of_holder(token: Holder, name: str, frame: Frame) -> Value:
    held = token.fields.get(name)
    method = frozenset((frame.machine.method(token, name),))
    if held is not None and token.kind != "dict":
        return held | method
    return method


def settle(value: Value) -> Value:
    """Attributes of models and library objects that are not called: what they are part of, or what is in them."""
    return value
