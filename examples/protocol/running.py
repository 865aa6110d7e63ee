"""Runs the trials that are not finished yet, on several processes, and stores each as soon as it ends."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import redirect_stderr
from functools import partial
from typing import TypeVar

from drivetrain.report import progress

from .store import Row, Store
from .trial import Job, run

Task = TypeVar("Task")


def run_all(
    reference: str,
    jobs: Sequence[Job],
    store: Store,
    what: str,
    *,
    workers: int = 1,
    deadline: float | None = None,
    test: bool = True,
) -> int:
    """Run what is missing; answers how many trials were left out because the deadline was over (``time.monotonic``)."""
    done = {identity(row) for row in store.rows()}
    missing = [job for job in jobs if job not in done]
    ended = 0
    title = f"{what}: {len(jobs)} trials, {len(jobs) - len(missing)} before"
    trials = answers(partial(run, reference, test=test), missing, workers, deadline)
    for row in progress(trials, title, total=len(missing)):
        store.append(row)
        ended += 1
    return len(missing) - ended


def identity(row: Row) -> Job:
    """Which trial a row is of."""
    return Job(row["seed"], row["arm"], row["rate"], row["epochs"])


def answers(
    function: Callable[[Task], Row], tasks: Sequence[Task], workers: int, deadline: float | None
) -> Iterator[Row]:
    """Rows as they end, from several processes, without the progress bars of single trainings; the comparison has one.

    No more tasks are begun after the deadline (``time.monotonic``).
    """
    waiting, running = list(reversed(tasks)), set[Future[Row]]()
    context = multiprocessing.get_context("spawn")  # a forked torch may hang
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        while waiting or running:
            if deadline is not None and time.monotonic() > deadline:
                waiting.clear()
            while waiting and len(running) < workers:
                running.add(pool.submit(_quietly, function, waiting.pop()))
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                yield future.result()


def _quietly(function: Callable[[Task], Row], task: Task) -> Row:
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        return function(task)
