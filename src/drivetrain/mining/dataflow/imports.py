"""What an import binds: a module of the repository, which is run first, or a name of a library."""

from __future__ import annotations

import ast

from drivetrain.mining.dataflow.machine import Frame, Machine
from drivetrain.mining.dataflow.repository import Module, ModuleToken
from drivetrain.mining.dataflow.values import EMPTY, Value


def run_module(module: Module, machine: Machine) -> None:
    """Walk the top level of a module once a round."""
    if module.source is None or module.state == machine.round:
        return
    module.state = machine.round
    frame = Frame(machine, module, module.fields)
    entry, machine.entry = machine.entry, module.source.path
    frame.run(_hoisted(module.source.tree))
    machine.entry = entry


def _hoisted(tree: ast.Module) -> list[ast.stmt]:
    """Functions and classes also stand first, so that modules that import each other find them."""
    early = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [*early, *tree.body]


def bind(alias: ast.alias, frame: Frame) -> None:
    """``import a.b`` binds a; ``import a.b as c`` binds b."""
    machine = frame.machine
    module = machine.program.resolve(alias.name, 0, frame.module)
    top = alias.name.split(".", 1)[0]
    if module is not None:
        _run_all(alias.name, frame)
        run_module(module, machine)
    if alias.asname:
        frame.names[alias.asname] = frozenset(
            (machine.module(module) if module is not None else machine.library(alias.name),)
        )
        return
    first = machine.program.resolve(top, 0, frame.module) if module is not None and top != alias.name else module
    frame.names[top] = frozenset((machine.module(first) if first is not None else machine.library(top),))


def _run_all(dotted: str, frame: Frame) -> None:
    parts = dotted.split(".")
    for end in range(1, len(parts)):
        module = frame.machine.program.resolve(".".join(parts[:end]), 0, frame.module)
        if module is not None:
            run_module(module, frame.machine)


def bind_from(node: ast.ImportFrom, frame: Frame) -> None:
    """``from a import b``: a global of a, or a module inside it."""
    machine = frame.machine
    module = machine.program.resolve(node.module or "", node.level, frame.module)
    if module is None:
        if not node.level:
            for alias in node.names:
                if alias.name != "*":
                    name = machine.library(f"{node.module}.{alias.name}")
                    frame.names[alias.asname or alias.name] = frozenset((name,))
        return
    run_module(module, machine)
    for alias in node.names:
        if alias.name == "*":
            for known, value in list(module.fields.items()):
                if not known.startswith("_"):
                    frame.names[known] = value
            continue
        frame.names[alias.asname or alias.name] = member(module, alias.name, frame)


def member(module: Module, name: str, frame: Frame) -> Value:
    """A name of a module: what it defines, or the module below it."""
    found = module.fields.get(name)
    if found is not None:
        return found
    below = frame.machine.program.child(module, name)
    if below is not None:
        run_module(below, frame.machine)
        return frozenset((frame.machine.module(below),))
    if module.source is not None and module.state == frame.machine.round:
        return frozenset((frame.machine.lazy(module, name),))
    return EMPTY


def is_module(token: object) -> bool:
    """Whether a token is a module of the repository."""
    return token.__class__ is ModuleToken
