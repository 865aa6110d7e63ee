"""One stage of training: a pattern, for some epochs, from the weights it finds to the weights it keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drivetrain.components.fitting import unfitted
from drivetrain.components.generators import everything_draws_anew
from drivetrain.evaluation.change import Measurement
from drivetrain.training.apart import Apart
from drivetrain.training.base import Moment, State, Track
from drivetrain.training.choosing import choices
from drivetrain.training.finite import check_weights
from drivetrain.training.interleaving import Position, one_after_the_other, taking_turns
from drivetrain.training.lane import Lane
from drivetrain.training.optimizers import Optimizers
from drivetrain.training.reading import seed_of
from drivetrain.training.run import Run
from drivetrain.training.selection import START
from drivetrain.training.settings import Settings
from drivetrain.training.turns import Turns


class Stage:
    """Runs the lanes of one pattern and chooses the weights to keep.

    Attributes:
        lanes: one per track.
        optimizers: one set per system that is trained: the user's own, or copies where tracks learn apart.
        apart: where lanes are run in processes.
        choices: the groups of models whose weights are chosen together, each with how it is judged.
        before: what was measured before the first stage; what is protected is compared with it.
        merged: the last epoch after which the system itself was up to date.
    """

    def __init__(
        self, run: Run, number: int, tracks: Sequence[Track], state: State, before: Measurement | None = None
    ) -> None:
        self.run, self.state, self.before = run, state, before
        self.pattern, self.epochs = run.patterns[number], run.settings.epochs[number]
        self.optimizers = _optimizers(tracks, run.settings)
        self.lanes = [
            Lane(run, place, self.pattern, track, self.optimizers[id(track.system)])
            for place, track in enumerate(tracks)
        ]
        for lane in self.lanes:
            lane.keep_nothing_that_moves([other.track for other in self.lanes if other is not lane])
        self.apart = Apart(run, self.pattern, self.lanes) if self.pattern.processes > 1 else None
        self.choices = [] if run.validation is None else choices(run, tracks)
        self.merged = START

    @property
    def length(self) -> int:
        """Updates that the stage will make."""
        return self.epochs * sum(lane.reading.updates for lane in self.lanes)

    def train(self, start: Position | None = None) -> Iterator[Position]:
        """Train; yields after every update where to go on from, at the end of an epoch with ``lane`` -1.

        Weights in the system are those of the moment; the best ones are put back at the end.
        """
        state = self.state
        if not start:
            self._judge(START)
        while state.epoch < self.epochs and not state.stopped:
            if self.pattern.interleaved:
                yield from taking_turns(self.lanes, self.pattern.interleaved, state, start)
            elif self.apart is not None:
                yield from self.apart.epoch(state, start)
            else:
                yield from one_after_the_other(self.lanes, state, start)
            start = None
            self._end_epoch()
            yield {"lane": -1, "batch": 0}
        self._finish()

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on later, the system's weights apart."""
        return {
            "lanes": [lane.state_dict() for lane in self.lanes],
            "optimizers": [optimizers.state_dict() for optimizers in self.optimizers.values()],
            "own": [lane.track.system.state_dict() if self._apart(lane) else {} for lane in self.lanes],
            "best": [choice.best.state_dict() for choice in self.choices],
            "merged": self.merged,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state_dict`` answered."""
        for lane, kept, own in zip(self.lanes, state["lanes"], state["own"], strict=True):
            lane.load_state_dict(kept)
            if own:
                lane.track.system.load_state_dict(own)
        for optimizers, kept in zip(self.optimizers.values(), state["optimizers"], strict=True):
            optimizers.load_state_dict(kept)
        for choice, kept in zip(self.choices, state["best"], strict=True):
            choice.best.load_state_dict(kept)
        self.merged = state["merged"]

    def kept(self) -> dict[str, int | None]:
        """For each trained model the epoch whose weights were kept."""
        chosen: dict[str, int | None] = {name: None for lane in self.lanes for name in lane.track.models}
        for choice in self.choices:
            chosen |= dict.fromkeys(choice.best.models, self.merged if self.state.reached else choice.best.epoch)
        return chosen

    def check(self) -> None:
        """Refuse weights that are not finite, before they are judged or written down.

        Raises:
            NonFiniteLossError: the message names the models.
        """
        for optimizers in self.optimizers.values():
            check_weights(optimizers.turns, f"in epoch {self.state.epoch + 1} of {self.pattern.name}")

    def _end_epoch(self) -> None:
        state = self.state
        self.check()
        if any(self._apart(lane) for lane in self.lanes):  # what follows must not depend on where they ran
            everything_draws_anew(seed_of(self.run.settings.seed, state.stage, len(self.lanes), state.epoch) + 1)
        for optimizers in self.optimizers.values():
            optimizers.end_epoch()
            optimizers.turns.rest()
            self.run.place.average_statistics(optimizers.turns.system)
        state.epoch += 1
        tracks = [lane.track for lane in self.lanes]
        moment = self._moment()
        current = self.pattern.after_epoch(tracks, self.run.system, moment)
        state.history.append(self._row() | self._losses() | moment.row)
        if current:
            self.merged = state.epoch
            self._judge(state.epoch)
        for callback in self.run.settings.callbacks:
            callback(state)

    def _moment(self) -> Moment:
        samples, readings = [lane.samples for lane in self.lanes], [lane.usable for lane in self.lanes]
        if self.run.validation is None:
            return Moment(self.state.epoch, self.epochs, samples, readings=readings)
        judged = {edge for lane in self.lanes for edge in lane.track.truths}

        def measure() -> Mapping[str, float]:
            self.run.system.eval()
            return self.run.gauge.measure(also=judged).values

        def score() -> float:
            values = measure()
            return sum(choice.judge(values, {}) for choice in self.choices)

        return Moment(self.state.epoch, self.epochs, samples, measure, score, readings)

    def _losses(self) -> dict[str, float]:
        means = [(lane.track.name, lane.means()) for lane in self.lanes]
        if len(means) == 1:
            return means[0][1]
        losses = {f"{name}: {term}": value for name, mean in means for term, value in mean.items()}
        return {"loss": sum(mean.get("loss", 0.0) for _, mean in means), **losses}

    def _judge(self, epoch: int) -> None:
        """Validate, offer the weights of now to be kept, and stop where the requirement holds."""
        if self.run.validation is None or unfitted(self.run.system):
            return
        self.run.system.eval()
        measured = self.run.gauge.measure(also=self.run.protection.losses)
        if epoch == START:
            self.state.history.append(self._row())
        row = self.state.history[-1]
        row.update({f"validation {name}": value for name, value in measured.values.items()})
        allowed = self._allowed(measured, row)
        for choice in self.choices:
            score = choice.judge(measured.values, row)
            if allowed or epoch == START:
                choice.best.offer(score, epoch)
        until = self.run.settings.until
        if (
            until
            and allowed
            and all(self._holds(name, wanted, measured.values[name]) for name, wanted in until.items())
        ):
            self.state.reached = True
            self.state.stop("the required quality was reached")

    def _allowed(self, measured: Measurement, row: dict[str, Any]) -> bool:
        """Whether nothing that is protected became worse than it may."""
        protection = self.run.protection
        if not protection.margins or self.before is None:
            return True
        changes = self.run.gauge.changes(self.before, measured, only=protection.margins)
        row["protected"] = protection.judge(changes)
        return protection.allows(row["protected"])

    def _row(self) -> dict[str, Any]:
        state = self.state
        return {
            "stage": state.stage, "pattern": self.pattern.name, "epoch": state.epoch, "iteration": state.iteration,
            "seconds": state.seconds,
        }  # fmt: skip

    def _holds(self, name: str, wanted: float, value: float) -> bool:
        return value >= wanted if self.run.gauge.metrics[name].higher_is_better else value <= wanted

    def _finish(self) -> None:
        for choice in self.choices:
            if not self.state.reached:  # else those of now are the ones that were asked for
                choice.best.restore()
        for optimizers in self.optimizers.values():
            optimizers.turns.end()
        self.let_go()

    def let_go(self) -> None:
        """End the processes of tracks that learn apart."""
        if self.apart is not None:
            self.apart.end()

    def _apart(self, lane: Lane) -> bool:
        return lane.track.system is not self.run.system


def _optimizers(tracks: Sequence[Track], settings: Settings) -> dict[int, Optimizers]:
    """The optimizers of each system that is trained, by its identity."""
    made = {}
    for system in {id(track.system): track.system for track in tracks}.values():
        models = tuple(dict.fromkeys(name for track in tracks if track.system is system for name in track.models))
        own_truth = {name for track in tracks if track.system is system and track.own_truth for name in track.models}
        made[id(system)] = Optimizers(Turns(system), models, settings.optimizer, settings.schedule, own_truth)
    return made
