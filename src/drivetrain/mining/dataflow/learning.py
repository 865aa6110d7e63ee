"""Where weights change: a model fits itself, an optimiser steps after a loss, a trainer runs."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from drivetrain.mining.dataflow import handover
from drivetrain.mining.dataflow.arguments import Arguments
from drivetrain.mining.dataflow.contents import members, models, outputs, reach
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.repository import Function
from drivetrain.mining.dataflow.values import CONTENT, EMPTY, Bound, Holder, ModelToken, Value, Weights
from drivetrain.mining.findings import SUPERVISES, TRAINS_ON

if TYPE_CHECKING:
    from drivetrain.mining.dataflow.arguments import Arguments

STEPS = frozenset({"step", "apply_gradients", "minimize", "update", "apply"})
TRAINER_STARTS = frozenset({"train", "fit", "fit_one_cycle", "fine_tune", "run", "train_step", "fit_generator"})


def fit(model: ModelToken, name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """A model learns from the values of a call."""
    place = frame.place(node)
    facts = frame.machine.facts
    change = facts.change(place, "fit")
    model.fitted[place] = None
    for one in [model, *parts_of(model, frame)]:
        change.models[one] = None
    tokens = set()
    for value in arguments.everything():
        tokens |= outputs(value) | handover.read_from(value, frame)
    facts.flow(tokens, model, TRAINS_ON, place)
    for output in members(tokens):
        if output.model is not model:
            change.data_from[output.model] = None
    facts.touch(model, frame.machine.entry)
    if name in ("fit_predict", "fit_transform", "train_on_batch"):
        frame.invoked.add(model)
        return frozenset((frame.machine.output(model, place),))
    return EMPTY


def compiled(model: ModelToken, arguments: Arguments, node: ast.AST, frame: Frame) -> None:
    """``model.compile(loss=function)``: what other models put out in that function stands in the loss."""
    output: Value = frozenset((frame.machine.output(model, frame.place(node)),))
    facts = frame.machine.facts
    before = set(facts.meetings)
    for token in arguments.keywords.get("loss", EMPTY):
        if token.__class__ in (Function, Bound):
            answer = frame.call(token, Arguments([EMPTY, output]), node)
            for other in members(outputs(answer)):
                facts.edge(other, model, SUPERVISES, frame.place(node))
    for place in facts.meetings.keys() - before:  # a loss compares; it joins nothing
        del facts.meetings[place]


def parts_of(model: ModelToken, frame: Frame) -> list[ModelToken]:
    """Models that were made into this one."""
    return []


def backward(value: Value, node: ast.AST, frame: Frame) -> None:
    """``loss.backward()``: the loss ran through these models."""
    frame.machine.loss_through = {output.model: None for output in members(outputs(value))}


def step(holder: Holder, name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """An optimiser changes the weights it was given, by the last loss."""
    place = frame.place(node)
    facts = frame.machine.facts
    given = frozenset().union(holder.fields.get(CONTENT, EMPTY), *arguments.everything())
    learners = {token.model: None for token in reach(given, 4) if token.__class__ is Weights}  # type: ignore[attr-defined]
    loss = {output.model: None for output in members(outputs(given))} or dict(frame.machine.loss_through)
    change = facts.change(place, "step")
    for model in learners:
        change.models[model] = None
        model.fitted[place] = None
        facts.touch(model, frame.machine.entry)
        for other in loss:
            if other not in learners:
                facts.edge(frame.machine.output(other, place), model, SUPERVISES, place)
    for other in loss:
        if other not in learners:
            change.through[other] = None
    change.drivers.add(holder)
    return EMPTY


def start_trainer(holder: Holder, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """A trainer that owns the loop is started."""
    place = frame.place(node)
    change = frame.machine.facts.change(place, "trainer")
    given = frozenset().union(holder.fields.get(CONTENT, EMPTY), *arguments.everything())
    for model in models(given, 3):
        change.models[model] = None
        model.fitted[place] = None
        frame.machine.facts.touch(model, frame.machine.entry)
        tokens = outputs(given)
        frame.machine.facts.flow(tokens, model, TRAINS_ON, place)
        for output in members(tokens):
            change.data_from[output.model] = None
    return frozenset((holder,))
