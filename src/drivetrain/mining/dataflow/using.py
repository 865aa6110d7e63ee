"""What calling a model or one of its methods does: it runs, it learns, or it only changes its dress."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from drivetrain.mining.dataflow import handover, learning
from drivetrain.mining.dataflow.contents import models, outputs
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.merging import combine
from drivetrain.mining.dataflow.values import EMPTY, ModelToken, Value, Weights
from drivetrain.mining.findings import FEEDS
from drivetrain.mining.knowledge import words

if TYPE_CHECKING:
    from drivetrain.mining.dataflow.arguments import Arguments

_LOADING = frozenset({"load_state_dict", "load_weights", "load_model", "restore", "load_checkpoint", "init_weights"})
SURE = 0.5  # what is surer is a model; what is less sure becomes one by being run
_CONTAINING = frozenset({"add", "append", "add_module", "register_module", "add_pipe"})


def run(model: ModelToken, name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """Call ``model`` (no name) or ``model.name``."""
    known = words()
    me: Value = frozenset((model,))
    if model.certain < SURE and model.part_of is None:
        if name and name not in known.running:
            return me if name in known.same else _passed(name, arguments, node, frame)
        model.certain = SURE  # only a model is called like this
    if name in known.fits and (name not in known.same or _teaches(arguments, node)):
        return learning.fit(model, name, arguments, node, frame) | me
    if name == "compile":
        learning.compiled(model, arguments, node, frame)
    if name in known.same:
        return me
    if name in known.weights:
        return frozenset((frame.machine.named(Weights, model),))
    if name in _LOADING or (name == "load" and not model.loaded):
        _load(model, arguments, node, frame)
        return me
    if name in known.nothing or (name.startswith(("save", "set_", "__")) and name != "set_tensor"):
        return EMPTY
    if name in known.attributes:
        return EMPTY
    if name in _CONTAINING:
        for part in models(frozenset().union(*arguments.everything()), 1):
            take_part(part, model)
        return me
    result = invoke(model, arguments.everything(), node, frame)
    for key, value in arguments.keywords.items():
        if key in known.finishing:  # synthesise(text, vocoder=other)
            for other in models(value, 1):
                result = invoke(other, [result], node, frame) if other is not model else result
    handover.written_by(name, arguments, result, frame)
    return result


def _passed(name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """A method of something that may or may not be a model: what it is given goes through."""
    plain = [frozenset(t for t in value if t.__class__ is not ModelToken) for value in arguments.everything()]
    return combine(frame, plain, node, name, reporting=True)


def _teaches(arguments: Arguments, node: ast.AST) -> bool:
    """``model.train()`` and ``model.train(False)`` only switch a mode."""
    given = getattr(node, "args", ()) or ()
    if getattr(node, "keywords", ()):
        return any(keyword.arg not in ("mode",) for keyword in node.keywords)  # type: ignore[attr-defined]
    return any(not isinstance(one, ast.Constant) for one in given) and any(arguments.positional)


def take_part(part: ModelToken, whole: ModelToken) -> None:
    """One model is a part of another."""
    if part is not whole and whole.part_of is not part:
        part.part_of = whole


def _load(model: ModelToken, arguments: Arguments, node: ast.AST, frame: Frame) -> None:
    model.loaded = True
    model.also[frame.place(node)] = None
    for part in models(frozenset().union(*arguments.everything()), 2):
        if part.certain < 0.5:
            take_part(part, model)
            model.also[part.place] = None
            model.weights = model.weights or part.weights
    for text in arguments.words():
        model.weights = model.weights or text


def invoke(model: ModelToken, values: list[Value], node: ast.AST, frame: Frame) -> Value:
    """A model takes in some values and puts out another."""
    place = frame.place(node)
    tokens = set()
    for value in values:
        if value:
            tokens |= outputs(value)
            tokens |= handover.read_from(value, frame)
    facts = frame.machine.facts
    facts.touch(model, frame.machine.entry)
    model.uses[place] = None
    facts.flow(tokens, model, FEEDS, place)
    frame.invoked.add(model)
    controlled(model, node, frame)
    return frozenset((frame.machine.output(model, place),))


def controlled(model: ModelToken, node: ast.AST, frame: Frame) -> None:
    """What decides whether the present line is reached decides whether the model runs."""
    if frame.control:
        frame.machine.facts.control(frame.control, model, frame.place(node), sure=True)


__all__ = ["controlled", "invoke", "run", "take_part"]
