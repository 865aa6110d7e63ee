"""Functions that users hand over are refused at declaration where they cannot be called as they will be."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from drivetrain.errors import DeclarationError


def check_takes(function: Callable[..., Any], count: int, told: str) -> None:
    """Refuse a function that cannot be called with so many values by position.

    Args:
        function: the user's.
        count: how many it will be given.
        told: the beginning of the message: what it is, and how it is written.

    Raises:
        DeclarationError: it takes fewer, or needs more.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # builtins without a readable signature
        return
    try:
        signature.bind(*range(count))
    except TypeError as misfit:
        raise DeclarationError(f"{told}; what was given takes {signature}: {misfit}") from None
