"""One picture, and what a person labelled in it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SIZE = 320  # pixels a side, all pictures
LIGHTS = ("green", "red")
SIGNS = (*(f"limit {limit}" for limit in (10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120)), "stop")
FAMILIES = {"lights": LIGHTS, "signs": SIGNS}

Boxes = npt.NDArray[np.float32]  # [objects, 5]: class from 0, centre and size as shares of the picture
Pixels = npt.NDArray[np.uint8]  # [3, 320, 320]


class Picture(NamedTuple):
    """One picture, and the boxes of the families that were labelled in it; a family that is missing is unknown."""

    name: str
    split: str
    pixels: Pixels
    boxes: dict[str, Boxes]
