"""Calls of libraries: what the data says of them, and of unknown ones that they pass on what they are given."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from drivetrain.mining import knowledge
from drivetrain.mining.dataflow import binding, classes, commands, graphs, handover, learning, using
from drivetrain.mining.dataflow.callbacks import callbacks
from drivetrain.mining.dataflow.contents import models, outputs, reach
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.merging import combine, is_reporting
from drivetrain.mining.dataflow.repository import ClassToken, Function
from drivetrain.mining.dataflow.values import (
    CONTENT,
    EMPTY,
    Bound,
    Holder,
    ModelToken,
    Output,
    Text,
    Value,
    Weights,
)
from drivetrain.mining.findings import MEMORY

if TYPE_CHECKING:
    from drivetrain.mining.dataflow.arguments import Arguments


def call(name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """Call something that a library defines."""
    role = knowledge.role(name)
    if role is None:
        started = commands.call(arguments, node, frame) if name in knowledge.handover()["starting"] else None
        if started is not None:
            return started
        if knowledge.guess(name) and not _given(arguments):
            return _make(name, knowledge.Role(knowledge.LOADS), arguments, node, frame, certain=0.6)
        return unknown(name.rsplit(".", 1)[-1], arguments, node, frame, name)
    kind = role.kind
    if kind in (knowledge.LOADS, knowledge.BUILDS, knowledge.MAYBE):
        return _make(name, role, arguments, node, frame, certain=0.4 if kind == knowledge.MAYBE else 1.0)
    if kind == knowledge.FUNCTION:
        return _function_model(name, role, arguments, node, frame)
    if kind == knowledge.TRAINS:
        made = _make(name, role, arguments, node, frame, certain=1.0)
        for token in made:
            if token.__class__ is ModelToken:
                learning.fit(token, "fit", arguments, node, frame)  # type: ignore[arg-type]
        return made
    if kind == knowledge.WRAPPING:
        inner = _given(arguments)
        return frozenset(inner) if inner else unknown(name.rsplit(".", 1)[-1], arguments, node, frame, name)
    if kind == knowledge.ENSEMBLE:
        return _ensemble(name, role, arguments, node, frame)
    if kind in (knowledge.OPTIMISER, knowledge.TRAINER):
        return _driver(kind, arguments, node, frame)
    if kind in (knowledge.GRAPH, knowledge.SESSION):
        return graphs.call(kind, name, arguments, node, frame)
    return unknown(name.rsplit(".", 1)[-1], arguments, node, frame, name)


def made_by(holder: Holder, name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value | None:
    """The model that a method of a library's object loads, ``core.compile_model(path)``; None if it loads none."""
    whole = f"{holder.kind}.{name}"
    role = knowledge.role(whole)
    if role is None or role.kind not in (knowledge.LOADS, knowledge.BUILDS):
        return None
    return _make(whole, role, arguments, node, frame, certain=1.0)


def _given(arguments: Arguments) -> list[ModelToken]:
    values = arguments.everything()
    found = models(frozenset().union(*values), 3) if values else []
    return [model for model in found if model.certain >= using.SURE]


_JOINED = frozenset({"keras", "transformers", "sklearn", "torch", "tensorflow", "language_models", "fastai"})


def _make(name: str, role: knowledge.Role, arguments: Arguments, node: ast.AST, frame: Frame, certain: float) -> Value:
    """A model made by a library; one made of models that exist already is those."""
    name = knowledge.canonical(name)
    given = _given(arguments)
    if not given and role.library == "keras" and name.endswith(".Model"):
        given = [
            output.model
            for output in outputs(frozenset().union(*arguments.everything()))
            if isinstance(output, Output) and output.medium == MEMORY and output.model.library == "keras"
        ]
    if given and role.library in _JOINED:
        for one in given:
            one.also[frame.place(node)] = None
        return frozenset(given)
    if frame.owner is not None and frame.owner.library() not in ("", "lightning") and role.kind != knowledge.MAYBE:
        return EMPTY  # a part of a model that the repository defines
    model = frame.machine.model(frame.place(node), name, node, frame)
    model.library = role.library or name.split(".", 1)[0]
    model.certain = certain
    model.loaded = role.kind in (knowledge.LOADS, knowledge.MAYBE)
    for text in arguments.words():
        model.weights = model.weights or text
    return frozenset((model,))


