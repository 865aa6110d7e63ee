"""The engine of one machine: worker processes that may die without losing a task."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, TypeVar

import cloudpickle

from drivetrain.errors import ComponentError, DrivetrainError

Input = TypeVar("Input")
Output = TypeVar("Output")
TRIES = 3  # a task whose worker dies so often is at fault itself


def over_processes(workers: int = 0) -> Callable[[Callable[[Input], Output], Sequence[Input]], Iterator[Output]]:
    """An engine of worker processes, one task at a time each; the tasks of a worker that dies are done by another.

    Workers are programs of their own, to which functions and classes of a script or notebook are sent by value, so that
    a script needs no ``if __name__ == "__main__"``. They end with the engine's process. A task that has a ``name`` is
    called so in messages.

    Args:
        workers: how many; 0 is one per core.

    Raises:
        ComponentError: a task ended its worker three times.
    """
    pool = Pool(workers)

    def run(function: Callable[[Input], Output], tasks: Sequence[Input]) -> Iterator[Output]:
        return pool.run(function, tasks)

    return run


class Pool:
    """Workers that stay for the next call; each has a thread here that talks to it.

    They go when the pool is ended, is referred to by nobody any more, or the process that hired them ends.
    """

    def __init__(self, count: int = 0) -> None:
        self.count = count or os.cpu_count() or 1
        self.idle: list[_Worker] = []
        self._hired: list[_Worker] = []
        weakref.finalize(self, _let_go, self._hired, os.getpid())

    def run(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[Any]:
        """Answers as tasks are done, in whatever order."""
        sent = cloudpickle.dumps(function)
        waiting: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for number, task in enumerate(tasks):
            waiting.put((number, task))
        stop = threading.Event()
        threads = [
            threading.Thread(target=self._serve, args=(sent, waiting, answers, stop), daemon=True)
            for _ in range(min(self.count, len(tasks)))
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in tasks:
                answer = answers.get()
                if isinstance(answer, BaseException):
                    raise answer
                yield answer[0]
        finally:
            stop.set()

    def end(self) -> None:
        """Let all workers go, whatever they are doing."""
        _let_go(self._hired, os.getpid())
        self.idle.clear()

    def _serve(self, sent: bytes, waiting: Any, answers: Any, stop: threading.Event) -> None:
        worker = None
        deaths: dict[int, int] = {}
        try:
            while not stop.is_set():
                try:
                    number, task = waiting.get_nowait()
                except queue.Empty:
                    break
                while True:
                    try:
                        worker = worker or self._worker(sent)
                        answers.put(worker.ask(task))
                        break
                    except (EOFError, OSError) as death:
                        if stop.is_set():
                            return
                        how, worker = worker.death if worker is not None else str(death), None
                        deaths[number] = deaths.get(number, 0) + 1
                        if deaths[number] >= TRIES:
                            name = getattr(task, "name", f"task {number}")
                            answers.put(ComponentError(f"{name} ended its worker process {TRIES} times: {how}"))
                            return
        except BaseException as error:
            answers.put(error)
        finally:
            if worker is not None:
                self.idle.append(worker)

    def _worker(self, sent: bytes) -> _Worker:
        while self.idle:
            worker = self.idle.pop()
            if worker.process.poll() is None:
                worker.learn(sent)
                return worker
        worker = _Worker()
        self._hired.append(worker)
        worker.learn(sent)
        return worker


def _let_go(hired: list[_Worker], owner: int) -> None:
    if os.getpid() == owner:  # a forked child inherits the list, but not the workers
        for worker in hired:
            worker.leave()
    hired.clear()


class _Worker:
    """One process, spoken to through its standard input and output."""

    def __init__(self) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # as many workers as cores
        path = os.pathsep.join(part for part in sys.path if part)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "drivetrain.processes.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **threads, "PYTHONPATH": path},
        )
        self.learned = b""

    def learn(self, function: bytes) -> None:
        if function != self.learned:
            self.learned = function
            send(self._in, function)

    def ask(self, task: Any) -> Any:
        """The answer of the worker in a tuple; an error that the task raised as it is."""
        send(self._in, cloudpickle.dumps((task,)))
        kind, content = pickle.loads(receive(self._out))
        if kind == "answer":
            return (content,)
        return content if isinstance(content, BaseException) else DrivetrainError(str(content))

    def leave(self) -> None:
        """End the process and close what it was spoken to through."""
        self.process.kill()
        self.process.wait()
        for stream in (self._in, self._out):
            with contextlib.suppress(OSError):  # what could not be sent any more
                stream.close()

    @property
    def death(self) -> str:
        """How it ended, in words."""
        try:
            code = self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "it closed its output"
        if code >= 0:
            return f"it left with exit code {code}"
        name = signal.Signals(-code).name
        return f"it was ended by {name}" + (", which is what a machine out of memory does" if name == "SIGKILL" else "")

    @property
    def _in(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def _out(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout


def send(stream: IO[bytes], content: bytes) -> None:
    """Write one message, its length first."""
    stream.write(struct.pack(">Q", len(content)))
    stream.write(content)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes:
    """Read one message.

    Raises:
        EOFError: the other side is gone.
    """
    head = _exactly(stream, 8)
    return _exactly(stream, struct.unpack(">Q", head)[0])


def _exactly(stream: IO[bytes], size: int) -> bytes:
    content = stream.read(size)
    if content is None or len(content) < size:
        raise EOFError("the worker process ended")
    return content
