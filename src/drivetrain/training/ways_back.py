"""Ways back through models that are fitted: open while training runs, and refused at once where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from drivetrain.components.fitting import FittingModule, fitting
from drivetrain.errors import DeclarationError
from drivetrain.gradients.through import InputGradient
from drivetrain.graph import System
from drivetrain.training.base import Track


def open_ways_back(system: System) -> None:
    """Let gradients through models that learn by being fitted, to what lies before them, by an estimate."""
    for name, module in _fitted(system):
        module.way_back = InputGradient(name, module.upstream)


def close_ways_back(system: System) -> None:
    """Leave them as they were handed over."""
    for _, module in _fitted(system):
        module.way_back = None


def ways_back(system: System) -> Iterator[InputGradient]:
    """The ways that are open, each once."""
    found = {id(module): module.way_back for _, module in _fitted(system)}
    return (way for way in found.values() if isinstance(way, InputGradient))


def check_end_losses(system: System, tracks: Iterable[Sequence[Track]]) -> None:
    """Refuse an end loss for a model that could never follow it.

    Raises:
        DeclarationError: its output has no gradient, such as a class; the message names one that has.
    """
    for track in (track for group in tracks for track in group if not track.own_truth):
        for name in track.models:
            module = fitting(system.component(name))
            if module is not None and (reason := module.cannot_follow):
                raise DeclarationError(f"{track.name}: '{name}' cannot learn from it: {reason}")


def _fitted(system: System) -> Iterator[tuple[str, FittingModule]]:
    for node in system.nodes:
        if (module := fitting(node.component)) is not None:
            yield node.name, module
