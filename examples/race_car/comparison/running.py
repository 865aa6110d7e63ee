"""Runs the trials that are not finished yet, on several processes, and stores each as soon as it ends."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial

from drivetrain.report import progress
from examples.protocol.running import answers
from examples.protocol.store import Store

from .arms import at
from .store import finished
from .trial import Job, Sizes, run


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
    trials = answers(partial(run, sizes=sizes, test=test), missing, workers, deadline)
    for row in progress(trials, f"{what}: {len(jobs)} trials, {len(jobs) - len(missing)} before", total=len(missing)):
        store.append(row)
        ended += 1
    return len(missing) - ended


def jobs_of(seeds: int, shares: Sequence[float], rates: Mapping[str, float]) -> list[Job]:
    """All trials, whole seeds first: a comparison that is cut short has fewer seeds and shares, not fewer arms."""
    largest_first = sorted(shares, reverse=True)
    return [Job(seed, arm, share, rates[arm]) for share in largest_first for seed in range(seeds) for arm in at(share)]
