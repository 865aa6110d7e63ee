"""How a track reads its data: from which data set, in which order, and what is left out or read a second time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from drivetrain.data import Batch, Opened
from drivetrain.data.joined import Joined
from drivetrain.data.loader import Loader
from drivetrain.data.samples import Samples
from drivetrain.data.source import Source
from drivetrain.errors import DataError, MissingEdgeError, listed
from drivetrain.graph.signature import KEY
from drivetrain.training.base import State, Track
from drivetrain.training.run import Run
from drivetrain.training.running import Runner


class Read(NamedTuple):
    """A batch as it was read.

    Attributes:
        batch: the samples.
        again: reads them a second time; None where that would answer the same.
    """

    batch: Batch
    again: Callable[[], Batch] | None = None


class Reading:
    """The stream of batches of one track.

    Attributes:
        source: the data set.
        data_set: its name; tracks that read the same one share what its labels cost.
    """

    def __init__(self, run: Run, number: int, track: Track) -> None:
        self.number, self.settings, self.place = number, run.settings, run.place
        self.source = source_of(track, run.data)
        self._row_of: dict[Hashable, int] = {}
        self.data_set = f"training {listed([e for e, part in run.data.parts.items() if part is self.source], '')}"

    @property
    def samples(self) -> int:
        """How many samples there are; of a loader, which does not say, about how many."""
        return len(self.source) * (self.settings.batch_size if isinstance(self.source, Loader) else 1)

    @property
    def batches(self) -> int:
        """How many batches an epoch has."""
        if isinstance(self.source, Loader):
            return len(self.source)
        return math.ceil(math.ceil(len(self.source) / self.place.world) / self.settings.batch_size)

    @property
    def updates(self) -> int:
        """Updates per epoch, where every batch has labels."""
        return math.ceil(self.batches / self.settings.accumulate)

    def epoch(self, state: State, start: int, skip: Collection[str], twice: bool) -> Iterator[Read]:
        """Read the data once from batch ``start`` on, a new order in every epoch.

        Args:
            state: says which epoch this is.
            start: number of the first batch.
            skip: fields that need not be read.
            twice: whether it matters if a sample comes out differently when it is read again.

        Raises:
            DataError: two samples have the same key.
        """
        seed = seed_of(self.settings.seed, state.stage, self.number, state.epoch)
        size = self.settings.batch_size
        if not self.source.replayable:
            yield from (Read(batch) for batch in self.source.batches(size, None, seed, start))
            return
        order = self.place.shard(drawn_order(len(self.source), seed))
        twice = twice and _varies(self.source)
        first = state.epoch == 0

        def read(number: int, batch: Batch) -> Read:
            rows = order[number * size : (number + 1) * size] if twice or first else order
            if first and KEY in batch:
                self._refuse_repeated(batch.ids, rows.tolist())
            return Read(batch, _reader(self.source, rows, seed + 1) if twice else None)

        # mapped, so that no name here holds a batch while the next one is made
        yield from map(read, itertools.count(start), self.source.batches(size, order, seed, start, skip))

    def _refuse_repeated(self, keys: Sequence[Hashable], rows: Sequence[int]) -> None:
        for key, row in zip(keys, rows, strict=True):
            other = self._row_of.setdefault(key, row)
            if other != row:
                raise DataError(
                    f"samples {min(other, row)} and {max(other, row)} of the training data have the same key {key!r}; "
                    f"a key names one sample: its labels are counted, and what frozen models answer to it is kept, by "
                    f"its key. Make the field 'key' unique, or give it another name"
                )


def seed_of(seed: int, stage: int = 0, track: int = 0, epoch: int = 0) -> int:
    """The seed of one reading of the data: the same for the same four numbers."""
    return hash((seed, stage, track, epoch)) % 2**62


def drawn_order(samples: int, seed: int) -> Tensor:
    """The order in which a reading with this seed takes its samples: their row numbers ``[samples]``."""
    return torch.randperm(samples, generator=torch.Generator().manual_seed(seed))


def source_of(track: Track, data: Opened) -> Source:
    """The data set of the track's own truths, if it has everything that is read; else all data sets, joined by key.

    Raises:
        MissingEdgeError: neither has what the track reads.
    """
    own = data.of(track.truths)
    try:
        Runner(track, own.fields())
    except MissingEdgeError:
        Runner(track, data.whole.fields())
        return data.whole
    return own


def _varies(source: Source) -> bool:
    """Whether reading a sample runs code of the user, which may draw."""
    return isinstance(source, Samples) or (isinstance(source, Joined) and any(_varies(part) for part in source.parts))


def _reader(source: Source, rows: Tensor, seed: int) -> Callable[[], Batch]:
    return lambda: next(source.batches(len(rows), rows, seed))
