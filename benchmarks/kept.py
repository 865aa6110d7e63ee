"""Long comparisons go on where they were stopped: each training is kept as a line of JSON when it is done."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Hashable
from dataclasses import asdict

from benchmarks.measure import RESULTS
from benchmarks.paired import Outcome


class Kept:
    """The trainings of one comparison, by what makes each of them what it is.

    Attributes:
        path: the file; what it holds counts only with ``resume``, since code may have changed in between.
    """

    def __init__(self, name: str, *, resume: bool) -> None:
        self.path = RESULTS / f"{name}.jsonl"
        self.done: dict[str, Outcome] = {}
        self._said = time.monotonic()
        if resume and self.path.exists():
            for line in self.path.read_text().splitlines():
                self._remember(line)
        elif self.path.exists():
            self.path.unlink()

    def get(self, key: tuple[Hashable, ...], train: Callable[[], Outcome]) -> Outcome:
        """The outcome of a training: kept, or done now and kept."""
        name = json.dumps(key)
        if name not in self.done:
            self.done[name] = train()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps({"key": name, **asdict(self.done[name])}) + "\n")
            self._say(key)
        return self.done[name]

    def _remember(self, line: str) -> None:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            return  # the line that was being written when the run was stopped
        key, curve = row.pop("key"), tuple(map(tuple, row.pop("curve")))
        self.done[key] = Outcome(**row, curve=curve)

    def _say(self, key: tuple[Hashable, ...]) -> None:
        """Where nobody watches a bar, a line from time to time."""
        if not sys.stdout.isatty() and time.monotonic() - self._said > 10:
            print(f"{len(self.done)} trainings done; the last: {', '.join(map(str, key))}", file=sys.stderr, flush=True)
            self._said = time.monotonic()
