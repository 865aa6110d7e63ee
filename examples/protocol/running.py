"""Runs the trials that are not finished yet, on several processes, and stores each as soon as it ends."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import redirect_stderr

from drivetrain.report import progress

from .store import Row, Store
from .trial import Job, run


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
    for row in progress(_trials(reference, missing, workers, deadline, test), title, total=len(missing)):
        store.append(row)
        ended += 1
    return len(missing) - ended


def identity(row: Row) -> Job:
    """Which trial a row is of."""
    return Job(row["seed"], row["arm"], row["rate"], row["epochs"])


def _trials(reference: str, jobs: Sequence[Job], workers: int, deadline: float | None, test: bool) -> Iterator[Row]:
    """Rows as they end; no more trials are begun after the deadline."""
    waiting, running = list(reversed(jobs)), set[Future[Row]]()
    context = multiprocessing.get_context("spawn")  # a forked torch may hang
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        while waiting or running:
            if deadline is not None and time.monotonic() > deadline:
                waiting.clear()
            while waiting and len(running) < workers:
                running.add(pool.submit(_quietly, reference, waiting.pop(), test))
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                yield future.result()


def _quietly(reference: str, job: Job, test: bool) -> Row:
    """A trial without the progress bar of its training: the comparison has one of its own."""
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        return run(reference, job, test=test)
