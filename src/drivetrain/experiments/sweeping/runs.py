"""Finished training runs in a folder, so that a sweep that was stopped goes on: a line and a file of weights each."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drivetrain.errors import StoreError
from drivetrain.experiments.tracking.snapshot import load_weights, weights_of
from drivetrain.experiments.versions.version import ComponentVersion
from drivetrain.graph import Component


@dataclass(frozen=True)
class Line:
    """One finished training run.

    Attributes:
        model: its slot.
        parameters: its hyper-parameters.
        seconds: that it took.
        weights: the name of the file that holds what it learned.
    """

    model: str
    parameters: dict[str, Any]
    seconds: float
    weights: str = ""


class Runs:
    """Lines of ``runs.jsonl`` and weights as safetensors; a line is written after its weights, whole or not at all.

    Args:
        folder: where they are; None keeps nothing.
        key: of the sweep; what another one left in the folder is passed over.
    """

    def __init__(self, folder: Path | None, key: str) -> None:
        self.folder, self.key = folder, key
        self._waiting: deque[Line] = deque()
        self._count = 0
        if folder is not None:
            (folder / "weights").mkdir(parents=True, exist_ok=True)
            self._waiting.extend(self._read(folder / "runs.jsonl"))

    def next(self, model: str) -> Line | None:
        """The next run that is known, if it is one of this model."""
        if not self._waiting or self._waiting[0].model != model:
            self._waiting.clear()
            return None
        return self._waiting.popleft()

    def restored(self, line: Line, made: Component) -> Component:
        """The model as it was trained.

        Raises:
            StoreError: its weights are not there, or do not fit what ``build`` answers now.
        """
        assert self.folder is not None
        path = self.folder / "weights" / line.weights
        if not path.exists():
            raise StoreError(f"{path} is missing; remove {self.folder / 'runs.jsonl'} to begin anew")
        load_weights(made, path.read_bytes(), ComponentVersion(line.weights, line.model, 0, "torch", ""))
        return made

    def add(self, line: Line, made: Component) -> None:
        """Keep a run that has just finished."""
        if self.folder is None:
            return
        content = weights_of(made)
        name = f"{self.key[:8]}-{self._count:04}.safetensors"
        self._count += 1
        path = self.folder / "weights" / name
        part = path.with_suffix(".part")
        part.write_bytes(content)
        part.replace(path)
        with (self.folder / "runs.jsonl").open("ab") as file:
            row = {**asdict(line), "weights": name, "key": self.key}
            file.write(json.dumps(row).encode() + b"\n")

    def _read(self, path: Path) -> list[Line]:
        if not path.exists():
            return []
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):  # a line that was being written when the process ended
            path.write_bytes(content[: content.rfind(b"\n") + 1])
        rows = [json.loads(line) for line in content.splitlines() if line.endswith(b"}")]
        mine = [Line(r["model"], r["parameters"], r["seconds"], r["weights"]) for r in rows if r["key"] == self.key]
        self._count = len(mine)
        return mine
