"""A clock beside the work: what takes longer than it may is stopped wherever it is, also inside one statement."""

from __future__ import annotations

import ctypes
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class OutOfTime(BaseException):
    """The time is up; what was found so far stands. No ``except Exception`` on the way may take it for a fault."""


@contextmanager
def stopped_at(moment: float) -> Iterator[None]:
    """Raise ``OutOfTime`` in whatever runs within, once ``time.monotonic()`` has passed the moment.

    Works in every thread. Only one call of the interpreter in C cannot be interrupted: parsing one file, matching one
    pattern; both are kept short by limits of their own.
    """
    if moment == math.inf:
        yield
        return
    if moment <= time.monotonic():
        raise OutOfTime
    clock = _Clock(threading.get_ident())
    timer = threading.Timer(max(0.0, moment - time.monotonic()), clock.ring)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        clock.stop()
        timer.cancel()


class _Clock:
    """Rings once, in the thread it was made for, unless it is stopped before."""

    def __init__(self, thread: int) -> None:
        self.thread = ctypes.c_ulong(thread)
        self.lock = threading.Lock()
        self.over = self.rung = False

    def ring(self) -> None:
        with self.lock:
            if not self.over:
                self.rung = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(self.thread, ctypes.py_object(OutOfTime))

    def stop(self) -> None:
        with self.lock:
            self.over = True
            if self.rung:  # it may have rung a moment ago and not been heard yet: take it back
                ctypes.pythonapi.PyThreadState_SetAsyncExc(self.thread, None)
