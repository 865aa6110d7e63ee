"""What an estimator keeps from call to call: part of a system's state and its checkpoints, but no weight of a model."""

from __future__ import annotations

import io
from typing import Any

import torch
from torch import Tensor, nn


class Memory(nn.Module):
    """Plain data and tensors by name, which ``state_dict`` holds as one tensor of bytes.

    It stands inside a component without being a weight of it: nothing here is optimised, counted, averaged or chosen
    by validation, and a system whose memory has grown is still the same system.

    Attributes:
        content: what is kept; an estimator sees it as ``call.memory``.
    """

    grows = True
    """Its state has another size once something is kept (``graph/weights.py``)."""

    def __init__(self) -> None:
        super().__init__()
        self.content: dict[str, Any] = {}

    def get_extra_state(self) -> Tensor:
        """The content as bytes; none where nothing is kept."""
        if not self.content:
            return torch.empty(0, dtype=torch.uint8)
        buffer = io.BytesIO()
        torch.save(self.content, buffer)
        return torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Keep what was stored; it is read as data, and nothing in it is executed."""
        self.content.clear()
        if state.numel():
            self.content.update(torch.load(io.BytesIO(state.numpy(force=True).tobytes()), weights_only=True))
