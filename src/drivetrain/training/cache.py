"""What frozen branches answered, kept per sample so that they need not run again; bounded, spilling to disk."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from drivetrain.data import Batch
from drivetrain.graph.parts import Parts

Compute = Callable[[Batch], dict[str, Any]]

MEMORY = 1 << 30
"""Bytes kept in memory; what is more goes to a temporary file."""


class Cache:
    """Values of some edges by sample.

    Samples whose inputs come out differently when they are read again (augmentation), and frozen branches that answer
    differently when asked again, cannot be cached: then the cache turns itself off and says why in ``off``.
    """

    def __init__(self, capacity: int, memory: int | None = None, *, replayable: bool = True) -> None:
        self.capacity = capacity
        self.replayable = replayable
        self.memory = MEMORY if memory is None else memory
        self.off = ""
        self.hits = 0
        self.misses = 0
        self._places: dict[Hashable, int] = {}
        self._seen: dict[Hashable, int] = {}
        self._columns: dict[str, _Column] = {}
        self._probed = False

    def values(
        self, batch: Batch, compute: Compute, read: Sequence[str], again: Callable[[], Batch] | None = None
    ) -> dict[str, Any]:
        """The cached edges for a batch; only samples that are not known yet are computed.

        Args:
            batch: the samples.
            compute: runs the frozen branches on a batch.
            read: the input edges that the frozen branches read, whose values must not change between readings.
            again: reads the same samples a second time; None where that cannot differ.
        """
        if self.off or not batch.identified:
            return compute(batch)
        if not self.replayable and (why := self._differs_from_before(batch, read)):
            return self._turn_off(why, batch, compute)
        new = [row for row, sample in enumerate(batch.ids) if sample not in self._places]
        if not new:
            self.hits += batch.size
            return self._gather(batch.ids)
        if len(set(batch.ids)) < batch.size:
            return self._turn_off("several samples have the same key", batch, compute)
        if again is not None and (why := self._changed(batch, again(), read)):
            return self._turn_off(why, batch, compute)
        fresh = batch if len(new) == batch.size else batch.only(torch.tensor(new))
        values = compute(fresh)
        if not self._probed and (why := _unsteady(values, compute(fresh))):
            return self._turn_off(why, batch, compute)
        self._probed = True
        self._store(fresh.ids, values)
        self.misses += len(new)
        return values if len(new) == batch.size else self._gather(batch.ids)

    def knows(self, batch: Batch) -> bool:
        """Whether every sample of the batch is known."""
        return not self.off and batch.identified and all(sample in self._places for sample in batch.ids)

    def _changed(self, batch: Batch, again: Batch, read: Sequence[str]) -> str:
        if _digests(batch, read) == _digests(again, read):
            return ""
        return "samples come out differently when they are read again (augmentation)"

    def _differs_from_before(self, batch: Batch, read: Sequence[str]) -> str:
        """For samples that cannot be read twice at will: compares each reading with the first one."""
        for sample, digest in zip(batch.ids, _digests(batch, read), strict=True):
            if self._seen.setdefault(sample, digest) != digest:
                return (
                    f"what has the key {sample!r} comes out differently when it is read again (augmentation, or a key "
                    f"that several samples share)"
                )
        return ""

    def _turn_off(self, why: str, batch: Batch, compute: Compute) -> dict[str, Any]:
        self.off = why
        self._places.clear()
        self._columns.clear()
        return compute(batch)

    def _store(self, ids: Sequence[Hashable], values: Mapping[str, Any]) -> None:
        places = list(range(len(self._places), len(self._places) + len(ids)))
        for edge, value in values.items():
            if edge not in self._columns:
                self._columns[edge] = _column(value, self.capacity, self.memory // max(1, len(values)))
            self._columns[edge].put(places, value)
        self._places.update(zip(ids, places, strict=True))

    def _gather(self, ids: Sequence[Hashable]) -> dict[str, Any]:
        places = [self._places[sample] for sample in ids]
        return {edge: column.get(places) for edge, column in self._columns.items()}


class _Column:
    """The values of one edge: tensors side by side, or a list of anything."""

    def put(self, places: list[int], value: Any) -> None:
        raise AttributeError  # pragma: no cover

    def get(self, places: list[int]) -> Any:
        raise AttributeError  # pragma: no cover


class _Tensors(_Column):
    """A nested structure of tensors whose rows have one shape; in memory, or in a temporary file when too large."""

    def __init__(self, value: Any, capacity: int, memory: int) -> None:
        leaves, self.spec = tree_flatten(value)
        self.memory = memory
        self.folder: Path | None = None
        self.device = leaves[0].device
        self.leaves = self._rooms(leaves, capacity)

    def put(self, places: list[int], value: Any) -> None:
        if places[-1] >= len(self.leaves[0]):  # a loader does not say how many samples it has
            old = self.leaves
            self.leaves = self._rooms(old, 2 * (places[-1] + 1))
            for room, kept in zip(self.leaves, old, strict=True):
                room[: len(kept)] = kept
        for room, leaf in zip(self.leaves, tree_leaves(value), strict=True):
            room[places[0] : places[-1] + 1] = leaf.detach()

    def get(self, places: list[int]) -> Any:
        rows = torch.tensor(places)
        return tree_unflatten(
            [room.index_select(0, rows.to(room.device)).to(self.device) for room in self.leaves], self.spec
        )

    def _rooms(self, leaves: Sequence[Tensor], capacity: int) -> list[Tensor]:
        size = sum(leaf[:1].numel() * leaf.element_size() * capacity for leaf in leaves)
        if size > self.memory and self.folder is None:
            self.folder = _folder(self)
        return [self._room(leaf, (capacity, *leaf.shape[1:])) for leaf in leaves]

    def _room(self, leaf: Tensor, shape: tuple[int, ...]) -> Tensor:
        if self.folder is None:
            return torch.empty(shape, dtype=leaf.dtype, device=leaf.device)
        name = str(self.folder / f"{len(list(self.folder.iterdir()))}.bin")
        count = int(torch.Size(shape).numel())
        return torch.from_file(name, shared=True, size=count, dtype=leaf.dtype).reshape(shape)


class _Objects(_Column):
    """A ragged edge: one value per sample, of any shape; beyond the memory bound each value is a file of its own."""

    def __init__(self, memory: int) -> None:
        self.kept: dict[int, Any] = {}
        self.memory = memory
        self.folder: Path | None = None

    def put(self, places: list[int], value: Any) -> None:
        for place, part in zip(places, value, strict=True):
            self.memory -= sum(
                leaf.numel() * leaf.element_size() for leaf in tree_leaves(part) if isinstance(leaf, Tensor)
            )
            if self.memory > 0:
                self.kept[place] = part
                continue
            if self.folder is None:
                self.folder = _folder(self)
            torch.save(part, self.folder / f"{place}.pt")

    def get(self, places: list[int]) -> Any:
        return [self.kept[place] if place in self.kept else self._from_disk(place) for place in places]

    def _from_disk(self, place: int) -> Any:
        assert self.folder is not None
        return torch.load(self.folder / f"{place}.pt", weights_only=True)


def _folder(owner: _Column) -> Path:
    """A folder that vanishes with its owner."""
    path = tempfile.mkdtemp(prefix="drivetrain-")
    weakref.finalize(owner, shutil.rmtree, path, ignore_errors=True)
    return Path(path)


def _column(value: Any, capacity: int, memory: int) -> _Column:
    leaves = tree_leaves(value)
    listed = isinstance(value, list) and not isinstance(value, Parts)
    if listed or not leaves or not all(isinstance(leaf, Tensor) and leaf.dim() for leaf in leaves):
        return _Objects(memory)
    return _Tensors(value, capacity, memory)


def _digests(batch: Batch, read: Sequence[str]) -> list[int]:
    """One number per sample that changes when an input does."""
    return [hash(tuple(_bytes(batch[edge], row) for edge in read if edge in batch)) for row in range(batch.size)]


def _bytes(value: Any, row: int) -> tuple[bytes, ...]:
    if isinstance(value, list) and not isinstance(value, Parts):
        leaves = tree_leaves(value[row])
    else:
        leaves = [leaf[row] for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
    return tuple(leaf.detach().cpu().contiguous().numpy().tobytes() for leaf in leaves if isinstance(leaf, Tensor))


def _unsteady(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    for edge, value in first.items():
        for a, b in zip(tree_leaves(value), tree_leaves(second[edge]), strict=False):
            if isinstance(a, Tensor) and not torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)):
                return f"edge '{edge}' of the frozen part comes out differently when it is computed again"
    return ""
