"""What a worker does: judge some combinations on one shard of the data, and say what that cost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle

from drivetrain.experiments.selecting.memo import Memo
from drivetrain.experiments.selecting.passes import Account, Passes
from drivetrain.experiments.versions.candidates import Combination
from drivetrain.experiments.versions.forms import check_forms

Sums = dict[str, tuple[float, float]]
"""By metric, the sum of numerators and the sum of denominators."""


@dataclass(frozen=True)
class Task:
    """Combinations to judge on one shard."""

    shard: int
    combinations: tuple[Combination, ...]


@dataclass(frozen=True)
class Answer:
    """What came out, in the order of the task's combinations, and what it cost."""

    task: Task
    sums: tuple[Sums, ...]
    account: Account


Engine = Callable[[Callable[[Task], Answer], Sequence[Task]], Iterator[Answer]]
"""Runs a function over tasks and answers what it answers, in any order."""


class Judge:
    """A function of tasks that can be sent to other processes and machines, where it opens what it carries once.

    Args:
        passes: what runs combinations.
        folder: where outputs are kept; of other machines the folder of that name.
    """

    def __init__(self, passes: Passes, folder: Path | None) -> None:
        self.content = cloudpickle.dumps(passes)
        self.digest = hashlib.sha256(self.content).hexdigest()
        self.folder = folder

    def __call__(self, task: Task) -> Answer:
        if self.digest not in _OPENED:
            _OPENED.clear()
            passes: Passes = cloudpickle.loads(self.content)
            passes.memo = Memo(self.folder)
            _OPENED[self.digest] = passes
        return judge(_OPENED[self.digest], task)


_OPENED: dict[str, Passes] = {}  # what this process works on


def judge(passes: Passes, task: Task) -> Answer:
    """Judge combinations on a shard, here and now."""
    passes.account = Account()
    try:
        with passes.judging():
            sums = tuple(passes.sums(task.shard, combination) for combination in task.combinations)
    except Exception:  # most likely because a version answers in a form that nobody downstream can take
        check_forms(passes.candidates, passes.forms)
        raise
    return Answer(task, sums, passes.account)


def here(passes: Passes) -> Callable[[Sequence[Task]], Iterator[Answer]]:
    """The engine of this process."""

    def run(tasks: Sequence[Task]) -> Iterator[Answer]:
        for task in tasks:
            yield judge(passes, task)

    return run


def elsewhere(engine: Engine, passes: Passes, folder: Path | None) -> Callable[[Sequence[Task]], Iterator[Answer]]:
    """The same over an engine of other processes or machines."""
    sent: Any = Judge(passes, folder)
    return lambda tasks: engine(sent, tasks)
