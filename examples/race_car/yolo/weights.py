"""A trained camera as one safetensors file: its weights, its classes, and how it was trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from drivetrain.errors import DataError

from .camera import YoloCamera

KEY = "yolo_camera"


def save_camera(camera: YoloCamera, file: Path, told: Mapping[str, Any] | None = None) -> None:
    """Write the camera to `file`, and with it what is `told`, numbers and words that json can write."""
    file.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: value.contiguous() for name, value in camera.state_dict().items()}
    unfinished = file.with_suffix(".unfinished")  # who is interrupted while writing leaves no half a file
    save_file(weights, unfinished, {KEY: json.dumps({"classes": camera.classes, **(told or {})})})
    unfinished.replace(file)


def load_camera(file: Path) -> YoloCamera:
    """The camera in `file`, in evaluation mode.

    Raises DataError where the file is none that `save_camera` wrote, or one of another layout of the network.
    """
    camera = YoloCamera(told_of(file)["classes"])
    try:
        camera.load_state_dict(load_file(file))
    except RuntimeError as reason:
        raise DataError(f"{file} holds weights that do not fit YOLOv5n as it is built here: {reason}") from None
    return camera.eval()


def told_of(file: Path) -> dict[str, Any]:
    """What was told when `file` was written, and the `classes`; reads no weights."""
    try:
        with safe_open(file, framework="pt") as opened:
            told: dict[str, Any] = json.loads((opened.metadata() or {})[KEY])
    except (SafetensorError, OSError, KeyError, ValueError) as reason:
        raise DataError(
            f"{file} holds no camera ({type(reason).__name__}: {reason}); make one: "
            f"python -m examples.race_car.yolo train --out {file.parent}"
        ) from None
    return told
