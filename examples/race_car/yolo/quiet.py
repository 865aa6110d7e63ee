"""Import ultralytics without what the package does on the side when it is first imported."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

# Its own variables, read when it is imported. A value that the user has set stays.
SWITCHES = {
    "YOLO_OFFLINE": "true",  # else it looks up two hosts, and where they answer may send usage statistics
    "YOLO_AUTOINSTALL": "false",  # else it may call pip for packages that it misses
    "YOLO_VERBOSE": "false",  # else it prints where it wrote its settings
}


def import_quietly() -> None:
    """Import ultralytics, unless it is there already, and leave files, environment, torch and numpy as they were.

    Left to itself the first import writes a settings file into the user's configuration folder, asks a name server for
    two hosts, sets seven environment variables, adds six filters of warnings, replaces `torch.save` and changes how
    torch and numpy print arrays. What stays: OpenCV, which it imports, is left with one thread, and ultralytics counts
    as offline and silent for the rest of the process. Whoever wants it otherwise imports ultralytics before this.

    Raises ModuleNotFoundError, with the line to install it, where the package is not installed.
    """
    if sys.modules.get("ultralytics") is not None:
        return
    with _environment(), _printing(), warnings.catch_warnings():
        save = torch.save
        try:
            import ultralytics.nn.tasks  # noqa: F401
        except ModuleNotFoundError as missing:
            raise ModuleNotFoundError(
                f'YoloCamera needs {missing.name}, which is not installed: pip install "drivetrain[yolo]" (AGPL-3.0, '
                "see examples/race_car/yolo/__init__.py); or use CameraNet, which needs nothing"
            ) from missing
        finally:
            torch.save = save


@contextmanager
def _environment() -> Iterator[None]:
    """The switches and an empty folder for its settings; afterwards the environment as it was."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="ultralytics-") as folder:
        os.environ.update({**SWITCHES, "YOLO_CONFIG_DIR": folder, **before})
        try:
            yield
        finally:
            for name in set(os.environ) - set(before):
                del os.environ[name]
            os.environ.update(before)


@contextmanager
def _printing() -> Iterator[None]:
    """Print options of torch and numpy as they were."""
    ours = dict(vars(torch._tensor_str.PRINT_OPTS))  # torch has no public way to read them
    with np.printoptions():
        try:
            yield
        finally:
            torch.set_printoptions(**ours)
