"""A loss or a weight that is not finite is refused, in words that say where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.utils._pytree import tree_leaves

from drivetrain.errors import NonFiniteLossError, listed
from drivetrain.training.turns import Turns

_FIX = "try clip=1.0 or a smaller learning rate"


def check_loss(terms: Mapping[str, float], values: Mapping[str, Any], turns: Turns, when: str) -> None:
    """Refuse a loss that is NaN or infinite.

    Args:
        terms: the named terms of the loss.
        values: every edge of the system, in order of execution.
        turns: knows the weights.
        when: which iteration of what this was.

    Raises:
        NonFiniteLossError: the message names the first edge, or the model, that is not finite.
    """
    broken = [name for name, term in terms.items() if not isfinite(term)]
    if not broken:
        return
    found = listed(f"{name} = {term:.3g}" for name, term in terms.items())
    if models := _spoilt(turns):
        raise NonFiniteLossError(
            f"the loss became NaN or infinite {when} ({found}): the weights of {listed(models)} are not finite, since "
            f"a gradient before was not; {_FIX}"
        )
    edges = [edge for edge, value in values.items() if any(_broken(leaf) for leaf in tree_leaves(value))]
    where = (
        f"the first edge that is not finite is '{edges[0]}'"
        if edges
        else "every edge is finite, so the loss itself made it"
    )
    raise NonFiniteLossError(
        f"the loss became NaN or infinite {when} ({found}); {where}. "
        f"Weights, statistics and checkpoints are as they were before this iteration; {_FIX}"
    )


def check_weights(turns: Turns, when: str) -> None:
    """Refuse to go on with, or to keep, weights that are not finite.

    Raises:
        NonFiniteLossError: the message names the models.
    """
    norm = get_total_norm(turns.weights(turns.models))  # one question for all: it is NaN or infinite where one is
    if not bool(torch.isfinite(norm)) and (models := _spoilt(turns)):
        raise NonFiniteLossError(
            f"{when} the weights of {listed(models)} are not finite: the loss was, but its gradient was not (a square "
            f"root, a logarithm or a division at zero). Checkpoints are as they were; {_FIX}"
        )


def _spoilt(turns: Turns) -> list[str]:
    """The models with a weight that learns and is NaN or infinite."""
    return [name for name in turns.models if any(map(_broken, turns.weights([name])))]


def _broken(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.is_floating_point() and not bool(torch.isfinite(leaf.detach()).all())
