"""What every test may rely on: one thread, a fixed seed, and paths to data that may be absent."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: two test workers share two cores
os.environ.setdefault("MPLBACKEND", "Agg")  # no test opens a window
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow says at every start how it was compiled
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import numpy as np
import pytest
import torch

REPOSITORY = Path(__file__).resolve().parents[1]
IN_CI = "true" in os.environ.get("CI", "").lower() or os.environ.get("DRIVETRAIN_CI") == "1"


def pytest_configure(config: pytest.Config) -> None:
    torch.set_num_threads(1)
    # Loaded after TensorFlow, triton ends the process, and collecting the adapters' examples loads TensorFlow.
    sys.modules.setdefault("triton", None)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def fixed_seed() -> Iterator[None]:
    """Every test starts from the same random state and leaves torch's settings as it found them."""
    dtype = torch.get_default_dtype()
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - user code under test may draw from the old generator
    yield
    torch.set_default_dtype(dtype)
    torch.use_deterministic_algorithms(deterministic)
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def recorded_data() -> Callable[[str], Path]:
    """Answers a folder of recorded data such as `fskitti`, or skips the test and says what is missing."""
    root = Path(os.environ.get("DRIVETRAIN_DATA", REPOSITORY.parent / "shared" / "data"))

    def folder(name: str) -> Path:
        if not (root / name).is_dir():
            pytest.skip(f"the recorded data {name!r} is not in {root}; set DRIVETRAIN_DATA to the folder that holds it")
        return root / name

    return folder


@pytest.fixture(scope="session")
def debian_program() -> Callable[..., str]:
    """Answers the path of a program from a Debian package; its absence fails in CI and skips, announced, elsewhere."""
    import glob
    import shutil

    def program(name: str, package: str = "", beside: str = "") -> str:
        """By its name, looked for in a pattern of folders first; ``package`` where that is called otherwise."""
        path = next(iter(sorted(glob.glob(f"{beside}/{name}"), reverse=True)), None) or shutil.which(name)
        if path is None and IN_CI:
            pytest.fail(f"{name} is not installed, and in CI it must be: .ci/run installs it")
        if path is None:
            pytest.skip(f"{name} is not installed; with Debian: apt-get install {package or name}")
        return path

    return program
