"""Running statistics, such as those of batch norm, put back where an iteration is refused after they have moved."""

from __future__ import annotations

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
        self._versions: list[int] = []

    def keep(self) -> None:
        """Remember them as they are now."""
        for bridge in self._foreign:
            bridge.read_statistics()
        own: list[Tensor] = [module._buffers[name] for module, name in self._places]  # type: ignore[misc]
        if len(own) != len(self._own) or any(now is not before for now, before in zip(own, self._own, strict=True)):
            self._own, self._copies = own, [torch.empty_like(each) for each in own]  # a module may put new ones there
            self._versions = [-1] * len(own)
        moving = [
            place for place, each in enumerate(own) if each.numel() <= SMALL or each._version != self._versions[place]
        ]
        if moving:
            torch._foreach_copy_([self._copies[place] for place in moving], [own[place] for place in moving])
        self._versions = [each._version for each in own]

    def put_back(self) -> None:
        """Make them what they were."""
        for (module, name), own, copy in zip(self._places, self._own, self._copies, strict=True):
            own.copy_(copy)
            module._buffers[name] = own
