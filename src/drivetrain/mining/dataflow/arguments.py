"""The arguments of a call, and the name by which it stands in the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from drivetrain.mining.dataflow.values import EMPTY, Text, Value


class Arguments:
    """The values of a call: by position, by keyword, and what was spread with ``*`` and ``**``."""

    __slots__ = ("_values", "keywords", "positional", "spread")

    def __init__(
        self, positional: list[Value], keywords: dict[str, Value] | None = None, spread: Value = EMPTY
    ) -> None:
        self.positional = positional
        self.keywords = keywords or {}
        self.spread = spread
        self._values: list[Value] | None = None

    def everything(self) -> list[Value]:
        """All values that hold anything."""
        if self._values is None:
            self._values = [value for value in (*self.positional, *self.keywords.values(), self.spread) if value]
        return self._values

    def words(self) -> Iterator[str]:
        """All strings among the values."""
        for value in self.everything():
            for token in value:
                if token.__class__ is Text:
                    yield token.text  # type: ignore[attr-defined]


def written_name(node: ast.AST) -> str:
    """The last part of the name by which something is called, as it stands in the code."""
    called = getattr(node, "func", None)
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
