"""What a run was made with: Python, platform and packages; the commit, and whether anything was changed since."""

from __future__ import annotations

import functools
import hashlib
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "drivetrain", "torch", "numpy", "scipy", "safetensors", "keras", "tensorflow", "jax", "scikit-learn", "skops",
    "onnx", "onnxruntime", "torchvision", "ultralytics", "lightning-fabric", "torchjd", "mlflow-skinny",
)  # fmt: skip


@functools.cache
def environment() -> dict[str, Any]:
    """Python, platform, and the packages that can change what a training does."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"python": platform.python_version(), "platform": platform.platform(), "packages": found}


def code(folder: Path | None = None) -> dict[str, Any]:
    """The command line, and where git stands in a folder: commit, whether it is clean, a digest of what is not.

    A folder that is no repository, or a machine without git, leaves the commit out.
    """
    told: dict[str, Any] = {"command": sys.argv}
    status = _git(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    if status is None:
        return told
    lines = status.splitlines()
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid")), None)
    changes = [line for line in lines if not line.startswith("#")]
    told |= {"commit": commit, "clean": not changes}
    if changes and (difference := _git(folder, "diff", "HEAD")) is not None:
        told["changes"] = hashlib.sha256(difference.encode()).hexdigest()
        told["changed files"] = [line.split()[-1] for line in changes[:100]]
    return told


def _git(folder: Path | None, *question: str) -> str | None:
    try:
        run = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *question],
            cwd=folder, capture_output=True, text=True, errors="replace", timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout
