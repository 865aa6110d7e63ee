"""Rows of finished trials in a file of JSON lines: only ever appended to, so that a comparison can be resumed."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class Store:
    """The finished trials of a comparison; a line torn by a crash is ignored, and its trial run again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, row: Row) -> None:
        """Add a row; it is on the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        torn = self.path.exists() and not self.path.read_bytes().endswith(b"\n") and self.path.stat().st_size > 0
        with self.path.open("a", encoding="utf-8") as file:
            file.write(("\n" if torn else "") + json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def rows(self, sizes: Mapping[str, Any]) -> list[Row]:
        """The rows of trials of these sizes, in the order in which they ended."""
        if not self.path.exists():
            return []
        read = (_row(line) for line in self.path.read_text(encoding="utf-8").splitlines())
        return [row for row in read if row is not None and row["sizes"] == dict(sizes)]

    def finished(self, sizes: Mapping[str, Any]) -> set[tuple[int, str, float, float]]:
        """Seed, arm, share and learning rate of the trials that need not run again."""
        return {self.identity(row) for row in self.rows(sizes)}

    @staticmethod
    def identity(row: Mapping[str, Any]) -> tuple[int, str, float, float]:
        """Which trial a row is of: seed, arm, share, learning rate."""
        return row["seed"], row["arm"], row["share"], row["rate"]


def _row(line: str) -> Row | None:
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return None
    return row if isinstance(row, dict) and "sizes" in row else None
