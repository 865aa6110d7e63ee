"""Tracks that learn apart in processes: an epoch of each is a task; it comes back as one process would leave it."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cloudpickle
import torch

from drivetrain.data import Ledger, Opened
from drivetrain.data.labels import Receipt
from drivetrain.errors import ComponentError, DeclarationError, TrainingError, listed
from drivetrain.processes import Pool
from drivetrain.training.base import State, TrainingPattern
from drivetrain.training.interleaving import Position, one_after_the_other
from drivetrain.training.lane import Lane
from drivetrain.training.measuring import Gauge
from drivetrain.training.optimizers import Optimizers
from drivetrain.training.place import place_of
from drivetrain.training.run import Run
from drivetrain.training.turns import Turns


@dataclass(frozen=True)
class Epoch:
    """One epoch of one track, as it is sent to a process.

    Attributes:
        name: for messages.
        number: of the track.
        weights: of its system.
        optimizers: the state of its optimizers.
        lane: the state of the lane.
        state: stage, epoch, iteration and updates in the stage so far.
    """

    name: str
    number: int
    weights: Mapping[str, Any]
    optimizers: Mapping[str, Any]
    lane: Mapping[str, Any]
    state: Mapping[str, Any]


@dataclass(frozen=True)
class Learned:
    """What came of it: new states, what to add to the counts of the whole training, and the labels that were read."""

    number: int
    weights: Mapping[str, Any]
    optimizers: Mapping[str, Any]
    lane: Mapping[str, Any]
    iterations: int
    in_stage: int
    updates: Counter[str]
    last: tuple[float, dict[str, float], tuple[str, ...]]
    receipts: list[Receipt]
    not_cached: str


class Apart:
    """Runs the epochs of lanes in processes and takes them back.

    A process whose worker dies loses an epoch of a track, which another begins anew from the same state; the third time
    training ends, and the last checkpoint stands.
    """

    def __init__(self, run: Run, pattern: TrainingPattern, lanes: Sequence[Lane]) -> None:
        self.run, self.lanes = run, lanes
        self.pool = Pool(min(pattern.processes, len(lanes)))
        settings = replace(run.settings, callbacks=(), checkpoint=None)
        nothing = Gauge(run.system, run.data, {}, 1)
        parts = (
            replace(run, validation=None, gauge=nothing, settings=settings, at_home=None, ledger=Ledger()), pattern,
            tuple(lane.track for lane in lanes), torch.get_num_threads(), torch.get_default_dtype(),
        )  # fmt: skip
        try:
            self.school = School(cloudpickle.dumps(parts))
        except Exception as reason:
            raise DeclarationError(
                f"{pattern.name}: the system, its losses, optimizers and data are sent to {pattern.processes} "
                f"processes, but something of them cannot be pickled: {reason}; processes=1 learns in this one"
            ) from reason

    def epoch(self, state: State, start: Mapping[str, Any] | None) -> Iterator[Position]:
        """An epoch of each lane; yields after each where to go on from, and how many updates it made.

        Raises:
            TrainingError: a track ended its process again and again.
        """
        if start and start["batch"]:  # the rest of an epoch that one process began
            yield from one_after_the_other(self.lanes, state, start)
            return
        done = set(start.get("done", range(start["lane"]))) if start else set()
        tasks = [self._task(lane, state) for lane in self.lanes if lane.number not in done]
        last: dict[int, tuple[float, dict[str, float], tuple[str, ...]]] = {}
        try:
            for learned in self.pool.run(self.school, tasks):
                self._take_back(learned, state)
                last[learned.number] = learned.last
                state.loss, state.terms, state.turn = last[max(last)]  # as if the last track had come last
                done.add(learned.number)
                yield {"lane": learned.number, "batch": 0, "done": sorted(done), "updates": learned.in_stage}
        except ComponentError as reason:
            if "worker process" not in str(reason):
                raise
            raise TrainingError(
                f"{reason}. Nothing that was trained before this epoch is lost: a checkpoint has it; processes=1 needs "
                f"the memory of one"
            ) from None

    def end(self) -> None:
        """Let the processes go."""
        self.pool.end()

    def _task(self, lane: Lane, state: State) -> Epoch:
        counts = {"stage": state.stage, "epoch": state.epoch, "iteration": state.iteration, "in_stage": state.in_stage}
        return Epoch(
            lane.track.name, lane.number, lane.track.system.state_dict(), lane.optimizers.state_dict(),
            lane.state_dict(), counts,
        )  # fmt: skip

    def _take_back(self, learned: Learned, state: State) -> None:
        lane = self.lanes[learned.number]
        lane.track.system.load_state_dict(learned.weights)
        lane.optimizers.load_state_dict(learned.optimizers)
        lane.optimizers.have_stepped()
        lane.load_state_dict(learned.lane)
        if lane.cache is not None:
            lane.cache.off = learned.not_cached
        for receipt in learned.receipts:
            self.run.ledger.pay(receipt)
        state.iteration += learned.iterations
        state.in_stage += learned.in_stage
        state.updates.update(learned.updates)


class School:
    """What a process is sent once: the tracks and all that they learn with; then it is called with epochs."""

    def __init__(self, parts: bytes) -> None:
        self.parts = parts
        self._opened: tuple[Run, TrainingPattern, tuple[Any, ...]] | None = None
        self._lanes: dict[int, Lane] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"parts": self.parts, "_opened": None, "_lanes": {}}

    def __call__(self, task: Epoch) -> Learned:
        """Learn for one epoch."""
        lane = self._lane(task.number)
        run, pattern, _ = self._open()
        system = lane.track.system
        system.load_state_dict(task.weights)
        lane.optimizers.load_state_dict(task.optimizers)
        lane.load_state_dict(task.lane)
        receipts: list[Receipt] = []
        run.ledger.receipts = receipts
        state = State(system, pattern, **task.state)
        for _ in lane.epoch(state, 0):
            pass
        lane.turns.rest()
        return Learned(
            task.number, system.state_dict(), lane.optimizers.state_dict(), lane.state_dict(),
            state.iteration - task.state["iteration"], state.in_stage - task.state["in_stage"], state.updates,
            (state.loss, state.terms, state.turn), receipts, "" if lane.cache is None else lane.cache.off,
        )  # fmt: skip

    def _open(self) -> tuple[Run, TrainingPattern, tuple[Any, ...]]:
        if self._opened is None:
            run, pattern, tracks, threads, dtype = pickle.loads(self.parts)
            torch.set_num_threads(threads)  # sums over several threads are rounded otherwise than those over one
            torch.set_default_dtype(dtype)
            self._opened = run, pattern, tracks
        return self._opened

    def _lane(self, number: int) -> Lane:
        if number not in self._lanes:
            run, pattern, tracks = self._open()
            track = tracks[number]
            place_of(track.system, run.place.device, run.settings.precision)
            optimizers = Optimizers(Turns(track.system), track.models, run.settings.optimizer, run.settings.schedule)
            self._lanes[number] = Lane(run, number, pattern, track, optimizers)
        return self._lanes[number]


def check_processes(patterns: Sequence[TrainingPattern], data: Opened, world: int, precision: str | None) -> None:
    """Refuse what cannot be spread over processes.

    Raises:
        DeclarationError: the data is a loader of the user's own, training is spread by a Fabric already, or the scale
            of losses in half precision would be shared.
    """
    asking = [pattern.name for pattern in patterns if pattern.processes > 1]
    if not asking:
        return
    if data.loaders:
        raise DeclarationError(
            f"{listed(asking)}: processes read the data each for itself, which a DataLoader of your own cannot be; "
            f"hand over its Dataset, or leave processes=1"
        )
    if world > 1:
        raise DeclarationError(f"{listed(asking)}: a Fabric spreads training already; leave processes=1")
    if precision == "fp16":
        raise DeclarationError(
            f'{listed(asking)}: chains in one process share the scale of their losses in precision="fp16", which '
            f'processes cannot; precision="bf16" has none'
        )
