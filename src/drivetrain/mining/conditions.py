"""What a branch asks before a model runs: what another model said, or only whether there is anything to run it on."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from drivetrain.mining.findings import Edge, Place, Source
from drivetrain.mining.trees import walk
from drivetrain.mining.words import listed, words


def by_verdict(edge: Edge, sources: Mapping[str, Source]) -> bool:
    """Whether a model runs because of a label, class or language that another one gave.

    ``if language in supported:`` and ``if names[cls] == "light":`` ask for that; ``if faces:``, ``len(boxes) > 0`` and
    a loop over detections do not, nor does the comparison of a setting. A condition is looked for around the place
    where the target takes its input, and in the texts that the edge brings with it.
    """
    tests = [ast.parse(text, mode="eval").body for text in edge.through if _is_expression(text)]
    place = edge.at_target
    if place is not None and place.file in sources:
        tests += _around(sources[place.file], place)
    return any(_asks_for_verdict(test) for test in tests)


def _is_expression(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError):
        return False
    return True


def _around(source: Source, place: Place) -> Iterator[ast.expr]:
    """The tests of the branches that a place stands in."""
    line = place.line if place.cell is None else source.cells[place.cell - 1] + place.line - 1
    blocks: list[list[ast.stmt]] = [source.tree.body]
    while blocks:
        for statement in blocks.pop():
            if statement.lineno <= line <= (statement.end_lineno or statement.lineno):
                if isinstance(statement, ast.If) and line > (statement.test.end_lineno or statement.lineno):
                    yield statement.test
                blocks += [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
                blocks += [handler.body for handler in getattr(statement, "handlers", [])]
                blocks += [case.body for case in getattr(statement, "cases", [])]


def _asks_for_verdict(test: ast.expr) -> bool:
    for node in walk(test):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.In | ast.NotIn):
            asked = words(ast.unparse(node))
            if asked & listed("verdict") and not asked & listed("setting"):
                return True
    return False
