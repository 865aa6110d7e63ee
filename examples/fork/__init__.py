"""A fork on handwritten digits: one model cleans a picture, one reads its digit, one says whether it is mirrored."""

from .system import build

__all__ = ["build"]
