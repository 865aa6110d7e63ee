"""Ordinary Python code as a component."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from drivetrain.graph.by_value import packed, unpacked
from drivetrain.graph.component import Component, FromTruth, check_arity
from drivetrain.graph.signature import Signature


class FunctionComponent(Component):
    """Runs a function, or any object that can be called; it has no weights."""

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        signature: Signature,
        from_truth: FromTruth | Mapping[str, FromTruth] | None = None,
    ) -> None:
        super().__init__(name, signature, from_truth)
        check_arity(name, function, signature)
        self.function = function

    @property
    def thing(self) -> Callable[..., Any]:
        """The user's function."""
        return self.function

    @property
    def runs(self) -> Callable[..., Any]:
        """The function itself."""
        return self.function

    def forward(self, *values: Any, **constants: Any) -> Any:
        """Run the function."""
        return self.function(*values, **constants)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "function": packed(self.function)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "function": unpacked(state["function"])})
