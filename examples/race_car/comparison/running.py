"""Runs the trials that are not finished yet, on several processes, and stores each as soon as it ends."""

import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import redirect_stderr
from dataclasses import asdict

from drivetrain.report import progress
from examples.protocol.store import Store

from .arms import at
from .store import finished
from .trial import Job, Row, Sizes
from .trial import run as run_trial


def run_all(
    jobs: Sequence[Job],
    sizes: Sizes,
    store: Store,
    what: str,
    *,
    workers: int = 1,
    deadline: float | None = None,
    test: bool = True,
) -> int:
    """Run what is missing; answers how many trials were left out because the deadline was over (`time.monotonic`)."""
    done = finished(store, asdict(sizes))
    missing = [job for job in jobs if job not in done]
    ended = 0
    trials = _trials(missing, sizes, workers, deadline, test)
    for row in progress(trials, f"{what}: {len(jobs)} trials, {len(jobs) - len(missing)} before", total=len(missing)):
        store.append(row)
        ended += 1
    return len(missing) - ended


def jobs_of(seeds: int, shares: Sequence[float], rates: Mapping[str, float]) -> list[Job]:
    """All trials, whole seeds first: a comparison that is cut short has fewer seeds and shares, not fewer arms."""
    largest_first = sorted(shares, reverse=True)
    return [Job(seed, arm, share, rates[arm]) for share in largest_first for seed in range(seeds) for arm in at(share)]


def _trials(jobs: Sequence[Job], sizes: Sizes, workers: int, deadline: float | None, test: bool) -> Iterator[Row]:
    """Rows as they end; no more trials are begun after the deadline."""
    waiting, running = list(reversed(jobs)), set[Future[Row]]()
    context = multiprocessing.get_context("spawn")  # a forked torch may hang
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        while waiting or running:
            if deadline is not None and time.monotonic() > deadline:
                waiting.clear()
            while waiting and len(running) < workers:
                running.add(pool.submit(_quietly, waiting.pop(), sizes, test))
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                yield future.result()


def _quietly(job: Job, sizes: Sizes, test: bool) -> Row:
    """A trial without the progress bar of its training: the comparison has one of its own."""
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        return run_trial(job, sizes, test=test)
