"""Pictures of digits, half of them mirrored, under noise and with pixels missing."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from drivetrain import Labels, annotated
from drivetrain.data.labels import Annotated

SIDE = 8  # pixels
NOISE, MISSING = 0.15, 0.1  # standard deviation, of white 1; share of pixels that are black
TRAIN = VALIDATION = 300  # pictures


@lru_cache(maxsize=1)
def pictures() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """The 1797 pictures that ship with scikit-learn [pictures, 8, 8] from 0 to 1, and their digits.

    Half of the test set of Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits" (CC BY 4.0).
    """
    from sklearn.datasets import load_digits

    found = load_digits()
    return (found.images / 16).astype(np.float32), found.target.astype(np.int64)


def splits(seed: int, train: int = TRAIN) -> tuple[Annotated, Annotated, dict[str, Any]]:
    """Training, validation and test pictures of a seed, no picture in two of them; the test part has what is left.

    picture: as it is seen, float32 [batch, 64]. clean: without noise, [batch, 64], no label but the picture itself.
    digit: int64 [batch]. side: is it mirrored, 0 or 1, int64 [batch].
    """
    drawing = np.random.default_rng(seed)
    images, digits = pictures()
    order = drawing.permutation(len(images))
    mirrored = drawing.integers(0, 2, len(images))
    clean = np.where(mirrored[:, None, None], images[:, :, ::-1], images).reshape(len(images), -1)
    seen = clean + NOISE * drawing.standard_normal(clean.shape)
    seen[drawing.random(clean.shape) < MISSING] = 0
    whole = {
        "key": torch.arange(len(images)),
        "picture": torch.from_numpy(seen.astype(np.float32)),
        "clean": torch.from_numpy(clean.copy()),
        "digit": torch.from_numpy(digits),
        "side": torch.from_numpy(mirrored),
    }
    parts = np.split(order, [train, train + VALIDATION])
    made = [{name: value[torch.from_numpy(rows)] for name, value in whole.items()} for rows in parts]
    return priced(made[0]), priced(made[1]), made[2]


def priced(data: dict[str, Any]) -> Annotated:
    """A digit and a side are a value each; the clean picture is what was recorded, before noise was laid over it."""
    return annotated(data, clean=Labels(count=lambda clean: 0, origin="derived"))
