"""``fit``: train a system by a training pattern, in place, and report what that did."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from drivetrain.data import Ledger, Opened
from drivetrain.errors import DeclarationError
from drivetrain.evaluation.metrics import metrics_by_edge
from drivetrain.graph import System
from drivetrain.training.apart import check_processes
from drivetrain.training.base import Plan, State, Track, TrainingPattern
from drivetrain.training.callbacks import told
from drivetrain.training.fit_report import FitReport
from drivetrain.training.losses import BoundLoss, check_truths
from drivetrain.training.measuring import WITHOUT_VALIDATION, Gauge
from drivetrain.training.optimizers import Clip, EveryIteration, MakeOptimizer, MakeSchedule
from drivetrain.training.place import check_device, place_of
from drivetrain.training.protection import protection_of
from drivetrain.training.reading import source_of
from drivetrain.training.run import Run
from drivetrain.training.session import Session
from drivetrain.training.settings import (
    Settings,
    check_optimizers,
    check_options,
    check_perturbations,
    check_until,
    checkpoint_at,
    epochs_of,
)
from drivetrain.training.stages import stages_of
from drivetrain.training.unfitted import refuse_unfitted
from drivetrain.training.ways_back import check_end_losses


def fit(
    system: System,
    data: Any,
    pattern: TrainingPattern,
    *,
    epochs: int | tuple[int, ...],
    batch_size: int = 32,
    optimizer: MakeOptimizer | Mapping[str, MakeOptimizer] | None = None,
    schedule: MakeSchedule | EveryIteration | None = None,
    clip: Clip | None = None,
    accumulate: int = 1,
    precision: str | None = None,
    validation: Any = None,
    metric: Any = None,
    until: Mapping[str, float] | None = None,
    protect: float | Mapping[str, float] | None = None,
    unit: str | None = None,
    seed: int | None = None,
    device: Any = "auto",
    checkpoint: str | Path | None = None,
    cache: bool = True,
    callbacks: Sequence[Callable[[State], Any]] = (),
) -> FitReport:
    """Train a system in place.

    Args:
        system: what to train.
        data: a map-style ``Dataset`` of dict samples, a ``DataLoader`` of dict batches, a dict of arrays with one first
            dimension, or a dict of such data sets keyed by truth edge. Samples may lack edges.
        pattern: how models learn, such as ``SimultaneousEndLoss(loss)``.
        epochs: readings of the data; a tuple with one number per stage for ``Stages``.
        batch_size: samples per batch (a ``DataLoader`` has its own).
        optimizer: from a list of weights to a torch optimizer, or a dict of those by component; Adam at 0.001 if None.
        schedule: from an optimizer to a torch learning-rate scheduler, stepped after every epoch
            (``EveryIteration(f)``: after every update).
        clip: the largest norm of the gradient of all models in turn, or a function of their weights.
        accumulate: batches per update.
        precision: ``"bf16"`` or ``"fp16"`` for mixed precision; None computes in the type of the weights.
        validation: data of any accepted form; after each epoch it chooses the best weights.
        metric: a metric of the output, or a dict of metrics by edge; without one the validation loss chooses.
        until: stop as soon as these metrics are reached on validation: ``{"cones": 0.9}``.
        protect: what training must not make worse, and by how much it may: ``{"sign": 0.01}`` by edge or metric, or one
            margin for every branch. Weights beyond it are never kept: the best of the others are, else those from
            before training. It is decided on ``validation``, by the whole interval where the metric has one.
        unit: the field of the data whose values are independent, such as ``"session"``: intervals of what training did
            are drawn over it, as in ``evaluate``; None where each sample is independent.
        seed: rules order, dropout and everything else that is drawn; None draws one from torch's generator.
        device: ``"auto"``, a torch device, or a ``lightning.fabric.Fabric`` for several.
        checkpoint: a file to keep where training stands; an existing one is resumed.
        cache: keep what frozen branches answered, per sample, instead of running them in every epoch.
        callbacks: functions of the ``State``, called after every epoch; ``state.stop(why)`` ends training. What else
            they may be told is in ``training/callbacks.py``; ``Experiment(...).run(system)`` is one that records all.

    Raises:
        DeclarationError: something was named or asked for that the system does not have; before data is touched.
        DataError: data is empty, unreadable or lacks an edge that is needed.
        NoGradientError: the loss cannot reach a model that should learn.
        NonFiniteLossError: the loss, or a weight, became NaN or infinite; the checkpoint before it is untouched.
        CheckpointError: the checkpoint is damaged, of another training, or cannot be written.
    """
    if not isinstance(system, System):
        raise DeclarationError(f"fit trains a System, found {type(system).__name__}; declare one with @system")
    if not isinstance(pattern, TrainingPattern):
        raise DeclarationError(f"fit takes a training pattern such as SimultaneousEndLoss(loss), found {pattern!r}")
    patterns = stages_of(pattern)
    check_perturbations(patterns)
    tracks = [each.tracks(system) for each in patterns]
    check_end_losses(system, tracks)
    if validation is None and (needing := [each.needs_validation for each in patterns if each.needs_validation]):
        raise DeclarationError(f"{needing[0]} is decided on validation data; give validation=")
    metrics = {} if metric is None else metrics_by_edge(system, metric)
    check_until(system, until, metrics, validation)
    losses = _losses_by_edge(tracks)
    protection = protection_of(system, protect, metrics, losses, tracks, validation)
    settings = Settings(
        epochs=epochs_of(epochs, len(patterns)),
        batch_size=batch_size,
        optimizer=optimizer,
        schedule=schedule,
        clip=clip,
        accumulate=accumulate,
        precision=precision,
        until=dict(until or {}),
        seed=int(torch.randint(2**31, ())) if seed is None else seed,
        checkpoint=checkpoint_at(checkpoint),
        cache=cache,
        callbacks=callbacks,
    )
    if settings.checkpoint is None or not settings.checkpoint.exists():  # which may hold what was fitted
        refuse_unfitted(tracks[0])
    check_options(settings)
    check_optimizers(system, optimizer, tracks)
    check_device(system, device, precision)
    opened = Opened(data, system)
    judged = None if validation is None else Opened(validation, system)
    for track in (track for group in tracks for track in group):
        check_truths(track.losses, opened.of(track.truths).fields(), track.name)
        source_of(track, opened)
        if judged is not None and not metrics:
            check_truths(track.losses, judged.of(track.truths).fields(), f"{track.name}, validation")
            source_of(track, judged)
    place = place_of(system, device, precision)
    check_processes(patterns, opened, place.world, precision)
    settings = replace(settings, seed=place.agreed(settings.seed))
    ledger = Ledger()
    gauge = Gauge(
        system, judged or opened, metrics, max(batch_size, 64), losses, place.device, unit,
        limit=WITHOUT_VALIDATION if judged is None else None, ledger=None if judged is None else ledger,
    )  # fmt: skip
    gauge.check()
    at_home = None
    if judged is not None and not opened.loaders:  # a loader of the user's own would go on from another place
        at_home = Gauge(
            system, opened, metrics, max(batch_size, 64), losses, place.device, limit=WITHOUT_VALIDATION
        )  # fmt: skip
    plan = settings.plan(patterns, seed, protection.margins)
    session = Session(Run(system, patterns, opened, judged, gauge, settings, place, plan, ledger, at_home, protection))
    told_to = [] if place.rank else callbacks
    about = Plan(system, patterns, tuple(tracks), opened, judged, settings.to_dict(), settings.seed)
    started = time.perf_counter()
    with told(told_to, about) as ended:
        try:
            report = session.train(started)
        finally:
            session.leave()
        ended(report)
    return report


def _losses_by_edge(tracks: Sequence[tuple[Track, ...]]) -> dict[str, BoundLoss]:
    """The losses that judge an edge where no metric does."""
    losses = [loss for group in tracks for track in group for loss in track.losses if len(loss.edges) == 1]
    return {loss.edges[0]: loss for loss in losses}
