"""The label ledger: annotation values counted as a person would pay for them, each once however often it is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils._pytree import tree_leaves

from drivetrain.data.batch import Batch
from drivetrain.graph.parts import Parts

ORIGINS = ("human", "machine", "derived")
USES = ("training", "validation", "calibration", "pretraining")


def numbers(truth: Any) -> int:
    """How many numbers the truth of one sample holds; what is counted where nothing else is said."""
    return sum(leaf.numel() if isinstance(leaf, Tensor) else 1 for leaf in tree_leaves(truth))


@dataclass(frozen=True)
class Labels:
    """How the truth of one edge came to be and what it costs.

    Attributes:
        count: from the truth of one sample to the number of values that a person would have to annotate, such as five
            per box (four corners and a class), or one per cone for beam labels.
        origin: ``"human"``, ``"machine"`` (another model), or ``"derived"`` (computed from the truth of other edges).
        derived_from: where derived labels come from; labels derived for free from end labels are counted as those.
    """

    count: Callable[[Any], int] = numbers
    origin: str = "human"
    derived_from: str | None = None


@dataclass(frozen=True)
class Annotated:
    """A data set together with what its labels cost."""

    data: Any
    labels: dict[str, Labels]


def annotated(data: Any, **labels: Labels) -> Annotated:
    """Say what the labels of a data set cost: ``annotated(train, boxes=Labels(lambda boxes: 5 * len(boxes)))``."""
    for edge, label in labels.items():
        if label.origin not in ORIGINS:
            raise ValueError(f"'{edge}': no origin '{label.origin}'; origins are: {', '.join(ORIGINS)}")
    return Annotated(data, labels)


class Receipt(NamedTuple):
    """What the truth of one sample cost: the edge, as which it is paid, the origin, the use, the sample, the values."""

    edge: str
    paid_as: str
    origin: str
    use: str
    sample: Hashable
    values: int


@dataclass
class Ledger:
    """What the labels that were read cost, by edge, origin and use.

    Attributes:
        entries: number of values by (edge, origin, use).
        paid: by edge, the samples whose values have been counted.
        receipts: where each payment is noted as well, for the ledger of another process.
    """

    entries: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))
    paid: dict[str, set[Hashable]] = field(default_factory=lambda: defaultdict(set), repr=False)
    receipts: list[Receipt] | None = field(default=None, repr=False)

    def read(self, batch: Batch, edges: Iterable[str], labels: dict[str, Labels], use: str, data_set: str) -> None:
        """Note that the truths of these edges were read; values read before cost nothing again."""
        for edge in edges:
            if edge not in batch:
                continue
            label = labels.get(edge, Labels())
            paid_as = label.derived_from or edge
            rows = batch.present[edge].tolist() if edge in batch.present else range(batch.size)
            for place, row in enumerate(rows):
                sample = batch.ids[row] if "key" in batch else (data_set, batch.ids[row])
                if sample not in self.paid[paid_as]:
                    values = label.count(_sample(batch[edge], place))
                    self.pay(Receipt(edge, paid_as, label.origin, use, sample, values))

    def pay(self, receipt: Receipt) -> None:
        """Count the values of one sample, unless they have been."""
        if receipt.sample not in self.paid[receipt.paid_as]:
            self.paid[receipt.paid_as].add(receipt.sample)
            self.entries[receipt.edge, receipt.origin, receipt.use] += receipt.values
            if self.receipts is not None:
                self.receipts.append(receipt)

    def total(self, *, edge: str | None = None, origin: str | None = None, use: str | None = None) -> int:
        """The number of values that fit the description."""
        return sum(
            count
            for (of_edge, of_origin, of_use), count in self.entries.items()
            if edge in (None, of_edge) and origin in (None, of_origin) and use in (None, of_use)
        )

    def __getitem__(self, edge: str) -> int:
        return self.total(edge=edge)

    def to_dict(self) -> dict[str, dict[str, dict[str, int]]]:
        """Values by edge, then origin, then use."""
        nested: dict[str, dict[str, dict[str, int]]] = {}
        for (edge, origin, use), count in self.entries.items():
            nested.setdefault(edge, {}).setdefault(origin, {})[use] = count
        return nested

    def __str__(self) -> str:
        lines = [f"{count} {edge} ({origin}, {use})" for (edge, origin, use), count in self.entries.items()]
        return ", ".join(lines) or "no labels"


def _sample(value: Any, row: int) -> Any:
    if isinstance(value, dict):
        return {key: _sample(part, row) for key, part in value.items()}
    if isinstance(value, tuple | Parts):
        return tuple(_sample(part, row) for part in value)
    return value[row]
