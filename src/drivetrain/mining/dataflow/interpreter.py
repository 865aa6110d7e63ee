"""Analyse a repository: every module from the top, then every function that nobody called, until nothing is new."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable

from drivetrain.mining.dataflow import calls, classes, expressions, imports, statements
from drivetrain.mining.dataflow.arguments import Arguments
from drivetrain.mining.dataflow.machine import Frame, Machine
from drivetrain.mining.dataflow.program import Program
from drivetrain.mining.dataflow.repository import Function, Module
from drivetrain.mining.dataflow.values import Value
from drivetrain.mining.findings import Source
from drivetrain.mining.limit import OutOfTime, stopped_at

MOST_ROUNDS = 3


class Rules:
    """What the rules ask of each other, answered by the rooms that know it."""

    evaluate = staticmethod(expressions.evaluate)
    call = staticmethod(calls.call)
    run = staticmethod(statements.run_block)


def analyse(sources: Iterable[Source], seconds: float = 60.0) -> tuple[Machine, bool]:
    """The machine after it has seen everything, and whether it got through in time."""
    program = Program(sources)
    machine = Machine(program, Rules(), seconds)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 12_000))
    try:
        with stopped_at(machine.deadline):
            _rounds(machine, [module for module in program.modules.values() if module.source is not None])
    except OutOfTime:
        return machine, False
    finally:
        sys.setrecursionlimit(limit)
    return machine, True


def _rounds(machine: Machine, modules: list[Module]) -> None:
    for turn in range(1, MOST_ROUNDS + 1):
        machine.round, machine.changed = turn, False
        machine.called.clear()
        for module in modules:
            _guarded(module, machine)
        _uncalled(machine)
        if not machine.changed:
            break


def _guarded(module: Module, machine: Machine) -> None:
    try:
        imports.run_module(module, machine)
    except RecursionError:
        return


def _uncalled(machine: Machine) -> None:
    """Functions that somebody outside the repository calls: handlers, callbacks, what users import."""
    for node, function in list(machine.functions.items()):
        if node not in machine.called and function.owner is None and not isinstance(node, ast.Lambda):
            _call(function, [], machine)
    for info in list(machine.classes.values()):
        if info.library() and info.library() != "lightning":
            continue
        methods = [method for method in info.methods.values() if method.node not in machine.called]
        if not methods:
            continue
        frame = Frame(machine, info.module, info.module.fields)
        mine = classes.instances_of(info, frame)
        if not mine:
            machine.entry = _path(info.module)
            try:
                classes.instantiate(info, Arguments([]), info.node, frame)
            except RecursionError:
                continue
            mine = classes.instances_of(info, frame)
        me: Value = frozenset(mine)
        for name, method in info.methods.items():
            if method.node in machine.called and name != "__init__":
                continue
            given = [] if info.properties.get(name) == "staticmethod" else [me]
            if given and not me:
                continue
            for one in mine[:3] if given else [None]:
                _call(method, [frozenset((one,))] if one is not None else [], machine)


def _call(function: Function, given: list[Value], machine: Machine) -> None:
    frame = Frame(machine, function.module, {})
    machine.entry = _path(function.module)
    try:
        calls.call_function(function, Arguments(given), function.node, frame)
    except RecursionError:
        return


def _path(module: Module) -> str:
    return module.source.path if module.source is not None else "/".join(module.parts)
