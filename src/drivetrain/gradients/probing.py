"""What a few runs tell of code: whether its answer jumps, whether it picks what is best, and what a call costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from drivetrain.gradients.call import Call, Tensors
from drivetrain.gradients.perturbation import mixes, spread

EVIDENCE = 8
"""Samples whose pick must have changed before code is taken to pick what is best."""


@dataclass(frozen=True)
class Look:
    """What was found.

    Attributes:
        jumping: the share of numbers that jump, of those of an answer that change under large steps; of the worst
            output. ``None``: nothing changed.
        best: ``"highest"`` or ``"lowest"``: which of its scores the code answers; ``None`` if it is no such code.
        mixing: whether samples of a batch influence each other.
        moody: whether it answers differently from run to run.
        seconds: of one call, the median.
    """

    jumping: float | None
    best: str | None
    mixing: bool
    moody: bool
    seconds: float


def look(call: Call) -> Look:
    """Run the code at nine to fourteen inputs, moved by random numbers that leave torch's generator alone."""
    seconds: list[float] = []
    wide = list(_runs(call, 0.5, seconds))
    near = list(_runs(call, 1e-3, seconds))
    jumping, mixing = _jumping(call, near, wide), mixes(call)
    best = None
    if jumping is not None and jumping >= 0.25 and not mixing:
        best = _best(call, wide, seconds)
    again = zip(_timed(call, call.inputs, seconds), call.outputs, strict=True)
    moody = any(not torch.equal(told.nan_to_num(), known.nan_to_num()) for told, known in again)
    return Look(jumping, best, mixing, moody, sorted(seconds)[len(seconds) // 2])


def _runs(call: Call, step: float, seconds: list[float]) -> Iterator[tuple[Tensors, Tensors]]:
    """Four random moves of all inputs, and what is answered there."""
    draws = torch.Generator().manual_seed(0)
    for _ in range(4):
        signs = [torch.randint(0, 2, x.shape, generator=draws).to(x) * 2 - 1 for x in call.inputs]
        moved = tuple(x + step * spread(x, None) * s for x, s in zip(call.inputs, signs, strict=True))
        yield moved, _timed(call, moved, seconds)


def _timed(call: Call, inputs: Tensors, seconds: list[float]) -> Tensors:
    begin = time.perf_counter()
    answer = call.function(inputs)
    seconds.append(time.perf_counter() - begin)
    return answer


def _jumping(call: Call, near: list[tuple[Tensors, Tensors]], wide: list[tuple[Tensors, Tensors]]) -> float | None:
    shares = []
    for place, output in enumerate(call.outputs):
        rows = call.batch or 1
        small, large = (_changed(output, [answer[place] for _, answer in runs]) for runs in (near, wide))
        if not output.numel():
            continue
        moves, jumps = (which.reshape(rows, -1).sum(0) for which in (large, large & ~small))
        if moves.any():  # a number jumps if, in most samples where a large step changes it, a small one does not
            shares.append(float((2 * jumps > moves).sum() / (moves > 0).sum()))
    return max(shares) if shares else None


def _changed(known: Tensor, answers: list[Tensor]) -> Tensor:
    changed = torch.zeros_like(known, dtype=torch.bool)
    for answer in answers:
        changed |= answer != known
    return changed


def _best(call: Call, wide: list[tuple[Tensors, Tensors]], seconds: list[float]) -> str | None:
    """Whether the code answers what is best under its scores.

    ``argmax <y, x>`` is monotone (Rockafellar 1970, section 24): answers never move against a move of the scores, and
    those of the lowest never with it. And its numbers compete: a score changes what is answered for another.
    """
    if len(call.inputs) != 1 or len(call.outputs) != 1 or call.ragged or call.batch is None:
        return None
    (scores,), (answer,) = call.inputs, call.outputs
    if scores.shape != answer.shape or scores.ndim < 2:
        return None
    along = torch.cat([((moved[0] - scores) * (told[0] - answer)).flatten(1).sum(1) for moved, told in wide])
    changed = torch.cat([(told[0] != answer).flatten(1).any(1) for _, told in wide])
    slack = 1e-6 * float(along.abs().max())
    best = "highest" if bool((along >= -slack).all()) else "lowest" if bool((along <= slack).all()) else None
    if best is None or int(changed.sum()) < EVIDENCE or not _compete(call, scores, answer, seconds):
        return None
    return best


def _compete(call: Call, scores: Tensor, answer: Tensor, seconds: list[float]) -> bool:
    """Whether the numbers answered for half of the scores change when only the others move."""
    draws = torch.Generator().manual_seed(1)
    for _ in range(3):
        which = torch.randint(0, 2, scores.shape, generator=draws).to(scores.device).bool()
        step = torch.randn(scores.shape, generator=draws).to(scores) * spread(scores, None)
        (told,) = _timed(call, (torch.where(which, scores + step, scores),), seconds)
        if bool(((told != answer) & ~which).any()):
            return True
    return False
