"""A whole call of ``fit``: its stages one after the other, its checkpoints, and what there is to report."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

from drivetrain.components.fitting import unfitted
from drivetrain.components.foreign import hand_back
from drivetrain.components.generators import frameworks_drawing_from
from drivetrain.data import drawing_from
from drivetrain.errors import listed
from drivetrain.report import Progress, progress
from drivetrain.training import checkpoint as checkpoints
from drivetrain.training.base import State, Track
from drivetrain.training.callbacks import hooks
from drivetrain.training.fit_report import FitReport, PassCount
from drivetrain.training.glue import glue_words
from drivetrain.training.interleaving import Position
from drivetrain.training.merged_branches import merged_branches
from drivetrain.training.observing import Observed, Observer
from drivetrain.training.run import Run
from drivetrain.training.stage import Stage
from drivetrain.training.ways_back import close_ways_back, open_ways_back

SECONDS_BETWEEN_CHECKPOINTS = 30.0


class Session:
    """Runs the stages of one ``fit``."""

    def __init__(self, run: Run) -> None:
        self.run, self.system = run, run.system
        self.digest = run.system.digest
        self.state = State(run.system, run.patterns[0])
        self.observer = Observer(run)
        self.kept: list[dict[str, int | None]] = []
        self.notes: dict[str, None] = {}
        self.forward: Counter[str] = Counter()
        self.backward: Counter[str] = Counter()
        self.stage: Stage | None = None
        self.steps = hooks(run.settings.callbacks, "step")
        self._flags = [(module, module.training) for module in run.system.modules()]
        self._saved = time.perf_counter()
        open_ways_back(run.system)

    def train(self, started: float) -> FitReport:
        """Train through all stages, or what is left of them."""
        seed = self.run.settings.seed + self.run.place.rank
        with drawing_from(seed), frameworks_drawing_from(seed):
            resumed = self._resume()
            if resumed is None:
                self.observer.start()
                if unfitted(self.system):
                    self.notes["Before training nothing was measured: a model was not fitted yet."] = None
            spent = self.state.seconds
            while (number := self.state.stage) < len(self.run.patterns):
                # only now, since tracks that learn apart start from the weights that the stage before kept
                tracks = self.run.patterns[number].tracks(self.system)
                self._run_stage(number, tracks, resumed, started - spent)
                resumed = None
            self.state.seconds = spent + time.perf_counter() - started
            observed = self.observer.finish(self.state, self.kept)
        return self._report(observed)

    def leave(self) -> None:
        """Leave the system as it was handed over, whatever happened, and every user's object with what was learned."""
        if self.stage is not None:
            for optimizers in self.stage.optimizers.values():
                optimizers.turns.end()
            self.stage.let_go()
        for module, flag in self._flags:
            module.training = flag
        close_ways_back(self.system)
        hand_back(self.system)

    def _run_stage(
        self, number: int, tracks: tuple[Track, ...], resumed: dict[str, Any] | None, started: float
    ) -> None:
        state = self.state
        state.pattern = self.run.patterns[number]
        stage = Stage(self.run, number, tracks, state, self.observer.before)
        self.stage = stage
        position = None
        if resumed is not None and resumed["position"] is not None:
            position = self._continue(stage, resumed)
        title = f"training {self.system.name}: {state.pattern.name}"
        bar: Progress[int] = progress(stage.length, title)
        with bar:
            for place in stage.train(position):
                state.seconds = time.perf_counter() - started
                if place is not None and place["lane"] >= 0:
                    for step in self.steps:
                        step(state)
                    note = f"loss {state.history[-1]['loss']:.3g}" if "loss" in _last(state) else None
                    bar.advance(place.get("updates", 1), note=note)
                self._maybe_save(stage, place)
        self._end_stage(stage)

    def _continue(self, stage: Stage, resumed: dict[str, Any]) -> Position:
        """Put a stage where its checkpoint was taken; answers the batch to go on with."""
        stage.load_state_dict(resumed["stage"])
        checkpoints.restore_random_state(resumed["random"])
        position: Position = resumed["position"]
        return {"lane": 0, "batch": 0} if position["lane"] < 0 else position

    def _end_stage(self, stage: Stage) -> None:
        state = self.state
        for lane in stage.lanes:
            self.forward.update(lane.runner.passes.forward)
            self.backward.update(lane.runner.passes.backward)
            if lane.cache is not None and lane.cache.off:
                self.notes[f"Nothing was cached: {lane.cache.off}."] = None
            if lane.runner.unencoded:
                self.notes[f"The truth of {', '.join(lane.runner.unencoded)} stood in for its model unencoded."] = None
        self.kept.append(stage.kept())
        more = state.stage + 1 < len(self.run.patterns) and not state.stopped
        self.observer.end_stage(stage.pattern, self.kept[-1], more)
        self._note_the_end(stage)
        state.stage, state.epoch, state.in_stage, state.turn = state.stage + 1, 0, 0, ()
        if state.stopped:
            state.stage = len(self.run.patterns)
        self.stage = None
        self._save(stage, None)

    def _note_the_end(self, stage: Stage) -> None:
        """Say where training ended, if before its last epoch, and what of it is therefore not in the system."""
        state, patterns = self.state, self.run.patterns
        where = f"epoch {state.epoch} of {stage.epochs}"
        where += f" of stage {state.stage + 1} ({stage.pattern.name})" if len(patterns) > 1 else ""
        if state.reached:
            when = f"after {where}" if state.epoch else f"before training ({where})"
            self.notes[f"The required quality was reached {when}."] = None
        elif state.stopped:
            self.notes[f"Training was stopped after {where}: {state.stopped}."] = None
        if state.epoch > stage.merged:
            since = f"epoch {stage.merged}" if stage.merged else "the start"
            self.notes[
                f"The end fell into a round: what the tracks have learned since {since} was not merged, so the system "
                f"is as it was then."
            ] = None
        if state.stopped and (left := patterns[state.stage + 1 :]):
            self.notes[f"Not run at all: {listed(pattern.name for pattern in left)}."] = None

    def _maybe_save(self, stage: Stage, place: Position | None) -> None:
        if self.run.settings.checkpoint is None or place is None:
            return
        replayable = all(lane.reading.source.replayable for lane in stage.lanes)
        due = time.perf_counter() - self._saved > SECONDS_BETWEEN_CHECKPOINTS
        if place["lane"] < 0 or (due and replayable):
            stage.check()
            self._save(stage, place)

    def _save(self, stage: Stage, position: Position | None) -> None:
        if self.run.settings.checkpoint is None or self.run.place.rank:
            return
        state = self.state
        checkpoints.write(
            self.run.settings.checkpoint,
            {
                "digest": self.digest, "plan": self.run.plan, "seed": self.run.settings.seed, "position": position,
                "weights": self.system.state_dict(), "stage": stage.state_dict() if position is not None else None,
                "random": checkpoints.random_state(),
                "loaders": [loader.random_state() for loader in self.run.data.loaders],
                "state": {"stage": state.stage, "epoch": state.epoch, "iteration": state.iteration,
                          "in_stage": state.in_stage, "terms": state.terms, "updates": dict(state.updates),
                          "history": state.history, "seconds": state.seconds, "turn": state.turn,
                          "stopped": state.stopped, "reached": state.reached},
                "ledger": [list(key) + [value] for key, value in self.run.ledger.entries.items()],
                "paid": {edge: list(ids) for edge, ids in self.run.ledger.paid.items()},
                "observed": self.observer.state_dict(), "kept": self.kept, "notes": list(self.notes),
                "forward": dict(self.forward), "backward": dict(self.backward),
            },
        )  # fmt: skip
        self._saved = time.perf_counter()

    def _resume(self) -> dict[str, Any] | None:
        path = self.run.settings.checkpoint
        kept = None if path is None else checkpoints.read(path, self.digest, self.run.plan)
        if kept is None:
            return None
        self.system.load_state_dict(kept["weights"])
        for name, value in kept["state"].items():
            setattr(self.state, name, Counter(value) if name == "updates" else value)
        self.run.settings = replace(self.run.settings, seed=kept["seed"])  # the order of samples goes on, too
        checkpoints.restore_random_state(kept["random"])
        for loader, states in zip(self.run.data.loaders, kept["loaders"], strict=True):
            loader.restore_random_state(states)
        self.run.ledger.entries.update({(edge, origin, use): count for edge, origin, use, count in kept["ledger"]})
        self.run.ledger.paid = defaultdict(set, {edge: set(ids) for edge, ids in kept["paid"].items()})
        self.observer.load_state_dict(kept["observed"])
        self.kept, self.notes = list(kept["kept"]), dict.fromkeys(kept["notes"])
        self.forward, self.backward = Counter(kept["forward"]), Counter(kept["backward"])
        if any(not loader.restorable for loader in self.run.data.loaders):
            self.notes[
                "The loader's sampler is the user's own: training was resumed, but its order may not be what it would "
                "have been."
            ] = None
        return kept

    def _report(self, observed: Observed) -> FitReport:
        state = self.state
        trained = {name for chosen in self.kept for name in chosen}
        models = [name for name in self.system.models if name in trained or self.forward[name]]
        source = (
            "validation data"
            if self.run.validation is not None
            else f"the first {self.run.gauge.limit} training samples at most"
        )
        return FitReport(
            pattern=", then ".join(pattern.name for pattern in self.run.patterns),
            system=self.system.name,
            history=state.history,
            iterations=state.iteration,
            updates={name: state.updates[name] for name in models},
            seconds=state.seconds,
            passes={name: PassCount(self.forward[name], self.backward[name]) for name in models},
            labels=self.run.ledger,
            edges=observed.changes,
            gaps=observed.gaps,
            branches=merged_branches(self.system, self.run.patterns, state.history, self.kept, observed.changes),
            inner=observed.inner,
            swaps=observed.swaps,
            measured_on=source,
            outputs=self.system.outputs,
            kept=tuple(self.kept),
            notes=(*self.notes, *observed.words, *glue_words(self.system)),
            protected=dict(self.run.protection.margins),
            reached=state.reached if self.run.settings.until else None,
            seed=self.run.settings.seed,
        )


def _last(state: State) -> dict[str, Any]:
    return state.history[-1] if state.history else {}
