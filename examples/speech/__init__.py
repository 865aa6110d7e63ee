"""A listener in three models, one behind the other: who speaks, and which digit, in a long and noisy recording."""

from .system import build

__all__ = ["build"]
