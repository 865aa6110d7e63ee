"""A model that was never fitted, such as a new forest, cannot answer yet; which labels fit it first is said at once."""

from __future__ import annotations

from collections.abc import Sequence

from drivetrain.components.fitting import fitting
from drivetrain.errors import DeclarationError
from drivetrain.graph import Node
from drivetrain.graph.execution import needed
from drivetrain.training.base import Track


def refuse_unfitted(tracks: Sequence[Track]) -> None:
    """Refuse a first stage that runs through a model which was never fitted, and is not by a track before.

    Raises:
        DeclarationError: the message says what fits it.
    """
    fitted: set[str] = set()
    for track in tracks:
        own = track.models if track.own_truth else ()
        for node in needed(track.system.graph, track.truths) if track.inputs == "system" else ():
            module = fitting(node.component)
            if module is not None and not module.is_fitted and node.name not in (*fitted, *own):
                raise DeclarationError(_said(track, node))
        fitted.update(own)


def _said(track: Track, node: Node) -> str:
    edge, kind = node.makes[0], type(node.component.thing).__name__
    stages = f"Stages(Individual({{'{edge}': loss}}, inputs=\"system\"), ...), epochs=(1, ...)"
    said = f"{track.name}: '{node.name}' ({kind}) was never fitted, so that it cannot answer yet. "
    if edge in track.system.outputs:
        return f"{said}Its edge '{edge}' is an output, whose labels fit it first: {stages}"
    return f"{said}Call its own fit before, or fit it to truth of its edge '{edge}', if there is any: {stages}"
