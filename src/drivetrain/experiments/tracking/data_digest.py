"""Data sets by their contents, and what their samples say about how they belong together."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch

from drivetrain.data import Opened, Source
from drivetrain.experiments.versions.fingerprint import fingerprint
from drivetrain.experiments.versions.version import DataSet

SAMPLED = 64
"""Samples that are read of data whose contents are not in memory: reading all of them would cost an epoch."""


def data_sets_of(opened: Opened) -> dict[str, Source]:
    """The data sets by truth edge; under the empty name where one serves all."""
    return dict(opened.parts) if opened.parts else {"": opened.whole}


def described(source: Source, name: str = "") -> DataSet:
    """A data set with its digest: of everything where it is in memory, else of a sample of it, which it says."""
    columns = getattr(source, "columns", None)
    labels = {edge: label.origin for edge, label in source.labels.items()}
    facts: dict[str, Any] = {"fields": list(source.fields()), "labels": labels}
    if columns is not None:
        return DataSet(_digest(columns), name, len(source), facts)
    if not source.replayable:
        return DataSet(_digest([type(source).__name__, len(source), facts]), name, len(source), facts | {"sampled": 0})
    rows = torch.linspace(0, len(source) - 1, min(SAMPLED, len(source))).long().unique()
    read = [dict(batch) for batch in source.batches(len(rows), rows)]
    return DataSet(_digest([len(source), read]), name, len(source), facts | {"sampled": len(rows)})


def keys_of(source: Source) -> set[Hashable] | None:
    """The keys that relate its samples to those of other data sets, where it has them in memory."""
    return set(source.ids) if "key" in source.fields() and hasattr(source, "ids") else None


def relations_of(sources: dict[str, Source]) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Pairs of data sets with the same scenes, by name: the first, the relation, the other, how many are shared."""
    keys = {name: keys_of(source) for name, source in sources.items()}
    names = [name for name, known in keys.items() if known]
    found = []
    for place, first in enumerate(names):
        for other in names[place + 1 :]:
            shared = len((keys[first] or set()) & (keys[other] or set()))
            if shared:
                found.append((first, "same scenes", other, {"shared": shared}))
    return found


def _digest(value: Any) -> str:
    try:
        return fingerprint(value)
    except Exception:  # what cannot be read as data is known by how it prints
        return fingerprint(repr(value))
