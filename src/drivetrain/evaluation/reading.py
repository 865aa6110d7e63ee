"""What is read to judge an edge: which fields a sample must have, from which data set, and which samples have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from drivetrain.data import Batch, Opened, Source
from drivetrain.errors import MissingEdgeError, listed
from drivetrain.graph import System


@contextmanager
def judged(system: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients; afterwards every module is in the mode that it was in."""
    training = {module: module.training for module in system.modules()}
    system.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in training.items():
            module.training = mode


def needs_of(system: System, edge: str, unit: str | None) -> tuple[str, ...]:
    """The fields that a sample must have to be judged on an edge: some inputs, the truth, the unit."""
    read = {name for node in system.plan((edge,)) for name in node.inputs}
    inputs = [name for name in system.inputs if name in read]
    return (*inputs, edge) if unit is None else (*inputs, edge, unit)


def source_of(system: System, opened: Opened, edge: str, needs: tuple[str, ...], unit: str | None) -> Source:
    """The edge's own data set, or else all of them joined.

    Raises:
        MissingEdgeError: a field is nowhere in the data.
    """
    own = opened.parts.get(edge)
    if own is not None and set(needs) <= set(own.fields()):
        return own
    source = opened.whole
    fields = source.fields()
    for field in needs:
        if field not in fields:
            what = "truth for edge" if field == edge else "field for unit" if field == unit else "input"
            raise MissingEdgeError(
                f"evaluating '{edge}' of {system.name}: the data has no {what} '{field}'; "
                f"its samples have: {listed(fields)}"
            )
    return source


def parts_of(batch: Batch, needs: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[tuple[str, ...], Batch]]:
    """The edges that the same samples can be judged on, with these samples, so that they run together and once."""
    together: dict[tuple[int, ...] | None, list[str]] = {}
    for edge, fields in needs.items():
        rows = batch.rows(fields)
        together.setdefault(None if rows is None else tuple(rows.tolist()), []).append(edge)
    for chosen, edges in together.items():
        if chosen is None:
            yield tuple(edges), batch
        elif chosen:
            yield tuple(edges), batch.only(torch.tensor(chosen))
