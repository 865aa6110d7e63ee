"""What training did to branches it did not train: degraded by the trunk before them, or not measured at all."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from drivetrain.errors import listed
from drivetrain.evaluation.change import Change
from drivetrain.graph import System
from drivetrain.graph.topology import FORKING


def branch_ends(system: System) -> tuple[str, ...]:
    """The edges in which branches end: the outputs, and what parallel models make of the output of one model."""
    parallel = {name for found in system.patterns if found.pattern == FORKING for name in found.models}
    inner = (edge for node in system.nodes if node.name in parallel for edge in node.makes)
    return tuple(dict.fromkeys((*system.outputs, *inner)))


def branch_words(system: System, changes: Iterable[Change], moved: Collection[str]) -> list[str]:
    """What the owner of a branch must know that was not trained while a model before it was, in sentences.

    Args:
        system: what was trained.
        changes: what was measured.
        moved: the models whose weights are no longer those from before training.
    """
    changes = list(changes)
    said = []
    for edge in branch_ends(system):
        before = [node.name for node in system.plan((edge,)) if node.component.learns]
        trunk = [name for name in before if name in moved]
        if not trunk:
            continue
        measured = [change for change in changes if change.edge == edge]
        frozen = [name for name in before[-1:] if name not in moved]
        if not measured and edge in system.outputs:
            said.append(
                f"What became of {edge} is unknown, since nothing measured it, though {listed(trunk)} before it "
                f"changed: give a metric and the truth of {edge}."
            )
        elif frozen and any(change.better is False for change in measured):
            said.append(
                f"Training {listed(trunk)} degraded {edge}, whose own model {listed(frozen)} was frozen and still "
                f"expects what {listed(trunk)} was before: train it on in context "
                f"(Individual({{'{edge}': loss}}, inputs=\"system\")), or forbid this with protect={{'{edge}': 0.01}}."
            )
    return said
