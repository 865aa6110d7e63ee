"""Many small tensors as one long one, so that a bridge is crossed once and not once for each weight."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

LARGE = 1 << 16
"""Numbers. From here on a tensor crosses alone: copying it costs a tenth of a crossing, a whole one at a million."""


def parcels(kinds: Mapping[str, tuple[Sequence[int], Hashable]]) -> list[tuple[str, ...]]:
    """Names of what crosses together: all small ones of one type; a large one goes alone.

    Args:
        kinds: shape and type of each by its name.
    """
    together: dict[Hashable, list[str]] = {}
    for name, (shape, kind) in kinds.items():
        together.setdefault(name if math.prod(shape) >= LARGE else ("small", kind), []).append(name)
    return [tuple(names) for names in together.values()]


def packed(tensors: Iterable[Tensor]) -> Tensor:
    """A new long tensor with all numbers, one tensor behind the other."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def spans(shapes: Iterable[Sequence[int]]) -> list[slice]:
    """Where tensors of these shapes lie in the long one; for every framework that knows slices."""
    ends = list(itertools.accumulate((math.prod(shape) for shape in shapes), initial=0))
    return [slice(begin, end) for begin, end in itertools.pairwise(ends)]


def unpacked(long: Tensor, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
    """The tensors of these shapes, as views."""
    parts: Any = long.split([math.prod(shape) for shape in shapes])
    return [part.view(tuple(shape)) for part, shape in zip(parts, shapes, strict=True)]
