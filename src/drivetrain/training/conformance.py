"""The exam that every training pattern sits, ours and yours: ``examine(system, data, pattern)``."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drivetrain.graph import System
from drivetrain.training.base import State, TrainingPattern
from drivetrain.training.fit import fit
from drivetrain.training.fit_report import FitReport

EPOCHS = 3


def examine(system: System, data: Mapping[str, Tensor], pattern: TrainingPattern) -> None:
    """Ask every question in turn; the system itself is left alone.

    Args:
        system: a small one that the pattern can train.
        data: its inputs and the truths that the pattern needs, with one first dimension.
        pattern: the candidate.

    Raises:
        AssertionError: the pattern fails; the message lists every question it failed, with what was found.
    """
    failures = []
    for question in QUESTIONS:
        try:
            question(system, data, pattern)
        except Exception as failure:
            failures.append(f"{question.__name__}: {failure}")
    if failures:
        raise AssertionError(f"{pattern.name} fails {len(failures)} of {len(QUESTIONS)}:\n" + "\n".join(failures))


def the_same_seed_gives_the_same_weights(system: System, data: Mapping[str, Tensor], pattern: TrainingPattern) -> None:
    """Bitwise, and with the same pattern again: it keeps nothing from the first training."""
    first, _ = _trained(system, data, pattern)
    second, _ = _trained(system, data, pattern)
    changed = _changed(first, second)
    assert not changed, f"a second training from the same seed differs in {changed}"


def only_models_that_were_updated_change(system: System, data: Mapping[str, Tensor], pattern: TrainingPattern) -> None:
    """Every other weight and statistic stays bitwise the same, and the report counts who was updated."""
    after, report = _trained(system, data, pattern)
    owners = {name: {id(weight) for weight in after.component(name).parameters()} for name in after.models}
    free = set().union(*(owners[name] for name, count in report.updates.items() if count))
    moved = {name for name in after.models if _changed(system.component(name), after.component(name))}
    strangers = [name for name in moved if not owners[name] & free]
    assert not strangers, f"the report counts no update of {strangers}, but their weights changed"
    still = [name for name, count in report.updates.items() if count and name not in moved]
    assert not still, f"the report counts updates of {still}, but their weights did not change"
    assert report.iterations <= sum(report.updates.values()), "an iteration updates at least one model"


def the_system_is_left_as_it_was_found(system: System, data: Mapping[str, Tensor], pattern: TrainingPattern) -> None:
    """Training flags and which weights require a gradient are the user's; no gradient stays behind."""
    system = copy.deepcopy(system)
    flags = [module.training for module in system.modules()]
    free = {name: weight.requires_grad for name, weight in system.named_parameters()}
    _fit(system, data, pattern)
    assert flags == [module.training for module in system.modules()], "modules were left in another mode"
    left = {name: weight.requires_grad for name, weight in system.named_parameters() if name in free}
    assert free == left, "weights were left frozen or freed"
    assert all(weight.grad is None for weight in system.parameters()), "gradients were left behind"


def everything_wrong_is_told_before_data_is_touched(
    system: System, data: Mapping[str, Tensor], pattern: TrainingPattern
) -> None:
    """``tracks`` names models of the system, edges that it has, and changes nothing."""
    twin = copy.deepcopy(system)
    tracks = pattern.tracks(twin)
    assert tracks, "a pattern has at least one track"
    for track in tracks:
        unknown = set(track.models) - set(twin.models)
        assert not unknown, f"track '{track.name}' names {unknown}, which are no models of the system"
        assert set(track.truths) <= set(twin.edges), f"track '{track.name}' reads truths of edges that are not there"
        assert track.losses, f"track '{track.name}' minimises nothing"
    assert not _changed(system, twin), "tracks() changed the system"


def an_interrupted_training_goes_on_bitwise(
    system: System, data: Mapping[str, Tensor], pattern: TrainingPattern
) -> None:
    """From its last checkpoint, to the weights and counts of a training that was never interrupted."""
    whole, uninterrupted = _trained(system, data, pattern)
    resumed = copy.deepcopy(system)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training"
        with suppress(_Interrupted):
            _fit(copy.deepcopy(system), data, pattern, checkpoint=path, callbacks=[_interrupt])
        report = _fit(resumed, data, pattern, checkpoint=path)
    changed = _changed(whole, resumed)
    assert not changed, f"after an interruption {changed} differ from an uninterrupted training"
    assert report.updates == uninterrupted.updates, f"{report.updates} instead of {uninterrupted.updates} updates"


QUESTIONS: tuple[Callable[[System, Mapping[str, Tensor], TrainingPattern], None], ...] = (
    everything_wrong_is_told_before_data_is_touched,
    the_same_seed_gives_the_same_weights,
    only_models_that_were_updated_change,
    the_system_is_left_as_it_was_found,
    an_interrupted_training_goes_on_bitwise,
)


class _Interrupted(Exception):
    """Stands for whatever ends a process."""


def _interrupt(state: State) -> None:
    if state.epoch == EPOCHS - 1:
        raise _Interrupted


def _fit(system: System, data: Mapping[str, Tensor], pattern: TrainingPattern, **options: Any) -> FitReport:
    size = max(1, len(next(iter(data.values()))) // 3)
    return fit(system, dict(data), pattern, epochs=EPOCHS, batch_size=size, seed=11, device="cpu", **options)


def _trained(system: System, data: Mapping[str, Tensor], pattern: TrainingPattern) -> tuple[System, FitReport]:
    twin = copy.deepcopy(system)
    return twin, _fit(twin, data, pattern)


def _changed(one: torch.nn.Module, other: torch.nn.Module) -> list[str]:
    others = other.state_dict()
    return [name for name, value in one.state_dict().items() if not torch.equal(value, others[name])]
