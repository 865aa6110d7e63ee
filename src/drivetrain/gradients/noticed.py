"""What is noticed of an estimated gradient on the way: how noisy it is, and how many samples receive none."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from drivetrain.gradients.call import Call, Tensors

PullBack = Callable[[Call, Tensors], Tensors]

REPEATS = 3
"""Estimates beside the first, from which its noise is told."""


@dataclass(frozen=True)
class Noticed:
    """Of one component so far.

    Attributes:
        silent: of the samples of which the loss asked something, the share that received no gradient at all.
        noise: the standard deviation of one estimate at the first batch, in units of the gradient's length; ``None``
            where it was not looked for.
        lost: of the elements of ragged answers, the share that had no successor when inputs moved.
    """

    silent: float
    noise: float | None
    lost: float

    @classmethod
    def of(cls, memory: dict[str, Any]) -> Noticed | None:
        """What a component's memory holds of it; nothing before the first way back."""
        known = memory.get("noticed")
        if known is None or not known["asked"]:
            return None
        return cls(known["silent"] / known["asked"], known["noise"], known["lost"][0] / max(known["lost"][1], 1))

    def __str__(self) -> str:
        noise = "" if self.noise is None else f"noise of one estimate {self.noise:.2f} of the gradient, "
        lost = f"; {self.lost:.0%} of elements vanish when inputs move" if self.lost else ""
        return f"{noise}{self.silent:.0%} of samples without any{lost}"


def notice(call: Call, cotangents: Tensors, gradients: Tensors, pull_back: PullBack | None = None) -> None:
    """Add one way back to what is known; with ``pull_back``, at the first, look for the noise by further estimates.

    Those leave torch's generator and the memory as they were.
    """
    new = {"asked": 0, "silent": 0, "noise": None, "lost": [0, 0]}
    known = call.memory.setdefault("noticed", new)
    if pull_back is not None and not known["asked"]:
        known["noise"] = _noise(call, cotangents, gradients, pull_back)
    rows = call.batch or 1
    asked = _any(cotangents, rows)
    found = _any(tuple(g for g in gradients if call.batch is None or (g.ndim and len(g) == rows)), rows)
    known["asked"] += int(asked.sum())
    known["silent"] += int((asked & ~found).sum())
    for slots in call.ragged:
        known["lost"] = [a + b for a, b in zip(known["lost"], slots.lost, strict=True)]


def size_and_noise(gradients: Tensor) -> tuple[float, float]:
    """The length of the mean of several gradients [repeats, ...], their noise discounted, and one's noise over it."""
    repeats = gradients.shape[0]
    variance = float(gradients.var(0).sum()) if repeats > 1 else 0.0
    size = max(float(gradients.mean(0).square().sum()) - variance / repeats, 0.0) ** 0.5
    return size, variance**0.5 / size if size else float("inf") if variance else 0.0


def _noise(call: Call, cotangents: Tensors, gradients: Tensors, pull_back: PullBack) -> float:
    draws = [gradients]
    with torch.random.fork_rng(devices=[]):
        for number in range(REPEATS):
            torch.manual_seed(number)
            again = call.with_memory(copy.deepcopy(call.memory))
            draws.append(pull_back(again, cotangents))
    return size_and_noise(torch.stack([torch.cat([g.flatten().double() for g in draw]) for draw in draws]))[1]


def _any(values: Tensors, rows: int) -> Tensor:
    """Which samples [rows] have anything but zeros."""
    found = torch.zeros(rows, dtype=torch.bool)
    for value in values:
        if value.numel():
            found |= (value.reshape(rows, -1) != 0).any(1).cpu()
    return found
