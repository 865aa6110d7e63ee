"""Switches of a function that stand in its code: what they switch off is never walked."""

from __future__ import annotations

import ast

from drivetrain.mining.trees import walk


def constants(function: ast.AST) -> dict[str, bool]:
    """The variables that are set once, to True or False, and never again."""
    stored: dict[str, int] = {}
    found: dict[str, bool] = {}
    for node in walk(function):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            stored[node.id] = stored.get(node.id, 0) + 1
        elif (
            isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value in (True, False)
        ):
            for target in node.targets:
                if isinstance(target, ast.Name) and isinstance(node.value.value, bool):
                    found[target.id] = node.value.value
        elif isinstance(node, ast.arg):
            stored[node.arg] = stored.get(node.arg, 0) + 1
        elif isinstance(node, ast.Global | ast.Nonlocal):
            for name in node.names:
                stored[name] = 2
    return {name: value for name, value in found.items() if stored[name] == 1}