def _function_model(name: str, role: knowledge.Role, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    model = frame.machine.named_model(knowledge.canonical(name), frame.place(node))
    model.library, model.loaded = role.library, True
    return using.invoke(model, arguments.everything(), node, frame)


def _ensemble(name: str, role: knowledge.Role, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    given = _given(arguments)
    if len(given) < 2:
        return _make(name, role, arguments, node, frame, certain=1.0) if not given else frozenset(given)
    place = frame.place(node)
    frame.machine.facts.meet({frame.machine.output(model, place) for model in given}, place, "vote", 1.0)
    return frozenset(given)


def _driver(kind: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    holder = frame.machine.holder(kind, node, frame)
    kept = frozenset().union(*arguments.everything())
    frame.machine.add(holder, CONTENT, kept)
    return frozenset((holder,))


def unknown(name: str, arguments: Arguments, node: ast.AST, frame: Frame, full: str = "") -> Value:
    """A call of which nothing is known answers what it was given, made into one value."""
    values = arguments.everything()
    if name in knowledge.words().silent:
        return EMPTY
    if name in knowledge.words().drawing:
        return frozenset(outputs(arguments.positional[0])) if arguments.positional else EMPTY
    if name in knowledge.words().first_argument and arguments.positional:
        return arguments.positional[0]
    if name in ("grad", "gradient"):
        learning.backward(
            next(iter((*arguments.positional, *arguments.keywords.values(), arguments.spread))), node, frame
        )
        return frozenset(t for value in values for t in reach(value, 3) if t.__class__ is Weights)
    given = _given(arguments)
    if given:
        return _with_models(name, given, arguments, node, frame)
    met = EMPTY
    if values:
        met = combine(frame, values, node, name, reporting=_is_class(name), confidence=0.6)
        met |= callbacks(arguments, met, node, frame)
        met |= handover.outside_call(name, arguments, node, frame)
        if name in knowledge.words().paths:
            met |= frozenset([token for value in values for token in value if token.__class__ is Text][:6])
    if name in knowledge.words().allocating or _is_class(name):
        holder = frame.machine.holder(full or name, node, frame)
        frame.machine.add(holder, CONTENT, met | _kept(values))
        return frozenset((holder,))
    return met


def filled(method: ast.Attribute, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """Weights are loaded into a thing of unknown making: it is a model, unless somebody else hands it in."""
    owner = method.value
    known = not _made_here(owner, frame) or frame.evaluate(owner)
    if known or _NO_MODEL.search(ast.unparse(owner)):
        return unknown(method.attr, arguments, node, frame)
    given = models(frozenset().union(*arguments.everything()), 2)
    for model in given:
        model.certain, model.loaded = 1.0, True
    library = FILLING[method.attr]
    role = knowledge.Role(knowledge.LOADS, library)
    made: Value = frozenset(given) or _make(f"{library}.{method.attr}", role, arguments, node, frame, certain=1.0)
    binding.assign(owner, made, frame)
    return made


def _made_here(owner: ast.expr, frame: Frame) -> bool:
    """A variable that this code has given a value, or an attribute of the object that it is a method of."""
    if isinstance(owner, ast.Name):
        return owner.id in frame.names and owner.id not in frame.parameters
    return isinstance(owner, ast.Attribute) and isinstance(owner.value, ast.Name) and owner.value.id == "self"


FILLING = {"load_state_dict": "torch", "load_weights": "keras"}
_NO_MODEL = re.compile(r"\bself$|optim|sched|scaler|ema|sampler|loader|state|criterion|loss", re.IGNORECASE)


def foreign(name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """A function of a library in C, asked through ``ctypes``: it loads a model, or runs the one that it is given."""
    given = _given(arguments)
    if not given:
        if knowledge.loads_by_name(name):
            return _make(f"ctypes.{name}", knowledge.Role(knowledge.LOADS), arguments, node, frame, certain=0.9)
        return combine(frame, arguments.everything(), node, name, reporting=True)
    if is_reporting(name) or name.startswith(("free", "set", "reset")):
        return EMPTY
    rest = [value for value in arguments.everything() if not any(token in given for token in value)]
    found: Value = EMPTY
    for model in given[:4]:
        found |= using.invoke(model, rest, node, frame)
    return found


def _kept(values: list[Value]) -> Value:
    return frozenset(
        token for value in values for token in value if token.__class__ in (Weights, Function, Bound, Text)
    )


def _is_class(name: str) -> bool:
    return name[:1].isupper() and not name.isupper()


def _with_models(name: str, given: list[ModelToken], arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """A model handed to unknown code: wrapped if that only sounds like dressing it, else run on the other arguments."""
    if is_reporting(name) or name in knowledge.words().silent:
        return EMPTY
    if _is_class(name) or knowledge.words().dressing.match(name):
        return frozenset(given)
    rest = [value for value in arguments.everything() if not any(token in given for token in value)]
    whole = len(arguments.positional) + len(arguments.keywords)
    if whole <= 1:
        return frozenset(given)
    found: Value = EMPTY
    for model in given[:4]:
        found |= using.invoke(model, rest, node, frame)
    return found


def class_method(receiver: ClassToken, name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """A method that a class of the repository inherits from a library."""
    if name.startswith(("from_", "load", "restore", "build", "create")) and receiver.info.library():
        made = classes.instantiate(receiver.info, arguments, node, frame)
        for token in made:
            if token.__class__ is ModelToken:
                token.loaded = True  # type: ignore[attr-defined]
        return made
    return EMPTY
