"""TensorFlow's graphs and sessions: a graph is loaded into a session's surroundings, and the session runs it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from drivetrain.mining import knowledge
from drivetrain.mining.dataflow.contents import models
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.values import CONTENT, Holder, ModelToken, Value

if TYPE_CHECKING:
    from drivetrain.mining.dataflow.arguments import Arguments


def call(kind: str, name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """``tf.import_graph_def`` puts a model where the sessions of the same class or file find it."""
    where = _surroundings(frame)
    machine = frame.machine
    if kind == knowledge.GRAPH:
        model = machine.model(frame.place(node), name, node, frame)
        model.library, model.loaded = "tensorflow", True
        for text in arguments.words():
            model.weights = model.weights or text
        for holder in frame.graph:
            if isinstance(holder, Holder):
                machine.add(holder, CONTENT, frozenset((model,)))
        for session in machine.sessions.get(where, ()):
            if session.part_of is None:
                session.part_of = model
        if model not in machine.graphs.setdefault(where, {}):
            machine.graphs[where][model] = None
            machine.changed = True
        return frozenset((model,))
    given = models(frozenset().union(frame.graph, *arguments.everything()), 2)
    if given:
        return frozenset(given)
    kept = _graphs(frame)
    if kept:
        return frozenset(kept)
    model = machine.model(frame.place(node), name, node, frame)
    model.library, model.certain = "tensorflow", 0.55
    machine.sessions.setdefault(where, {})[model] = None
    return frozenset((model,))


def _surroundings(frame: Frame) -> object:
    if frame.me:
        return frame.me
    return frame.module


def _graphs(frame: Frame) -> list[ModelToken]:
    return list(frame.machine.graphs.get(_surroundings(frame), ()))
