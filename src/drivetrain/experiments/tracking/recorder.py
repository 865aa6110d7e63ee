"""The callback that records a ``fit``: what it was given, what it measures on the way, what it made, why it failed."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Mapping
from typing import Any

from drivetrain.errors import StoreError
from drivetrain.experiments.store import Store
from drivetrain.experiments.store.contexts import Context, Member
from drivetrain.experiments.store.runs import Use
from drivetrain.experiments.tracking import mirror
from drivetrain.experiments.tracking.data_digest import data_sets_of, described, relations_of
from drivetrain.experiments.tracking.snapshot import store_system
from drivetrain.experiments.tracking.surroundings import code, environment
from drivetrain.experiments.versions.version import Evaluation, SystemVersion

BATCH = 1000
"""Measurements that are written together."""

EVERY = 2.0
"""Seconds after which they are written at the end of an epoch, so that who watches sees them."""

KEPT = 100_000
"""Measurements that wait in memory while the store cannot be written."""


class Recorder:
    """Hand it to ``fit(..., callbacks=[run])``; every ``fit`` that it is handed to is a run of its own.

    Attributes:
        key: of the newest run.
        version: the system version that the newest finished run made.
    """

    def __init__(
        self,
        store: Store,
        experiment: str,
        name: str,
        place: str | None,
        mlflow: bool | str,
        data: Mapping[str, str] | None = None,
    ) -> None:
        self.store, self.experiment, self.name, self.place, self.mlflow = store, experiment, name, place, mlflow
        self.names = dict(data or {})
        self.key: str | None = None
        self.version: SystemVersion | None = None
        self._buffer: list[tuple[str, int, float]] = []
        self._rows = 0
        self._plan: Any = None
        self._start: SystemVersion | None = None
        self._open = False
        self._data = ""
        self._uses: list[Use] = []
        self._warned = False
        self._due = BATCH
        self._flushed = time.monotonic()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if self._open:
            self.fail(error or RuntimeError("the run was left before training ended"))

    def begin(self, plan: Any) -> None:
        """Training begins: note what it is given."""
        self._plan, self._rows, self._buffer = plan, 0, []
        trained = tuple({name for stage in plan.tracks for track in stage for name in track.models})
        self._start = store_system(self.store, plan.system, self.name, only_named=trained, place=self.place)
        self.key = self.store.runs.begin(
            self.experiment, self.name, pattern=", then ".join(pattern.name for pattern in plan.patterns),
            start=self._start, seed=plan.seed, settings=dict(plan.settings), environment=environment(), code=code(),
        )  # fmt: skip
        self._open = True
        self._note_data()

    def step(self, state: Any) -> None:
        """An update was made."""
        self._buffer.append(("loss", state.iteration, state.loss))
        for name, value in state.terms.items():
            self._buffer.append((name, state.iteration, value))
        if len(self._buffer) >= self._due:
            self._flush()

    def __call__(self, state: Any) -> None:
        """An epoch ended."""
        self._note_rows(state.history)
        if time.monotonic() - self._flushed >= EVERY:
            self._flush()

    def end(self, report: Any) -> None:
        """Training ended as it should: store what it made."""
        assert self.key is not None
        assert self._start is not None
        self._open = False
        try:
            self._note_rows(report.history)
            self.version = self._finish(self.key, self._start, report)
        except StoreError as error:
            warnings.warn(f"training is done, but could not be recorded: {error}", stacklevel=2)
            return
        mirror.mirror(self.store, self.key, self.mlflow)

    def _finish(self, key: str, start: SystemVersion, report: Any) -> SystemVersion:
        """Store what training made, and that it is done."""
        self._flush()
        made = store_system(self.store, self._plan.system, self.name, run=key, place=self.place)
        self._note_contexts(start, made)
        measured = [(made.pins, self._measured(report, "after"))]
        if start.pins != made.pins:
            measured.insert(0, (start.pins, self._measured(report, "before")))
        self.store.evaluations.record_all(self.name, measured, glue=made.glue)
        self.store.runs.end(key, report=report.to_dict(), result=made)
        return made

    def _measured(self, report: Any, when: str) -> list[Evaluation]:
        """What was measured on every edge before or after training."""
        found = [(change, getattr(change, when)) for change in report.edges.values()]
        return [
            Evaluation(
                change.metric, value, edge=change.edge, data=self._data, higher_is_better=change.higher_is_better
            )
            for change, value in found if value is not None and math.isfinite(value)
        ]  # fmt: skip

    def fail(self, error: BaseException) -> None:
        """Training ended otherwise; what was measured until then is kept."""
        if not self._open or self.key is None:
            return
        self._open = False
        self._flush()
        try:
            self.store.runs.end(self.key, "failed", error=f"{type(error).__name__}: {error}")
        except StoreError as refused:  # the training's own error is what its caller must see
            warnings.warn(f"that training failed could not be recorded: {refused}", stacklevel=2)
            return
        mirror.mirror(self.store, self.key, self.mlflow)

    def _note_rows(self, history: list[dict[str, Any]]) -> None:
        for row in history[self._rows :]:
            for name, value in row.items():
                if isinstance(value, int | float) and name.startswith("validation "):
                    self._buffer.append((name, row["iteration"], float(value)))
            if "loss" in row:
                self._buffer.append(("loss per epoch", row["iteration"], float(row["loss"])))
        self._rows = len(history)

    def _flush(self) -> None:
        """Write what is noted. Where that fails, training goes on, and the next flush tries again."""
        if not self._buffer or self.key is None:
            return
        self._flushed = time.monotonic()
        try:
            self.store.runs.measure(self.key, self._buffer)
            self._buffer, self._due = [], BATCH
        except StoreError as error:
            self._buffer = self._buffer[-KEPT:]
            self._due = len(self._buffer) + BATCH
            if not self._warned:
                self._warned = True
                warnings.warn(f"measurements wait in memory, because they cannot be recorded: {error}", stacklevel=2)

    def _note_data(self) -> None:
        assert self.key is not None
        sources, uses = {}, []
        for use, opened in (("training", self._plan.data), ("validation", self._plan.validation)):
            for edge, source in data_sets_of(opened).items() if opened is not None else ():
                found = self.store.data.add(
                    described(source, f"{self.names.get(use, '')} {edge}".strip() if use in self.names else "")
                )
                sources[found.digest] = source
                uses.append(Use(found.digest, use, edge))
                if use == "validation" or not self._data:
                    self._data = found.digest
        for first, relation, other, facts in relations_of(sources):
            self.store.data.relate(first, relation, other, **facts)
        self.store.runs.uses(self.key, uses)
        self._uses = uses

    def _note_contexts(self, start: SystemVersion, made: SystemVersion) -> None:
        assert self.key is not None
        done: set[str] = set()
        for number, (pattern, tracks) in enumerate(zip(self._plan.patterns, self._plan.tracks, strict=True)):
            for track in tracks:
                there = {node.name for node in track.system.plan(track.truths)} & set(made.pins)
                members = []
                for slot in made.pins:
                    if slot in track.models:
                        members.append(Member(slot, "trained", made.pins[slot]))
                        members.append(Member(slot, "initialised from", start.pins[slot]))
                    elif slot in there and track.inputs == "system":
                        members.append(Member(slot, "frozen", (made if slot in done else start).pins[slot]))
                read = {(use.data, use.use) for use in self._uses if not use.edge or use.edge in track.truths}
                self.store.contexts.add(
                    Context(
                        self.key, number, track.name, pattern.name, track.inputs, tuple(members), tuple(sorted(read))
                    )
                )  # fmt: skip
            done |= {name for track in tracks for name in track.models}
