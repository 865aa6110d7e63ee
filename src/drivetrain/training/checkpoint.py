"""Checkpoints: where training stands, as data, in one file that is written whole or not at all."""

from __future__ import annotations

import io
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from drivetrain.components.generators import framework_random_state, restore_framework_random_state
from drivetrain.errors import CheckpointError
from drivetrain.graph.weights import write_whole

VERSION = 4


def write(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint; a reader sees the one before it or this one, whatever happens in between.

    Raises:
        CheckpointError: the disk is full or the place cannot be written; the checkpoint before it still stands.
    """
    buffer = io.BytesIO()
    torch.save({"version": VERSION, **state}, buffer)
    write_whole(path, buffer.getvalue())


def read(path: Path, digest: str, plan: str) -> dict[str, Any] | None:
    """The checkpoint at a path, or None where there is none. It is read as data: nothing in it is executed.

    Args:
        path: the file.
        digest: of the system that wants to go on.
        plan: what ``fit`` was asked to do; going on with another pattern or other epochs would mean something else.

    Raises:
        CheckpointError: the file is damaged, or belongs to another system or another training.
    """
    if not path.exists():
        return None
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder; a checkpoint is one file, such as {path / 'training.checkpoint'}")
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
        version, found, planned = state["version"], state["digest"], state["plan"]
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path} is damaged or not a checkpoint: {reason}; delete it to start anew") from error
    if version != VERSION:
        raise CheckpointError(f"{path} was written by another version of Drivetrain (format {version}, not {VERSION})")
    if found != digest:
        raise CheckpointError(
            f"{path} is the checkpoint of another system (its digest is {found}, this one's {digest}); "
            f"choose another path, or delete it to start anew"
        )
    if planned != plan:
        raise CheckpointError(
            f"{path} belongs to another training: it was made by {planned}; now asked for: {plan}. "
            f"Choose another path, or delete it to start anew"
        )
    return state


def random_state() -> dict[str, Any]:
    """The state of every generator that training draws from, as plain data."""
    version, keys, gauss = random.getstate()
    name, array, place, has_gauss, cached = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": (name, torch.from_numpy(np.asarray(array).astype(np.int64)), place, has_gauss, cached),
        "python": (version, list(keys), gauss),
        "frameworks": framework_random_state(),
    }  # fmt: skip


def restore_random_state(state: dict[str, Any]) -> None:
    """Put every generator where ``random_state`` found it."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    name, array, place, has_gauss, cached = state["numpy"]
    np.random.set_state((name, array.numpy().astype(np.uint32), place, has_gauss, cached))
    version, keys, gauss = state["python"]
    random.setstate((version, tuple(keys), gauss))
    restore_framework_random_state(state["frameworks"])
