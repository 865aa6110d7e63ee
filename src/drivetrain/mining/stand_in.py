"""What stands in a sketch for a model that was found and for code that was not copied: it draws, it does not run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import torch
from torch import nn

from drivetrain.errors import ComponentError


class StandIn(nn.Module):
    """Holds the place of a model in a sketch, so that it can be drawn; running it says what to put there.

    Attributes:
        maker: what makes the model in the code that was read: ``"ultralytics.YOLO('plates.pt')"``.
        place: where: ``"main.py:15"``.
    """

    def __init__(self, maker: str, place: str) -> None:
        super().__init__()
        self.maker = maker
        self.place = place
        self.weight = nn.Parameter(torch.zeros(1))  # it learns, so that it is drawn as a model

    def forward(self, *values: Any) -> NoReturn:
        """Refuse.

        Raises:
            ComponentError: always; it says how to fill the sketch in.
        """
        raise ComponentError(
            f"the sketch has no model here yet: {self.maker} of {self.place} belongs in this place; "
            f"hand it over instead of StandIn(...)"
        )


def left_out(what: str, place: str) -> Callable[..., NoReturn]:
    """Holds the place of ordinary code in a sketch.

    Args:
        what: how the code reads: ``"match(boxes, hits)"``.
        place: where it stands: ``"main.py:47"``.
    """

    def run(*values: Any) -> NoReturn:
        raise ComponentError(
            f"the sketch has no code here yet: {what} of {place} belongs in this place; "
            f"hand over your function instead of left_out(...)"
        )

    return run
