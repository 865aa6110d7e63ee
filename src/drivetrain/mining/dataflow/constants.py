"""Switches of a function that stand in its code: what they switch off is never walked."""

from __future__ import annotations

import ast

from drivetrain.mining.trees import statements, walk


def constants(function: ast.AST) -> dict[str, bool]:
    """The variables that are set once, to True or False, and never again."""
    found: dict[str, bool] = {}
    for node in statements(function):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            value = node.value.value
            if isinstance(value, bool):
                found.update((target.id, value) for target in node.targets if isinstance(target, ast.Name))
    stored = _stored(function) if found else {}
    return {name: value for name, value in found.items() if stored[name] == 1}


def _stored(function: ast.AST) -> dict[str, int]:
    """How often each variable is given a value; one of another scope counts twice."""
    stored: dict[str, int] = {}
    for node in walk(function):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            stored[node.id] = stored.get(node.id, 0) + 1
        elif isinstance(node, ast.arg):
            stored[node.arg] = stored.get(node.arg, 0) + 1
        elif isinstance(node, ast.Global | ast.Nonlocal):
            for name in node.names:
                stored[name] = 2
    return stored
