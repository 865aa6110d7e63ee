"""By what the weights of a stage are chosen: which models belong together, and what is validated for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drivetrain.training.base import Track
from drivetrain.training.measuring import Gauge, score, validation_loss
from drivetrain.training.reading import source_of
from drivetrain.training.run import Run
from drivetrain.training.running import Runner
from drivetrain.training.selection import Best

Judge = Callable[[Mapping[str, float], dict[str, Any]], float]
"""From the metrics of now and the row of the history, where it notes what it found, to a score; more is better."""


@dataclass(frozen=True)
class Choice:
    """The best weights of some models, and how weights are judged."""

    best: Best
    judge: Judge


def choices(run: Run, tracks: Sequence[Track]) -> list[Choice]:
    """Models with a metric on their own edge are chosen by it, others by the output's metric or their loss.

    Models that share a weight are chosen together, by the sum of their scores: the weight can only be of one epoch. All
    are where something is protected: what was measured then are the weights that are kept.
    """
    assert run.validation is not None
    metrics = run.gauge.metrics
    ends = [name for name, metric in metrics.items() if metric.edge in run.system.outputs] or list(metrics)
    apart = [track for track in tracks if track.system is not run.system]
    groups: list[tuple[tuple[str, ...], Judge]] = []
    together: list[str] = []
    if apart and not metrics:  # what they share is one after the merge, so it is chosen once
        models = dict.fromkeys(name for track in apart for name in track.models)
        groups.append((tuple(models), _summed([_by_loss(run, track, tracks) for track in apart])))
    for track in tracks:
        own = [name for name, metric in metrics.items() if metric.edge in track.truths]
        if own and len(tracks) > 1 and track.system is run.system:
            groups.append((track.models, _by_metrics(own, run.gauge)))
        elif metrics:
            together += track.models
        elif track.system is run.system:
            groups.append((track.models, _by_loss(run, track, tracks)))
    if together:
        groups.append((tuple(dict.fromkeys(together)), _by_metrics(ends, run.gauge)))
    found = _sharing_together(run, groups)
    if run.protection.margins:
        found = [(tuple(name for models, _ in found for name in models), _summed([judge for _, judge in found]))]
    return [Choice(Best(run.system, models), judge) for models, judge in found]


def _sharing_together(run: Run, groups: Sequence[tuple[tuple[str, ...], Judge]]) -> list[tuple[tuple[str, ...], Judge]]:
    """The groups, those that have a weight in common as one."""
    apart: list[tuple[tuple[str, ...], set[int], list[Judge]]] = []
    for models, judge in groups:
        weights = {id(weight) for name in models for weight in run.system.component(name).parameters()}
        judges = [judge]
        for other in [other for other in apart if other[1] & weights]:
            apart.remove(other)
            models, weights, judges = (*other[0], *models), weights | other[1], [*other[2], *judges]
        apart.append((models, weights, judges))
    return [(tuple(dict.fromkeys(models)), _summed(judges)) for models, _, judges in apart]


def _by_loss(run: Run, track: Track, tracks: Sequence[Track]) -> Judge:
    assert run.validation is not None
    source = source_of(track, run.validation)
    runner = Runner(track, source.fields())
    called = "validation loss" if len(tracks) == 1 else f"validation loss {track.name}"

    def judge(values: Mapping[str, float], row: dict[str, Any]) -> float:
        row[called] = loss = validation_loss(runner, track, source, run.gauge)
        return -loss if loss == loss else -float("inf")

    return judge


def _by_metrics(names: list[str], gauge: Gauge) -> Judge:
    return lambda values, row: score(names, gauge.metrics, dict(values))


def _summed(judges: Sequence[Judge]) -> Judge:
    return lambda values, row: sum(judge(values, row) for judge in judges)
