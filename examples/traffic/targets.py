"""What a perfect detector would answer: a heat-map and the boxes near its peaks (Zhou et al. 2019, CenterNet)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from .crops import GRID
from .picture import FAMILIES, Boxes

AROUND = 0.5  # heat of the cells that tell the box, too


def truth_map(boxes: Mapping[str, Boxes], laid: Mapping[str, Boxes] | None = None) -> Tensor:
    """[2, 5, 20, 20]: heat (1 in the cell of a centre), where the centre lies from the cell's corner in cells, log of
    the sizes in cells. Heat is NaN where nobody labelled, apart from the insides of objects of the other
    family, which are no objects of this one; the rest is NaN also where no object is near.

    laid: objects of families that are not labelled: heat is known around them alone.
    """
    found = torch.full((2, 5, GRID, GRID), float("nan"))
    for place, family in enumerate(FAMILIES):
        if family in boxes:
            found[place, 0] = 0
            _write(found[place], boxes[family], known=True)
            continue
        for rows in boxes.values():  # what is a sign is no light, and the other way round
            for box in rows.tolist():
                found[place, 0][_window(box, 0.5, 0.0)] = 0
        if laid and family in laid:
            _write(found[place], laid[family], known=False)
    return found


def _window(box: list[float], share: float, cells: float) -> Tensor:
    """The cells [20, 20] whose centre lies in a box [5]: within a share of its sizes, and some cells more."""
    at = torch.arange(GRID) + 0.5
    _, x, y, width, height = box
    across = (at - x * GRID).abs() < share * width * GRID + cells
    return across & ((at - y * GRID).abs() < share * height * GRID + cells)[:, None]


def _write(found: Tensor, rows: Boxes, *, known: bool) -> None:
    cells = torch.arange(GRID) + 0.5
    best = torch.zeros(GRID, GRID)
    for box in rows.tolist():
        _, x, y, width, height = box
        wide, high = max(width, 0.015) * GRID, max(height, 0.015) * GRID
        column, row = min(int(x * GRID), GRID - 1), min(int(y * GRID), GRID - 1)
        across = -((cells - column - 0.5) / max(wide / 4, 0.6)).square() / 2
        along = -((cells - row - 0.5) / max(high / 4, 0.6)).square() / 2
        heat = (along[:, None] + across).exp()
        if not known:
            found[0][_window(box, 0.75, 1.0) & found[0].isnan()] = 0
        found[0] = torch.where(found[0].isnan(), found[0], torch.maximum(found[0], heat))
        near = (heat >= AROUND) & (heat > best)
        best = torch.maximum(best, heat)
        values = [x * GRID - (cells - 0.5).expand(GRID, GRID), y * GRID - (cells - 0.5)[:, None].expand(GRID, GRID)]
        sizes = [torch.full((GRID, GRID), float(np.log(side))) for side in (wide, high)]
        found[1:] = torch.where(near, torch.stack([*values, *sizes]), found[1:])
