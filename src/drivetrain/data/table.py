"""A dict of arrays as a source of batches."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from drivetrain.data.batch import Batch, as_tensors, differ, structured, take
from drivetrain.data.labels import Labels
from drivetrain.data.source import Source, chunks, keys_of
from drivetrain.errors import DataError, listed
from drivetrain.graph.execution import size_of
from drivetrain.graph.parts import Parts
from drivetrain.graph.signature import KEY


class Table(Source):
    """A dict of arrays whose first dimensions agree; lists hold one value per sample, None where there is none.

    A list of another length, each of whose elements has all the samples, is one value in several parts.
    """

    def __init__(self, table: Mapping[str, Any], ragged: frozenset[str], labels: dict[str, Labels]) -> None:
        self.labels = labels
        self.present: dict[str, Tensor] = {}
        known = _structured(table, ragged)
        self.columns = {name: self._column(name, value, name in ragged) for name, value in known.items()}
        sizes = {name: size_of(value) for name, value in known.items()}
        if not table or not all(size for size in sizes.values()):
            empty = [name for name, size in sizes.items() if not size]
            raise DataError(f"the data set is empty: no samples in {listed(empty, 'a dict without fields')}")
        if len(set(sizes.values())) > 1:
            found = listed(f"{name} {size}" for name, size in sizes.items())
            raise DataError(f"the arrays of a data set have one first dimension, the samples; found {found}")
        self.size = int(next(iter(sizes.values())) or 0)
        self.ids: Sequence[Hashable] = keys_of(table[KEY]) if KEY in table else range(self.size)

    def __len__(self) -> int:
        return self.size

    def fields(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def batches(
        self, size: int, order: Tensor | None = None, seed: int = 0, start: int = 0, skip: Collection[str] = ()
    ) -> Iterator[Batch]:
        for rows in chunks(torch.arange(self.size) if order is None else order, size, start):
            yield self._batch(rows, skip)  # no name holds it while the next one is made

    def _batch(self, rows: Tensor, skip: Collection[str]) -> Batch:
        values, present = {}, {}
        for name, column in self.columns.items():
            if name in skip:
                continue
            if name not in self.present:
                values[name] = take(column, rows)
                continue
            having = self.present[name][rows]
            if (having >= 0).any():
                values[name] = take(column, having[having >= 0])
                if (having < 0).any():
                    present[name] = (having >= 0).nonzero().flatten()
        numbers = rows.tolist()
        ids = numbers if isinstance(self.ids, range) else [self.ids[row] for row in numbers]
        return Batch(values, len(rows), ids, present=present)

    def _column(self, name: str, value: Any, ragged: bool) -> Any:
        if isinstance(value, np.ndarray) and value.dtype.kind not in "biufc":
            value = value.tolist()
        if not isinstance(value, list) or isinstance(value, Parts):
            return as_tensors(value)
        if any(part is None for part in value):
            having = [row for row, part in enumerate(value) if part is not None]
            places = torch.full((len(value),), -1)
            places[having] = torch.arange(len(having))
            self.present[name] = places
            value = [value[row] for row in having]
        parts = [as_tensors(part) for part in value]
        if ragged or not parts or isinstance(parts[0], str) or differ(parts):
            return parts
        if isinstance(parts[0], Tensor):
            return torch.stack(parts)
        return torch.tensor(parts) if isinstance(parts[0], int | float | bool) else parts


def _structured(table: Mapping[str, Any], ragged: frozenset[str]) -> dict[str, Any]:
    """The columns; a list of another length than the arrays is structure where its elements have their length."""
    arrays = [size for value in table.values() if not isinstance(value, list) and (size := size_of(value)) is not None]
    return {
        name: structured(value, arrays[0], ragged=name in ragged)
        if arrays and not (isinstance(value, list) and len(value) == arrays[0])
        else value
        for name, value in table.items()
    }
