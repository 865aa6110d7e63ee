"""A map-style data set of dict samples as a source of batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from drivetrain.data.batch import Batch, collated
from drivetrain.data.drawing import drawing_from
from drivetrain.data.labels import Labels
from drivetrain.data.source import Source, chunks, key_of
from drivetrain.errors import DataError
from drivetrain.graph.execution import describe
from drivetrain.graph.signature import KEY

LOOKED_AT = 32  # samples whose fields are taken for those of all


class Samples(Source):
    """A map-style data set of dict samples; what reading draws is a function of seed and sample alone."""

    def __init__(self, dataset: Any, ragged: frozenset[str], labels: dict[str, Labels]) -> None:
        if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
            raise DataError(
                f"{type(dataset).__name__} cannot be read by index; hand over a map-style Dataset or a DataLoader"
            )
        self.dataset = dataset
        self.labels = labels
        self.size = len(dataset)
        if not self.size:
            raise DataError("the data set is empty: its length is 0")
        self.ragged = set(ragged)
        # Shapes of a few samples decide which values are lists, so that chance in one batch does not. They are spread
        # over the data: samples that lack an edge often stand together.
        probe = [self.read(index, 0) for index in spread(self.size)]
        collated(probe, self.ragged, range(len(probe)))
        self.names = tuple(dict.fromkeys(name for sample in probe for name in sample))

    def __len__(self) -> int:
        return self.size

    def fields(self) -> tuple[str, ...]:
        return self.names

    def read(self, index: int, seed: int) -> Mapping[str, Any]:
        """One sample; drawing numbers in it leaves everybody else's random state alone."""
        with drawing_from(hash((seed, index)) % 2**32):
            try:
                sample = self.dataset[index]
            except Exception as error:
                raise DataError(f"sample {index} cannot be read: {type(error).__name__}: {error}") from error
        if not isinstance(sample, Mapping):
            raise DataError(f"sample {index} is {describe(sample)}; a sample is a dict keyed by edge")
        return sample

    def batches(
        self, size: int, order: Tensor | None = None, seed: int = 0, start: int = 0, skip: Collection[str] = ()
    ) -> Iterator[Batch]:
        for rows in chunks(torch.arange(self.size) if order is None else order, size, start):
            samples = [self.read(row, seed) for row in rows.tolist()]
            ids = [key_of(s[KEY]) for s in samples] if all(KEY in s for s in samples) else rows.tolist()
            yield collated(samples, self.ragged, ids)


def spread(size: int, most: int = LOOKED_AT) -> list[int]:
    """Indices of at most so many samples, from the first to the last, evenly apart."""
    count = min(size, most)
    return sorted({place * (size - 1) // max(count - 1, 1) for place in range(count)})
