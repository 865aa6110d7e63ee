"""Weights on disk as data: safetensors files that are written whole or not at all and never executed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from drivetrain.errors import CheckpointError, listed


def save(module: nn.Module, path: Path, digest: str) -> None:
    """Write a module's weights, each shared tensor once.

    Raises:
        CheckpointError: the disk is full or the place cannot be written; an older file of that name stays as it was.
    """
    write_whole(path, to_bytes(_unshared(module.state_dict()), metadata={"system": digest}))


def load(module: nn.Module, path: Path, digest: str) -> None:
    """Read weights into a module.

    Raises:
        CheckpointError: the file is missing or damaged, or it was written by another system.
    """
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder; name the file of weights in it")
    try:
        with safe_open(path, framework="pt") as file:
            found = (file.metadata() or {}).get("system")
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
    except FileNotFoundError:
        raise CheckpointError(f"no file {path}; system.save({str(path)!r}) writes one") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or not a file of weights: {error}") from error
    own = module.state_dict()
    free = growing(module)
    strange = [
        name
        for name in sorted(set(stored) - set(own)) + sorted(set(_unshared(own)) - set(stored))
        if not name.startswith(free)
    ]
    if found is None:
        raise CheckpointError(
            f"{path} holds weights, but no system.save wrote it; its names: {listed(sorted(stored)[:5])}"
        )
    if found != digest or strange:
        raise CheckpointError(
            f"{path} holds the weights of another system (its digest is {found}, this one's {digest})"
            + (f"; only one of them has: {listed(strange[:5])}" if strange else "")
        )
    module.load_state_dict(stored, strict=False)  # in place; of shared weights the file holds one name


def growing(module: nn.Module) -> tuple[str, ...]:
    """Prefixes, in a ``state_dict``, of parts whose state has other names and shapes once they have been fitted."""
    named = module.named_modules(remove_duplicate=False)
    return tuple(f"{name}." for name, part in named if getattr(part, "grows", False))


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, whatever happens in between.

    Raises:
        CheckpointError: it cannot be written; what stood there before still stands.
    """
    scratch = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            scratch = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError as error:
        if scratch is not None:
            scratch.unlink(missing_ok=True)
        kept = "; what was saved there before is untouched" if path.exists() else ""
        raise CheckpointError(f"cannot write {path}: {error.strerror or error}{kept}") from error


def _unshared(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the first of their names; safetensors stores no tensor twice."""
    seen: set[tuple[object, ...]] = set()
    unshared = {}
    for name, value in state.items():
        place = (value.untyped_storage().data_ptr(), value.storage_offset(), tuple(value.shape))
        if value.numel() and place in seen:
            continue
        seen.add(place)
        unshared[name] = value.detach().contiguous()
    return unshared
