"""Finished evaluations in a file, one a line, so that a search that was stopped goes on where it stood."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

Values = dict[str, float | None]
"""By metric the value of a combination; None where it has none."""


@runtime_checkable
class Records(Protocol):
    """Where finished evaluations are kept. One process writes."""

    def find(self, key: str) -> Values | None:
        """What was recorded under the key, if anything was."""
        ...

    def add(self, key: str, labels: Mapping[str, str], values: Values) -> None:
        """Record the values of a combination, so that they outlive this process."""
        ...


class Journal:
    """Records in a file to which lines are appended; a line that was cut off is passed over."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.known: dict[str, Values] = {}
        content = path.read_bytes() if path.exists() else b""
        for line in content.splitlines():
            try:
                row: dict[str, Any] = json.loads(line)
                self.known[row["key"]] = row["values"]
            except (ValueError, KeyError, TypeError):
                continue
        self._file = path.open("ab")
        if content and not content.endswith(b"\n"):
            self._file.write(b"\n")

    def find(self, key: str) -> Values | None:
        """What was recorded under the key, if anything was."""
        return self.known.get(key)

    def add(self, key: str, labels: Mapping[str, str], values: Values) -> None:
        """Append a line and hand it to the operating system, which keeps it when this process is killed."""
        self.known[key] = values
        self._file.write(json.dumps({"key": key, "versions": dict(labels), "values": values}).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Make sure that it is on the disk."""
        os.fsync(self._file.fileno())
        self._file.close()
