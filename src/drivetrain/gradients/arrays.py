"""Answers of code that leaves torch, as tensors: numpy arrays come back in the number type of what went in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_map


def as_tensors(answer: Any, given: Iterable[Any]) -> Any:
    """The answer with its numpy arrays and numbers as tensors; everything else as it is.

    Args:
        answer: what the code answered, nested as it likes.
        given: what it was given; floating-point arrays take the number type and the device of the first such tensor.
    """
    like = next((x for x in given if isinstance(x, Tensor) and x.is_floating_point()), torch.empty(0))
    return tree_map(lambda leaf: _tensor(leaf, like), answer)


def _tensor(leaf: Any, like: Tensor) -> Any:
    if not isinstance(leaf, np.ndarray | np.generic) or leaf.dtype.kind not in "fiub":
        return leaf
    tensor = torch.from_numpy(np.array(leaf))
    return tensor.to(like) if tensor.is_floating_point() else tensor.to(like.device)
