"""Outputs that were computed before, by what they were computed from: in memory up to a bound, and on disk."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from drivetrain.graph.parts import Parts

Values = list[dict[str, Any]]
"""Of each batch of a shard, the edges that a component made."""


class Memo:
    """Outputs by key. In memory the least recently used give way; on disk each is a file, written whole or not at all.

    Several processes may share a folder: a key says what is in its file, so that whoever writes last writes the same.
    Values other than tensors, arrays, numbers, texts and nested structures of these are kept in memory alone.

    Args:
        folder: where to keep them across processes and restarts; None keeps what does not fit into memory in a
            temporary folder.
        memory: bytes that are kept in memory.
        disk: bytes that are kept in the folder; the files that were not used for longest give way.
    """

    def __init__(self, folder: Path | None = None, memory: int = 1 << 30, disk: int = 20 << 30) -> None:
        self.folder = folder
        self.memory, self.disk = memory, disk
        self.shared = folder is not None
        self._kept: OrderedDict[str, tuple[Values, int]] = OrderedDict()
        self._bytes = 0
        self._written = 0
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._trim()

    def get(self, key: str) -> Values | None:
        """What is kept under the key, if anything is."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key][0]
        path = self._path(key)
        if path is None or not path.exists():
            return None
        try:
            values = _unpacked(torch.load(path, weights_only=True))
        except Exception:  # damaged by something outside: computing it again is always right
            path.unlink(missing_ok=True)
            return None
        os.utime(path)
        self._remember(key, values)
        return values  # type: ignore[no-any-return]

    def put(self, key: str, values: Values) -> None:
        """Keep values; they must not be changed afterwards."""
        if self.shared:
            self._write(key, values)
        self._remember(key, values)

    def share(self) -> Path:
        """The folder, for other processes to read from and write to; what is kept in memory is written there."""
        if not self.shared:
            for key, (values, _) in self._kept.items():
                self._write(key, values)
            self.shared = True
        return self._place()

    def _remember(self, key: str, values: Values) -> None:
        size = _size(values)
        self._kept[key] = (values, size)
        self._bytes += size
        while self._bytes > self.memory and len(self._kept) > 1:
            old, (dropped, freed) = self._kept.popitem(last=False)
            self._bytes -= freed
            if not self.shared:
                self._write(old, dropped)

    def _write(self, key: str, values: Values) -> None:
        try:
            packed = _packed(values)
        except TypeError:
            return
        path = self._place() / key[:2] / f"{key}.pt"
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix="part-")
        try:
            with os.fdopen(handle, "wb") as file:
                torch.save(packed, file)
                self._written += file.tell()
            Path(part).replace(path)
        except OSError:  # the disk is full: then it is computed again
            Path(part).unlink(missing_ok=True)
        if self._written > self.disk // 10:
            self._trim()

    def _place(self) -> Path:
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix="drivetrain-memo-"))
            weakref.finalize(self, shutil.rmtree, str(self.folder), ignore_errors=True)
        return self.folder

    def _trim(self) -> None:
        assert self.folder is not None
        self._written = 0
        files = sorted(((path.stat(), path) for path in self.folder.glob("??/*.pt")), key=lambda one: one[0].st_mtime)
        used = sum(stat.st_size for stat, _ in files)
        for stat, path in files:
            if used <= self.disk:
                break
            path.unlink(missing_ok=True)
            used -= stat.st_size

    def _path(self, key: str) -> Path | None:
        return None if self.folder is None else self.folder / key[:2] / f"{key}.pt"


def _size(values: Values) -> int:
    leaves = tree_leaves(values)
    return 256 + sum(leaf.nbytes if isinstance(leaf, Tensor | np.ndarray) else 32 for leaf in leaves)


def _packed(value: Any) -> Any:
    """As torch reads it back without executing anything.

    Raises:
        TypeError: something in it is no plain data.
    """
    if isinstance(value, Tensor):
        held = value.detach()
        return held.clone() if held.untyped_storage().nbytes() > 2 * held.nbytes + 64 else held
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        return ("array", torch.from_numpy(np.ascontiguousarray(value)))
    if isinstance(value, np.generic) and value.dtype.kind in "biufc":
        return ("number", torch.from_numpy(np.asarray(value).reshape(1).copy()))
    if type(value) is dict:
        return ("dict", [(key, _packed(part)) for key, part in value.items()])
    if type(value) in (list, tuple, Parts):
        return (type(value).__name__, [_packed(part) for part in value])
    raise TypeError(type(value).__name__)


def _unpacked(value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    kind, content = value
    if kind == "array":
        return content.numpy()
    if kind == "number":
        return content.numpy()[0]
    if kind == "dict":
        return {key: _unpacked(part) for key, part in content}
    return {"list": list, "tuple": tuple, "Parts": Parts}[kind](_unpacked(part) for part in content)
