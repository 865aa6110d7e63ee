"""A batch: values keyed by edge, in which some samples may lack some edges. Unlabelled is not empty."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.data import default_collate

from drivetrain.errors import DataError
from drivetrain.graph.execution import describe, size_of
from drivetrain.graph.parts import Parts


class Batch(dict[str, Any]):
    """Values keyed by edge (and any further fields), with what a plain dict cannot say.

    Attributes:
        size: how many samples it holds.
        ids: what tells its samples from others: their keys, or else their places in the data set.
        identified: whether the ids mean the same sample in every epoch.
        present: for an edge that some samples lack, the rows that have it, ascending.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        size: int,
        ids: Sequence[Hashable] = (),
        *,
        identified: bool = True,
        present: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__(values)
        self.size = size
        self.ids = ids
        self.identified = identified
        self.present = dict(present or {})

    def rows(self, edges: Iterable[str]) -> Tensor | None:
        """The rows that have all these edges, ascending; None where all rows have them."""
        common: Tensor | None = None
        for edge in edges:
            if edge not in self:
                return torch.empty(0, dtype=torch.long)
            if edge in self.present:
                rows = self.present[edge]
                common = rows if common is None else common[torch.isin(common, rows)]
        return common

    def only(self, rows: Tensor | None) -> Batch:
        """The batch cut down to some of its rows; edges that none of them has are left out."""
        if rows is None:
            return self
        values, present = {}, {}
        for edge, value in self.items():
            if edge not in self.present:
                values[edge] = take(value, rows)
                continue
            having = self.present[edge]
            kept = torch.isin(rows, having)
            if kept.any():
                values[edge] = take(value, torch.searchsorted(having, rows[kept]))
                if not kept.all():
                    present[edge] = kept.nonzero().flatten()
        ids = [self.ids[row] for row in rows.tolist()] if len(self.ids) else ()
        return Batch(values, len(rows), ids, identified=self.identified, present=present)

    def values_of(self, edge: str, rows: Tensor | None) -> Any:
        """The values of one edge at some rows, all of which have it."""
        if rows is None:
            return self[edge]
        having = self.present.get(edge)
        return take(self[edge], rows if having is None else torch.searchsorted(having, rows))

    def with_values(self, values: Mapping[str, Any]) -> Batch:
        """The same samples with some values changed or added."""
        return Batch({**self, **values}, self.size, self.ids, identified=self.identified, present=self.present)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with its tensors on a device."""
        moved = {edge: to_device(value, device) for edge, value in self.items()}
        return Batch(moved, self.size, self.ids, identified=self.identified, present=self.present)


def structured(value: Any, size: int, *, ragged: bool) -> Any:
    """A value of that many samples, with the lists in it that are structure, not one value per sample, known for it.

    A list is structure where each of its elements has all the samples; on a ragged edge none is.
    """
    if ragged:
        return value
    if isinstance(value, Mapping):
        return {key: structured(part, size, ragged=False) for key, part in value.items()}
    if type(value) is tuple:
        return tuple(structured(part, size, ragged=False) for part in value)
    if isinstance(value, list) and value and all(size_of(part) == size for part in value):
        return Parts(structured(part, size, ragged=False) for part in value)
    return value


def take(value: Any, rows: Tensor) -> Any:
    """Rows of a nested structure of tensors, or elements of a ragged list."""
    if isinstance(value, Tensor):
        return value.index_select(0, rows.to(value.device))  # on pictures three times as fast as indexing
    if isinstance(value, list) and not isinstance(value, Parts):
        return [value[row] for row in rows.tolist()]
    return _inside(value, lambda part: take(part, rows))


def to_device(value: Any, device: torch.device | str) -> Any:
    """A nested structure with its tensors on a device."""
    return tree_map(lambda leaf: leaf.to(device) if isinstance(leaf, Tensor) else leaf, value)


def as_tensors(value: Any) -> Any:
    """A sample's value with numpy arrays as tensors; nothing is copied."""
    return tree_map(lambda leaf: torch.from_numpy(leaf) if _is_numeric_array(leaf) else leaf, value)


def collated(samples: Sequence[Mapping[str, Any]], ragged: set[str], ids: Sequence[Hashable]) -> Batch:
    """Samples as one batch; values whose shapes or structures differ stay a list, and ``ragged`` notes the edge.

    Raises:
        DataError: values of one edge cannot be brought together; the message names the edge.
    """
    values, present = {}, {}
    for edge in dict.fromkeys(edge for sample in samples for edge in sample):
        rows = [row for row, sample in enumerate(samples) if sample.get(edge) is not None]
        if not rows:
            continue
        parts = [as_tensors(samples[row][edge]) for row in rows]
        values[edge] = parts if edge in ragged else _stacked(edge, parts, ragged)
        if len(rows) < len(samples):
            present[edge] = torch.tensor(rows)
    return Batch(values, len(samples), ids, present=present)


def differ(parts: Sequence[Any]) -> bool:
    """Whether the values of several samples have different shapes or structures, so that they can only be listed."""
    return len({_form(part) for part in parts}) > 1


def _form(part: Any) -> Any:
    if isinstance(part, Tensor | np.ndarray):
        return tuple(part.shape)
    if isinstance(part, Mapping):
        return frozenset((key, _form(inner)) for key, inner in part.items())
    return tuple(map(_form, part)) if isinstance(part, list | tuple) else ""


def _stacked(edge: str, parts: list[Any], ragged: set[str]) -> Any:
    if differ(parts) or not tree_leaves(parts[0]):
        ragged.add(edge)
        return parts
    try:
        return _collate(parts)
    except (TypeError, RuntimeError) as error:
        raise DataError(f"the values of '{edge}' cannot be one batch ({describe(parts[0])}, ...): {error}") from error


def _collate(parts: list[Any]) -> Any:
    """As torch's ``default_collate``, but a list within a sample stays known for structure, and a tuple a tuple."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {key: _collate([part[key] for part in parts]) for key in first}
    if isinstance(first, list):
        return Parts(_collate(list(several)) for several in zip(*parts, strict=True))
    if isinstance(first, tuple):
        inside = [_collate(list(several)) for several in zip(*parts, strict=True)]
        return type(first)(*inside) if hasattr(first, "_fields") else tuple(inside)
    return default_collate(parts)


def _inside(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, Mapping):
        return {key: change(part) for key, part in value.items()}
    if isinstance(value, Parts):
        return Parts(map(change, value))
    if isinstance(value, tuple):
        return type(value)(*map(change, value)) if hasattr(value, "_fields") else tuple(map(change, value))
    raise DataError(f"{describe(value)} has no samples to choose from (size {size_of(value)})")


def _is_numeric_array(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biufc"
