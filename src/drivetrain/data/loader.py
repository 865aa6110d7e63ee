"""A user's own ``DataLoader`` as a source of batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from drivetrain.data.batch import Batch, as_tensors, structured
from drivetrain.data.drawing import drawing_from
from drivetrain.data.labels import Labels
from drivetrain.data.source import Source, keys_of
from drivetrain.errors import DataError
from drivetrain.graph.execution import describe, size_of
from drivetrain.graph.signature import KEY


class Loader(Source):
    """A user's own ``DataLoader`` of dict batches, in its own order."""

    replayable = False

    def __init__(self, loader: DataLoader[Any], ragged: frozenset[str], labels: dict[str, Labels]) -> None:
        self.loader = loader
        self.ragged = ragged
        self.labels = labels
        self._names: tuple[str, ...] = ()
        if not len(loader):
            raise DataError("the loader is empty: it has no batches")

    def __len__(self) -> int:
        return len(self.loader)

    def count(self, size: int) -> int:
        return len(self.loader)

    def fields(self) -> tuple[str, ...]:
        if not self._names:
            states = self.random_state()
            with drawing_from(0):
                self._names = tuple(next(iter(self.batches(0))))
            self.restore_random_state(states)
        return self._names

    @property
    def restorable(self) -> bool:
        """Whether its order is ruled by generators that are known, so that it can go on where it stood."""
        known = (SequentialSampler, RandomSampler, SubsetRandomSampler, WeightedRandomSampler)
        return type(self.loader.batch_sampler) in (BatchSampler, type(None)) and type(self.loader.sampler) in known

    def random_state(self) -> list[Tensor]:
        """The states of its own generators; a loader without one draws from torch's."""
        return [generator.get_state() for generator in self._generators()]

    def restore_random_state(self, states: Sequence[Tensor]) -> None:
        """Put its generators where ``random_state`` found them."""
        for generator, state in zip(self._generators(), states, strict=True):
            generator.set_state(state)

    def _generators(self) -> list[torch.Generator]:
        owners = (self.loader, self.loader.sampler, self.loader.batch_sampler)
        found = [getattr(owner, "generator", None) for owner in owners]
        return list({id(each): each for each in found if isinstance(each, torch.Generator)}.values())

    def batches(
        self, size: int, order: Tensor | None = None, seed: int = 0, start: int = 0, skip: Collection[str] = ()
    ) -> Iterator[Batch]:
        read = 0
        for number, values in enumerate(self.loader):
            if not isinstance(values, Mapping):
                raise DataError(f"batch {number} of the loader is {describe(values)}; a batch is a dict keyed by edge")
            arrays = [value for value in values.values() if not isinstance(value, list)]  # a list may be structure
            held = size_of(tuple(arrays or values.values()))
            if held is None:
                raise DataError(f"batch {number} of the loader holds no samples: {describe(dict(values))}")
            identified = KEY in values
            ids = keys_of(values[KEY]) if identified else range(read, read + held)
            read += held
            if number >= start:
                known = {k: structured(as_tensors(v), held, ragged=k in self.ragged) for k, v in values.items()}
                yield Batch(known, held, ids, identified=identified)
