"""Evaluating proposed combinations: what is recorded is not run again, the rest is cut into tasks for an engine."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isnan, nan
from pathlib import Path

from drivetrain.evaluation.metrics import Metric
from drivetrain.experiments.selecting.journal import Records, Values
from drivetrain.experiments.selecting.judge import Answer, Engine, Sums, Task, elsewhere, here
from drivetrain.experiments.selecting.passes import Account, Passes
from drivetrain.experiments.versions.candidates import Candidates, Combination
from drivetrain.experiments.versions.fingerprint import fingerprint
from drivetrain.experiments.versions.forms import check_forms
from drivetrain.processes import over_processes
from drivetrain.report import Progress

WORTH = 20.0  # seconds of work ahead from which worker processes pay for their start
CHUNK = 16  # combinations of a task at most: what is lost of an unfinished one when everything stops


class Evaluating:
    """Answers the values of combinations and keeps the account.

    Args:
        passes: what runs them.
        records: where finished ones are kept; without any they are kept in this process alone.
        engine: other processes or machines; None begins here and goes over to processes where that pays.
        folder: where outputs are kept that other processes read.
        deadline: when no further combination is begun, as ``time.monotonic`` counts.
    """

    def __init__(
        self, passes: Passes, records: Sequence[Records], engine: Engine | None, folder: Path | None, deadline: float
    ) -> None:
        self.passes, self.records, self.deadline = passes, records, deadline
        self.candidates: Candidates = passes.candidates
        self.values: dict[Combination, Values] = {}
        self.remembered = 0
        self.account = Account()
        self.workers = engine is not None
        self._folder = folder
        self._automatic = engine is None
        self._run: Callable[[Sequence[Task]], Iterator[Answer]] = (
            here(passes) if engine is None else elsewhere(engine, passes, folder)
        )
        self._key = self._common_key()

    @property
    def late(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.deadline

    def recall(self, combination: Combination) -> bool:
        """Whether the values of a combination are known, here or from the records."""
        for records in self.records if combination not in self.values else ():
            found = records.find(self.key(combination))
            if found is not None and set(found) >= set(self.passes.metrics):
                self.values[combination] = found
                self.remembered += 1
                break
        return combination in self.values

    def evaluate(self, combinations: Sequence[Combination], bar: Progress[None]) -> None:
        """Run what is not known yet, until the time is up.

        Raises:
            ShapeError: versions of a slot answer in different forms.
        """
        new = [one for one in dict.fromkeys(combinations) if not self.recall(one)]
        begin, before = time.monotonic(), len(self.values)
        for chunk, tasks in self._waves(new):
            if self.late and self.values:
                return
            for finished in self._finished(tasks):
                self._record(finished)
                bar.advance(len(finished), note=self._note())
            done = len(self.values) - before
            if self._automatic and not self.workers and (os.cpu_count() or 1) > 1:
                left = (len(new) - done) * (time.monotonic() - begin) / max(1, done)
                if left > WORTH and len(chunk) < len(new):
                    self._hire()

    def key(self, combination: Combination) -> str:
        """What is evaluated: the versions, the glue and the diagram, the data, the metrics, the seed."""
        digests = [
            (slot, self.candidates.digests[slot][place])
            for slot, place in zip(self.candidates.slots, combination, strict=True)
        ]
        return fingerprint(self._key, digests)

    def _common_key(self) -> str:
        system, shards = self.candidates.system, self.passes.shards
        wiring = [(node.name, [repr(argument) for argument in node.arguments], node.makes) for node in system.nodes]
        judged = [(name, _function(metric), metric.edge) for name, metric in self.passes.metrics.items()]
        digests = [(group.digest, group.truth) for number in range(len(shards)) for group in self.passes.groups(number)]
        self.data = fingerprint(digests)
        return fingerprint(wiring, self.candidates.glue, judged, self.data, self.passes.seed)

    def _waves(self, new: Sequence[Combination]) -> Iterator[tuple[Sequence[Combination], list[Task]]]:
        """Here chunk by chunk, so that time can be up; elsewhere everything at once, chunk by chunk in order."""
        shards = range(len(self.passes.shards))
        chunks = [tuple(new[begin : begin + CHUNK]) for begin in range(0, len(new), CHUNK)]
        while chunks:
            several = 4 * (os.cpu_count() or 1) if self.workers else 1
            taken, chunks = chunks[:several], chunks[several:]
            yield [one for chunk in taken for one in chunk], [Task(s, chunk) for chunk in taken for s in shards]

    def _finished(self, tasks: Sequence[Task]) -> Iterator[dict[Combination, Sums]]:
        """Combinations of which all shards are there, as soon as they are."""
        missing = Counter(combination for task in tasks for combination in task.combinations)
        total: dict[Combination, Sums] = {}
        for answer in self._run(tasks):
            self.account.add(answer.account)
            check_forms(self.candidates, self.account.forms)
            whole: dict[Combination, Sums] = {}
            for combination, sums in zip(answer.task.combinations, answer.sums, strict=True):
                added = total.setdefault(combination, {})
                for name, (above, below) in sums.items():
                    old = added.get(name, (0.0, 0.0))
                    added[name] = (old[0] + above, old[1] + below)
                missing[combination] -= 1
                if not missing[combination]:
                    whole[combination] = total.pop(combination)
            if whole:
                yield whole

    def _record(self, finished: Mapping[Combination, Sums]) -> None:
        for combination, sums in finished.items():
            ratios = {name: above / below if below else nan for name, (above, below) in sums.items()}
            values: Values = {name: None if isnan(value) else value for name, value in ratios.items()}
            self.values[combination] = values
            for records in self.records:
                records.add(self.key(combination), self.candidates.labels(combination), values)
        for records in self.records:
            if hasattr(records, "flush"):
                records.flush()

    def _hire(self) -> None:
        memo = self.passes.memo
        if memo is not None:
            self._folder = memo.share()
        self._run, self.workers = elsewhere(over_processes(), self.passes, self._folder), True

    def _note(self) -> str:
        name, metric = next(iter(self.passes.metrics.items()))
        found = [value[name] for value in self.values.values() if value[name] is not None]
        best = (max if metric.higher_is_better else min)(found, default=nan)  # type: ignore[type-var]
        return f"best {metric.name} {best:.4g}"


def _function(metric: Metric) -> object:
    return metric.fn
