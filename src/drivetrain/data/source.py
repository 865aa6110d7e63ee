"""The contract of whatever batches come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Iterator
from typing import Any

import numpy as np
from torch import Tensor

from drivetrain.data.batch import Batch
from drivetrain.data.labels import Labels


class Source(ABC):
    """Samples that can be read again and again.

    Attributes:
        labels: what the truths cost, where the user said so.
        replayable: whether sample ``i`` is the same sample in every epoch, so that reading can start anywhere.
    """

    labels: dict[str, Labels]
    replayable = True

    @abstractmethod
    def __len__(self) -> int:
        """How many samples (of a loader: batches) there are."""

    @abstractmethod
    def batches(
        self, size: int, order: Tensor | None = None, seed: int = 0, start: int = 0, skip: Collection[str] = ()
    ) -> Iterator[Batch]:
        """Batches of ``size`` samples in an order, from batch ``start`` on.

        ``seed`` rules what reading draws; fields to ``skip`` may be left out where that saves work.
        """

    @abstractmethod
    def fields(self) -> tuple[str, ...]:
        """The names that its samples have (those of the first ones where samples differ)."""

    def count(self, size: int) -> int:
        """How many batches an epoch has."""
        return -(-len(self) // size)


def chunks(order: Tensor, size: int, start: int) -> Iterator[Tensor]:
    """An order cut into batches, from one of them on."""
    if start * size < len(order):
        yield from order[start * size :].split(size)


def keys_of(value: Any) -> list[Hashable]:
    """The keys of a batch, as values that a dict can look up."""
    return [key_of(part) for part in value]


def key_of(value: Any) -> Hashable:
    """One key as a value that a dict can look up."""
    return value.item() if isinstance(value, Tensor | np.generic) else value
