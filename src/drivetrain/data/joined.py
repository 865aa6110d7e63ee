"""Data sets of single edges as one source: their samples are related by ``key``."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping

import torch
from torch import Tensor

from drivetrain.data.batch import Batch
from drivetrain.data.source import Source, chunks
from drivetrain.errors import DataError, listed
from drivetrain.graph.signature import KEY


class Joined(Source):
    """Data sets of single edges whose samples are related by the field ``key``; a sample may be in some only.

    Raises:
        DataError: a data set is a loader, has no keys, or has a key twice.
    """

    def __init__(self, parts: Mapping[str, Source]) -> None:
        self.parts = [_readable(name, part) for name, part in parts.items()]
        self.labels = {edge: label for part in self.parts for edge, label in part.labels.items()}
        self.places: dict[Hashable, dict[int, int]] = {}
        for number, (name, part) in enumerate(zip(parts, self.parts, strict=True)):
            for row, key in enumerate(_all_keys(name, part)):
                self.places.setdefault(key, {})[number] = row
        self.keys = list(self.places)

    def __len__(self) -> int:
        return len(self.keys)

    def fields(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for part in self.parts for name in part.fields()))

    def batches(
        self, size: int, order: Tensor | None = None, seed: int = 0, start: int = 0, skip: Collection[str] = ()
    ) -> Iterator[Batch]:
        for rows in chunks(torch.arange(len(self)) if order is None else order, size, start):
            keys = [self.keys[row] for row in rows.tolist()]
            joined = Batch({KEY: keys}, len(keys), keys)
            for number, part in enumerate(self.parts):
                having = [row for row, key in enumerate(keys) if number in self.places[key]]
                if not having:
                    continue
                places = torch.tensor([self.places[keys[row]][number] for row in having])
                piece = next(part.batches(len(places), places, seed))
                _lay(joined, piece, torch.tensor(having))
            yield joined


def _readable(name: str, part: Source) -> Source:
    if not part.replayable:
        raise DataError(
            f"the data set of '{name}' is a loader, whose samples cannot be looked up by key; hand its Dataset over"
        )
    return part


def _all_keys(name: str, part: Source) -> list[Hashable]:
    if KEY not in part.fields():
        raise DataError(
            f"the data set of '{name}' has no field 'key', which relates its samples to those of the other data sets; "
            f"it has: {listed(part.fields())}"
        )
    keys = [key for batch in part.batches(1024) for key in batch.ids]
    first: dict[Hashable, int] = {}
    for row, key in enumerate(keys):
        if first.setdefault(key, row) != row:
            raise DataError(
                f"the data set of '{name}' has the key {key!r} twice, in samples {first[key]} and {row}; a key names "
                f"one sample, so that it is known which samples of the data sets belong together"
            )
    return keys


def _lay(joined: Batch, piece: Batch, rows: Tensor) -> None:
    """Put what one data set knows of some rows into the batch; the first data set that has a value wins."""
    for edge, value in piece.items():
        if edge in joined or edge == KEY:
            continue
        joined[edge] = value
        having = rows[piece.present[edge]] if edge in piece.present else rows
        if len(having) < joined.size:
            joined.present[edge] = having
