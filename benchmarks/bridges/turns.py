"""A bridge and the framework's own call take turns; a peer in a process of its own times itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.bridges.tesseract import Peer
from benchmarks.measure import in_turns
from drivetrain import component

CALLS = 10
ROWS, WIDE, NARROW = 32, 16, 8
LAYERS = 30  # of the models of many weights
OURS, OWN, TESSERACT = "drivetrain", "own", "tesseract"
Call = Callable[[], object]


def measured(
    made: Callable[[], dict[str, dict[str, Call]]], rounds: int, tesseract: str
) -> dict[str, dict[str, list[float]]]:
    """Seconds of every contestant in every round, by kind of call."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    calls = made()
    found = {}
    for kind, contestants in calls.items():
        peer = Peer(tesseract, kind, CALLS, (ROWS, WIDE, NARROW)) if tesseract else None
        found[kind] = turns(contestants, peer, rounds)
    return found


def turns(contestants: dict[str, Call], peer: Peer | None, rounds: int) -> dict[str, list[float]]:
    """Seconds a call, one value a round, in a new random order each; a peer of another process times itself."""
    if peer is None:
        return in_turns(contestants, rounds, CALLS)
    seconds: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, values in in_turns(contestants, 1, CALLS).items():
            seconds.setdefault(name, []).extend(values)
        seconds.setdefault(TESSERACT, []).append(peer.seconds())
    return seconds


def ours(thing: Any) -> dict[str, Call]:
    """A component called on a tensor: forward in evaluation mode, and there and back in training mode."""
    part = component("model", thing, "x -> y")
    x, moved = torch.randn(ROWS, WIDE), torch.randn(ROWS, WIDE, requires_grad=True)

    def forward() -> object:
        if part.training:
            part.eval()
        with torch.no_grad():
            return part(x)

    weights = list(part.parameters())

    def there_and_back() -> object:
        if not part.training:
            part.train()
        moved.grad = None
        for weight in weights:
            weight.grad = None
        part(moved).sum().backward()
        return moved.grad

    return {"forward": forward, "there and back": there_and_back}


def against(own: dict[str, Call], thing: Any) -> dict[str, dict[str, Call]]:
    """Contestants by kind of call."""
    mine = ours(thing)
    return {kind: {OWN: call, OURS: mine[kind]} for kind, call in own.items()}


def shapes() -> list[tuple[int, int]]:
    """Rows and columns of each layer's matrix."""
    return [(WIDE, WIDE)] * (LAYERS - 1) + [(WIDE, NARROW)]
