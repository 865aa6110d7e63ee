"""Which process is writing a run, and whether it is still there."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def this_process() -> str:
    """Host, process and when it started: names a process even after its number is given to another."""
    return f"{socket.gethostname()} {os.getpid()} {_started(os.getpid())}"


def is_dead(process: str) -> bool:
    """Whether a process of this machine is gone; of another machine nobody can tell from here."""
    host, number, started = process.rsplit(" ", 2)
    return host == socket.gethostname() and _started(int(number)) != started


def _started(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "gone"
