"""Running statistics, such as those of batch norm, put back where an iteration is refused after they have moved."""

from __future__ import annotations

import operator
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from drivetrain.components.foreign import ForeignModule

SMALL = 1 << 16
"""Numbers up to which a buffer is copied in every iteration; larger ones, such as position encodings, when they move.

Torch counts what is written into a tensor, but not what its batch norms write into theirs, which are small.
"""


class Statistics:
    """The buffers of some modules, kept before each iteration."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        listed = list(modules)
        self._foreign = [module for module in listed if isinstance(module, ForeignModule)]
        self._places = [(module, name) for module in listed for name, _ in module.named_buffers(recurse=False)]
        self._own: list[Tensor] = []
        self._copies: list[Tensor] = []
        self._small: tuple[list[Tensor], list[Tensor]] = ([], [])
        self._large: list[int] = []
        self._versions: dict[int, int] = {}

    def keep(self) -> None:
        """Remember them as they are now."""
        for bridge in self._foreign:
            bridge.read_statistics()
        own: list[Tensor] = [module._buffers[name] for module, name in self._places]  # type: ignore[misc]
        if len(own) != len(self._own) or any(map(operator.is_not, own, self._own)):
            self._begin(own)  # a module may put new ones there
        copies, small = self._small
        if small:
            torch._foreach_copy_(copies, small)
        for place in self._large:
            if own[place]._version != self._versions.get(place):
                self._copies[place].copy_(own[place])
                self._versions[place] = own[place]._version

    def put_back(self) -> None:
        """Make them what they were."""
        for (module, name), own, copy in zip(self._places, self._own, self._copies, strict=True):
            own.copy_(copy)
            module._buffers[name] = own

    def _begin(self, own: list[Tensor]) -> None:
        self._own, self._copies = own, [torch.empty_like(each) for each in own]
        self._large = [place for place, each in enumerate(own) if each.numel() > SMALL]
        pairs = [(copy, each) for copy, each in zip(self._copies, own, strict=True) if each.numel() <= SMALL]
        self._small = [copy for copy, _ in pairs], [each for _, each in pairs]
        self._versions = {}
