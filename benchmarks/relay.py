"""Training loops that own their epochs take turns: each runs in a thread of its own, one epoch at a time."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping

import numpy as np
from rich.progress import track

EpochDone = Callable[[float], None]
Loop = Callable[[int, EpochDone], object]
"""`loop(epochs, epoch_done)`: trains for so many epochs and calls `epoch_done` with the mean loss after each."""


def epochs_in_turns(loops: Mapping[str, Loop], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of every epoch of every loop, after a first one that does not count (caches fill, memory is got).

    CPU seconds, because an epoch is long enough for other programs to come in between. Only one loop runs at a time, on
    one thread of torch, so the process has no other work to be counted.
    """
    random = np.random.default_rng(0)
    runners = {name: _Runner(loop, rounds + 1) for name, loop in loops.items()}
    names = list(runners)
    for _ in track(range(rounds + 1), "epochs in turns", transient=True, disable=not sys.stdout.isatty()):
        for index in random.permutation(len(names)):
            runners[names[index]].run_one_epoch()
    for runner in runners.values():
        runner.finish()
    return {name: runner.seconds[1:] for name, runner in runners.items()}


class _Runner:
    """One loop in its thread, which works between `go` and `done` and waits otherwise."""

    def __init__(self, loop: Loop, epochs: int) -> None:
        self.seconds: list[float] = []
        self.failure: BaseException | None = None
        self._go, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._work, args=(loop, epochs), daemon=True)
        self._thread.start()

    def run_one_epoch(self) -> None:
        self._go.release()
        self._done.acquire()
        if self.failure is not None:
            raise self.failure

    def finish(self) -> None:
        self._go.release()
        self._thread.join()

    def _work(self, loop: Loop, epochs: int) -> None:
        try:
            self._begin_epoch()
            loop(epochs, self._epoch_done)
        except BaseException as failure:  # raised again where the turns are given
            self.failure = failure
            self._done.release()

    def _epoch_done(self, _: float) -> None:
        self.seconds.append(time.process_time() - self._begin)
        self._done.release()
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._go.acquire()
        self._begin = time.process_time()
