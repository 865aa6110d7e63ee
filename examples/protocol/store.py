"""Rows of finished trials in a file of JSON lines: only ever appended to, so that a comparison can be resumed."""

from __future__ import annotations

import json
import os
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
        torn = self.path.exists() and self.path.stat().st_size > 0 and not self.path.read_bytes().endswith(b"\n")
        with self.path.open("a", encoding="utf-8") as file:
            file.write(("\n" if torn else "") + json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def rows(self, **where: Any) -> list[Row]:
        """The whole rows whose fields have these values, in the order in which they ended."""
        if not self.path.exists():
            return []
        read = (_row(line) for line in self.path.read_text(encoding="utf-8").splitlines())
        return [row for row in read if row and all(row.get(name) == value for name, value in where.items())]


def _row(line: str) -> Row | None:
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return None
    return row if isinstance(row, dict) else None
