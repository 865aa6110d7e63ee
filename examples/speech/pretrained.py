"""Pretrained weights from two packages, read as data: no line of theirs runs, none of their dependencies is needed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

SILERO, RESEMBLYZER = "silero-vad", "Resemblyzer"


def detector_weights() -> dict[str, Tensor] | None:
    """Silero VAD 6 at 16 kHz (MIT, Silero Team), from its safetensors; None where the package is not installed."""
    path = _file(SILERO, "silero_vad_16k.safetensors")
    return None if path is None else load_file(path)


def encoder_weights() -> dict[str, Tensor] | None:
    """The voice encoder of Resemblyzer (Apache-2.0; GE2E, Wan et al. 2018); None where it is not installed."""
    path = _file(RESEMBLYZER, "pretrained.pt")
    if path is None:
        return None
    kept: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
    return {name: value for name, value in kept.items() if not name.startswith("similarity")}


def missing() -> list[str]:
    """The packages that are not installed; ``pip install --no-deps`` is enough for both."""
    return [name for name, found in ((SILERO, detector_weights()), (RESEMBLYZER, encoder_weights())) if found is None]


def _file(package: str, name: str) -> Path | None:
    try:
        listed = files(package) or []
    except PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in listed if file.name == name), None)
