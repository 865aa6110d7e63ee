"""How much better trunk and branches are on the pictures they learned from: the gap of each, apart from the other's."""

from __future__ import annotations

from typing import Any

import torch

from drivetrain import System
from examples.protocol import Splits

from .losses import BRANCHES

STRENGTH = 1.0  # of the ridge; the same for every arm


@torch.no_grad()
def gaps(system: System, splits: Splits, seed: int) -> dict[str, float]:
    """Accuracy on training pictures minus accuracy on test pictures, averaged over the two branches.

    ``whole``: of the system. ``trunk``: of a linear reader that was fitted to the trunk's output on validation
    pictures, from which neither trunk nor branches have learned, so that whatever it reads better on training pictures
    the trunk has laid there. ``branches``: what is left of the whole.
    """
    system.eval()
    found = {}
    parts = {"train": splits.train.data, "validation": splits.validation.data, "test": splits.test}
    values = {name: system.trace(part) for name, part in parts.items()}
    for edge in BRANCHES:
        weights = fitted(values["validation"]["clean"], parts["validation"][edge])
        right = {
            name: (share(values[name][edge], part[edge]), share(bent(values[name]["clean"]) @ weights, part[edge]))
            for name, part in parts.items()
        }
        found[edge] = [seen - unseen for seen, unseen in zip(right["train"], right["test"], strict=True)]
    whole, trunk = (sum(gap[place] for gap in found.values()) / len(found) for place in (0, 1))
    return {"gap of the system": whole, "gap of the trunk": trunk, "gap of the branches": whole - trunk}


def fitted(features: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Weights of a ridge regression on one column a class."""
    x, y = bent(features), torch.nn.functional.one_hot(truth).double()
    solved: torch.Tensor = torch.linalg.solve(x.T @ x + STRENGTH * torch.eye(x.shape[1], dtype=x.dtype), x.T @ y)
    return solved


def bent(features: torch.Tensor) -> torch.Tensor:
    """Features with a constant, in double precision."""
    return torch.cat([features, torch.ones(len(features), 1)], dim=1).double()


def share(logits: torch.Tensor, truth: Any) -> float:
    """How many are right, from 0 to 1."""
    return float((logits.argmax(1) == truth).double().mean())
