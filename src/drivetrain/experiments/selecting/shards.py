"""Data cut into shards: what is computed, kept and sent to a worker at once, each with a digest of its contents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from drivetrain.data import Batch, Opened, Source
from drivetrain.evaluation.metrics import Metric, is_torchmetrics
from drivetrain.evaluation.reading import needs_of, parts_of, source_of
from drivetrain.experiments.versions.fingerprint import fingerprint
from drivetrain.graph import System
from drivetrain.graph.signature import KEY


@dataclass(frozen=True, eq=False)
class Group:
    """Batches whose samples can all be judged on the same edges.

    Attributes:
        wanted: the edges.
        batches: the samples.
        digest: of the inputs, which rule what components answer.
        truth: a digest of everything else that is read, which rules what metrics say.
    """

    wanted: tuple[str, ...]
    batches: tuple[Batch, ...]
    digest: str
    truth: str

    @property
    def bytes(self) -> int:
        """How much memory its tensors take."""
        return sum(
            leaf.nbytes for batch in self.batches for leaf in tree_leaves(dict(batch)) if isinstance(leaf, Tensor)
        )

    @property
    def size(self) -> int:
        """How many samples it has."""
        return sum(batch.size for batch in self.batches)


class Shards:
    """A data set as shards that can be read again and again, one at a time.

    Args:
        system: what runs on it.
        data: as ``evaluate`` takes it.
        metrics: which edges are judged, and so which fields are read.
        batch_size: samples that are run at once.
        unit: the field whose values are independent.
        most: at most so many shards.
    """

    def __init__(
        self, system: System, data: Any, metrics: Mapping[str, Metric], batch_size: int, unit: str | None, most: int
    ) -> None:
        opened = Opened(data, system)
        self.edges = tuple(dict.fromkeys(str(metric.edge) for metric in metrics.values()))
        self.needs = {edge: needs_of(system, edge, unit) for edge in self.edges}
        self.batch_size = batch_size
        self._inputs = system.inputs
        sources = {edge: source_of(system, opened, edge, self.needs[edge], unit) for edge in self.edges}
        whole = any(is_torchmetrics(metric.fn) for metric in metrics.values())  # its state cannot be added up
        self._pieces: list[tuple[Source, tuple[str, ...], list[Any]]] = []
        for source in dict.fromkeys(sources.values()):
            mine = tuple(edge for edge in self.edges if sources[edge] is source)
            self._pieces += [(source, mine, piece) for piece in _cut(source, batch_size, 1 if whole else most)]

    def __len__(self) -> int:
        return len(self._pieces)

    def read(self, number: int) -> tuple[Group, ...]:
        """The samples of one shard, by what they can be judged on."""
        source, edges, piece = self._pieces[number]
        needs = {edge: self.needs[edge] for edge in edges}
        unread = set(source.fields()) - {field for fields in needs.values() for field in fields} - {KEY}
        if piece and isinstance(piece[0], Batch):
            batches = iter(piece)
        else:
            batches = source.batches(self.batch_size, torch.tensor(piece), skip=unread)
        found: dict[tuple[str, ...], list[Batch]] = {}
        for batch in batches:
            for wanted, part in parts_of(batch, needs):
                found.setdefault(wanted, []).append(part)
        return tuple(Group(wanted, tuple(parts), *self._digests(parts)) for wanted, parts in found.items())

    def _digests(self, parts: list[Batch]) -> tuple[str, str]:
        inputs = [[(edge, batch[edge]) for edge in self._inputs if edge in batch] for batch in parts]
        truths = [[(edge, batch[edge]) for edge in batch if edge not in self._inputs] for batch in parts]
        return fingerprint(inputs), fingerprint(truths)


def _cut(source: Source, batch_size: int, most: int) -> list[list[Any]]:
    """Indices of samples, shard by shard; of a loader, which has an order of its own, the batches themselves."""
    items: list[Any] = list(range(len(source))) if source.replayable else list(source.batches(batch_size))
    step = batch_size if source.replayable else 1
    batches = -(-len(items) // step)
    each = -(-batches // max(1, min(most, batches))) * step
    return [items[begin : begin + each] for begin in range(0, len(items), each)]
