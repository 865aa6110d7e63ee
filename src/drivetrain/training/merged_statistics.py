"""The statistics of batch norms in a merged trunk, measured anew by reading the training data once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from drivetrain.data import Batch
from drivetrain.errors import DeclarationError, listed
from drivetrain.graph import System
from drivetrain.graph.execution import run


def trunk_of(system: System, ends: Sequence[str]) -> tuple[str, ...]:
    """The models that lie before more than one of some edges."""
    ways = [{node.name for node in system.plan((edge,))} for edge in ends]
    return tuple(name for name in system.models if sum(name in way for way in ways) > 1)


def check_statistics(system: System, statistics: Any, ends: Sequence[str], asker: str) -> None:
    """Refuse a rule for statistics that is none, or that finds nothing to measure.

    Raises:
        DeclarationError: the message says what fits.
    """
    if statistics not in ("merged", "recomputed"):
        raise DeclarationError(f'{asker}: statistics is "merged" or "recomputed", found {statistics!r}')
    if statistics == "recomputed" and not _norms(system, ends):
        raise DeclarationError(
            f'{asker}: statistics="recomputed" measures the batch norms of torch modules anew, and the trunk '
            f'{listed(trunk_of(system, ends))} of {system.name} has none; statistics="merged" fits every trunk'
        )


def recompute(system: System, ends: Sequence[str], batches: Iterable[Batch]) -> None:
    """Measure what batch norms in the trunk see: means and variances averaged over batches, each counted alike.

    Everything else is as in evaluation, dropout too, for that is how the trunk will be used. As in Izmailov et al.
    2018, "Averaging Weights Leads to Wider Optima and Better Generalization", algorithm 1, last line.
    """
    norms = _norms(system, ends)
    trunk = set(trunk_of(system, ends))
    nodes = [node for node in system.plan(tuple(ends)) if node.name in _before(system, trunk)]
    momenta = [norm.momentum for norm in norms]
    system.eval()
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the average of all batches
            norm.training = True
        with torch.no_grad():
            for batch in batches:
                if batch.size > 1:  # one sample has no variance
                    run(nodes, {edge: batch[edge] for edge in system.inputs if edge in batch})
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.training = False


def _norms(system: System, ends: Sequence[str]) -> list[_BatchNorm]:
    modules = (module for name in trunk_of(system, ends) for module in system.component(name).modules())
    found = (module for module in modules if isinstance(module, _BatchNorm) and module.track_running_stats)
    return list({id(module): module for module in found}.values())


def _before(system: System, names: set[str]) -> set[str]:
    """Some nodes and all that they need."""
    edges = tuple(edge for node in system.nodes if node.name in names for edge in node.makes)
    return {node.name for node in system.plan(edges)}
