"""One track in training: it reads its data, batch by batch, and its models are updated."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drivetrain.components.generators import everything_draws_anew
from drivetrain.data import Batch
from drivetrain.errors import DataError, listed
from drivetrain.graph.signature import KEY
from drivetrain.training.base import State, Track, TrainingPattern
from drivetrain.training.cache import Cache
from drivetrain.training.optimizers import Optimizers
from drivetrain.training.reach import Reach
from drivetrain.training.reading import Read, Reading, seed_of
from drivetrain.training.run import Run
from drivetrain.training.running import Runner
from drivetrain.training.step import Step, Taken


class Lane:
    """Trains the models of one track on its stream of batches."""

    def __init__(self, run: Run, number: int, pattern: TrainingPattern, track: Track, optimizers: Optimizers) -> None:
        self.settings, self.place = run.settings, run.place
        self.number, self.pattern, self.track = number, pattern, track
        self.optimizers, self.turns = optimizers, optimizers.turns
        self.reading = Reading(run, number, track)
        source = self.reading.source
        cachable = run.settings.cache and pattern.constant_turns and pattern.perturb is None
        self.cache = Cache(self.reading.samples, replayable=source.replayable) if cachable else None
        self.runner = Runner(track, source.fields(), self.cache)
        self.reach = Reach(pattern.name, track, self.runner)
        self._step = Step(run, pattern, track, self.reading, self.runner, self.turns)
        self._sums: dict[str, float] = defaultdict(float)
        self._updates = 0
        self.samples = 0  # learned from in this epoch
        self._used = False
        self._apart = track.system is not run.system
        self._everything = frozenset(node.name for node in track.system.nodes)

    def keep_nothing_that_moves(self, others: Sequence[Track]) -> None:
        """Cache no outputs of models that are frozen here and learn on another track of the same stage."""
        learning = [name for other in others if other.system is self.track.system for name in other.models]
        moving = {id(weight) for weight in self.turns.weights(learning)}
        frozen = self.runner.split(self.track.models).frozen
        if any(id(weight) in moving for node in frozen for weight in node.component.parameters()):
            self.cache = self.runner.cache = None

    def epoch(self, state: State, start: int) -> Iterator[int]:
        """Read the data once from batch ``start`` on; yields the number of the next batch after every update."""
        if start == 0:
            self._sums.clear()
            self._updates = self.samples = 0
            if self._apart:  # so that it is the same in whichever process, after whichever other track it runs
                everything_draws_anew(seed_of(self.settings.seed, state.stage, self.number, state.epoch) + 1)
        group: list[Read] = []
        last = self.reading.batches
        number = start
        reads = self.reading.epoch(state, start, self._needless(), twice=self.cache is not None)
        for read in reads:
            number += 1
            group.append(read)
            del read  # a batch is let go before the next one is made
            if len(group) == self.settings.accumulate or number == last:
                updated = self._update(group, state)
                group.clear()
                if updated:
                    yield number
        if group and self._update(group, state):
            yield number
        if fitted := self.optimizers.fit(self.track.models, self.reading.samples):
            state.iteration += 1
            state.updates.update(fitted)
        self.reach.check()
        if not self._used:
            raise DataError(
                f"{self.track.name}: no sample has all that is read: {listed(self.runner.inputs, 'no input')}, and the "
                f"truth of {' or '.join(listed(loss.edges) for loss in self.track.losses)}"
            )

    def usable(self) -> Iterator[Batch]:
        """The samples that it learns from, read once in the order of the data, where training computes."""
        for batch in self.reading.source.batches(self.settings.batch_size, None, self.settings.seed):
            if (having := self.runner.usable(batch)).size:
                yield having.to(self.place.device) if self.place.moves else having

    def means(self) -> dict[str, float]:
        """The loss and its terms, averaged over the updates of this epoch."""
        return {name: value / self._updates for name, value in self._sums.items()} if self._updates else {}

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on later."""
        passes = self.runner.passes
        return {
            "sums": dict(self._sums), "updates": self._updates, "reached": sorted(self.reach.reached),
            "forward": dict(passes.forward), "backward": dict(passes.backward), "used": self._used,
            "samples": self.samples,
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state_dict`` answered."""
        self._sums, self._updates = defaultdict(float, state["sums"]), state["updates"]
        self.reach.reached, self._used, self.samples = set(state["reached"]), state["used"], state["samples"]
        self.runner.passes.forward, self.runner.passes.backward = Counter(state["forward"]), Counter(state["backward"])

    def _needless(self) -> tuple[str, ...]:
        """Fields that nobody reads, or not any more, since all that is made of them is known."""
        if self.pattern.perturb is not None:
            return ()
        read = {*self.runner.inputs, *self.track.truths, KEY}
        if self.runner.unencoded:  # what the models emit is compared with the truth that stands in for them
            read |= {*self.track.system.inputs}
        source = self.reading.source
        unread = tuple(field for field in source.fields() if field not in read)
        complete = self.cache is not None and not self.cache.off and self.cache.misses >= len(source)
        return (*unread, *self.runner.split(self.track.models).read) if complete else unread

    def _update(self, group: Sequence[Read], state: State) -> bool:
        """Update the models in turn from some batches; answers whether any sample could be used."""
        turn = self.pattern.turn(self.track, state)
        # a perturbation wants the gradient of the inputs, so that nothing on the way may hide it
        live = self.runner.split(turn).names if self.pattern.perturb is None else self._everything
        statistics = self.turns.give(turn, live)
        statistics.keep()
        try:
            taken = [self._step.take(read, turn, len(group), state) for read in group]
            if self.place.world > 1:
                self.place.average_gradients(self.turns.weights(turn))
            moved = self.turns.having_gradients(turn)
            self.reach.note([each.learners for each in taken], moved)
            if not self.place.anywhere(any(each.used for each in taken)):
                return False
            self.optimizers.step(turn, self.settings.clip, self.place.scaler)
        except BaseException:  # whatever it was: an update that was not made leaves no trace
            statistics.put_back()
            raise
        self._note(turn, moved, taken, state)
        return True

    def _note(self, turn: tuple[str, ...], moved: tuple[str, ...], taken: Sequence[Taken], state: State) -> None:
        counted: dict[str, float] = {}
        for each in taken:
            for name, value in each.terms.items():
                counted[name] = counted.get(name, 0.0) + value
        stepped = self.optimizers.steps_now(self.optimizers.counted(moved))
        # who learns by being fitted has only gathered; a turn in which nothing had a gradient is an iteration still
        state.iteration += bool(stepped) or not self.optimizers.waits(turn)
        state.in_stage += 1
        state.turn = turn
        for name in stepped:
            state.updates[name] += 1
        state.loss = counted.get("loss", sum(counted.values()))
        state.terms = {name: value for name, value in counted.items() if name != "loss"}
        for name, value in counted.items():
            self._sums[name] += value
        self._updates += bool(counted)
        self.samples += sum(each.samples for each in taken)
        self._used = True
