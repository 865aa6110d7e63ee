"""A PyTorch module as a component; its weights stay the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from drivetrain.graph.component import Component, FromTruth, check_arity
from drivetrain.graph.signature import Signature


class TorchComponent(Component):
    """Runs a ``torch.nn.Module``; training trains the module that the user handed over."""

    def __init__(
        self,
        name: str,
        module: nn.Module,
        signature: Signature,
        from_truth: FromTruth | Mapping[str, FromTruth] | None = None,
    ) -> None:
        super().__init__(name, signature, from_truth)
        if callable(check := getattr(module, "check_signature", None)):  # it knows better than its Python signature
            check(name, signature)
        else:
            check_arity(name, module.forward, signature)
        self.module = module

    @property
    def thing(self) -> nn.Module:
        """The user's module."""
        return self.module

    @property
    def runs(self) -> Callable[..., Any]:
        """The module itself, so that a running system spends nothing on this wrapper."""
        return self.module

    def forward(self, *values: Any, **constants: Any) -> Any:
        """Run the module."""
        return self.module(*values, **constants)
