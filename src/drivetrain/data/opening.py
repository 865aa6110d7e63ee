"""Opening data: whichever accepted form the user handed over becomes a source of batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from drivetrain.data.joined import Joined
from drivetrain.data.labels import Annotated, Labels
from drivetrain.data.loader import Loader
from drivetrain.data.samples import Samples
from drivetrain.data.source import Source
from drivetrain.data.table import Table
from drivetrain.errors import DataError
from drivetrain.graph.execution import describe
from drivetrain.graph.system import System


class Opened:
    """Data as the user handed it over, opened once: as a whole, or the part that belongs to an edge."""

    def __init__(self, data: Any, system: System) -> None:
        labels: dict[str, Labels] = {}
        if isinstance(data, Annotated):
            labels, data = data.labels, data.data
        self.parts: dict[str, Source] = {}
        self._whole: Source | None = None
        if _is_keyed(data):
            for edge in data:
                system.graph.check_edge(edge, "data keyed by truth edge")
            self.parts = {edge: _source(part, system, labels) for edge, part in data.items()}
        else:
            self._whole = _source(data, system, labels)

    @property
    def loaders(self) -> list[Loader]:
        """The user's own loaders among the sources."""
        sources = self.parts.values() if self.parts else [self.whole]
        return [source for source in sources if isinstance(source, Loader)]

    @property
    def whole(self) -> Source:
        """All samples; parts are joined by key."""
        if self._whole is None:
            only = next(iter(self.parts.values()))
            self._whole = only if len(self.parts) == 1 else Joined(self.parts)
        return self._whole

    def of(self, edges: Sequence[str]) -> Source:
        """The samples for some truth edges: their own data sets where the data is keyed by edge, else all."""
        if not self.parts:
            return self.whole
        if any(edge not in self.parts for edge in edges):
            return self.whole
        return self.parts[edges[0]] if len(edges) == 1 else Joined({edge: self.parts[edge] for edge in edges})


def open_data(data: Any, system: System) -> Source:
    """Open data of any accepted form as one source.

    Raises:
        DataError: it is empty, unreadable, or none of: a map-style ``Dataset`` of dict samples, a ``DataLoader``
            of dict batches, a dict of arrays with one first dimension, a dict of such data sets keyed by truth edge.
    """
    return Opened(data, system).whole


def _source(data: Any, system: System, labels: dict[str, Labels]) -> Source:
    if isinstance(data, Source):
        return data
    if isinstance(data, Annotated):
        return _source(data.data, system, {**labels, **data.labels})
    if isinstance(data, DataLoader):
        return Loader(data, system.ragged, labels)
    if isinstance(data, Mapping):
        return Table(data, system.ragged, labels)
    if isinstance(data, Dataset) or (hasattr(data, "__getitem__") and hasattr(data, "__len__")):
        return Samples(data, system.ragged, labels)
    raise DataError(
        f"{describe(data)} is no data set; what fits: a map-style Dataset of dict samples, "
        f"a DataLoader of dict batches, "
        f"a dict of arrays, or a dict of such data sets keyed by truth edge"
    )


def _is_keyed(data: Any) -> bool:
    """Whether a dict holds data sets by edge, not arrays: each names its own edge among its fields."""
    if not isinstance(data, Mapping) or not data:
        return False
    return all(_is_data_of(edge, part) for edge, part in data.items())


def _is_data_of(edge: str, part: Any) -> bool:
    if isinstance(part, Mapping):
        return edge in part
    if isinstance(part, Annotated | Dataset | Source | DataLoader):
        return True
    return not isinstance(part, Tensor | np.ndarray | list | tuple) and hasattr(part, "__getitem__")
