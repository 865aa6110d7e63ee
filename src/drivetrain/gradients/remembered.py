"""The answers of a program over few symbols, each asked for once and kept."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from drivetrain.gradients.call import Call, Tensors
from drivetrain.gradients.distributions import sure


def remembered(call: Call, rows: list[Tensor], limit: int) -> Tensors | None:
    """The code's answer to every combination of symbols, run once; ``None`` where that cannot be.

    It can where there are at most ``limit`` combinations, the code is given nothing else that could differ from call
    to call, and it answers twice the same.

    Args:
        call: the code; its ``memory`` holds the answers.
        rows: the distributions [batch, classes] that it is given.
        limit: how many combinations may be kept.

    Returns:
        Each output for every combination [combinations, ...], the last distribution's symbol running fastest.
    """
    classes = [row.shape[1] for row in rows]
    if call.others is None or math.prod(classes) > limit:
        return None
    key = {"classes": classes, "others": list(call.others)}
    if call.memory.get("asked") != key:
        call.memory.update(asked=key, answers=_all(call, classes))
    answers: list[Tensor] | None = call.memory["answers"]
    return None if answers is None else tuple(a.to(x) for a, x in zip(answers, call.outputs, strict=True))


def _all(call: Call, classes: list[int]) -> list[Tensor] | None:
    every = torch.cartesian_prod(*[torch.arange(k) for k in classes]).reshape(-1, len(classes))
    batch = len(call.inputs[0])
    parts: list[Any] = []
    for some in every.split(batch):
        padded = torch.cat([some, some[-1:].expand(batch - len(some), -1)]).to(call.inputs[0].device)
        parts.append([answer[: len(some)] for answer in call.function(sure(call.inputs, padded))])
    first = sure(call.inputs, every[:1].expand(batch, -1).to(call.inputs[0].device))
    again = [answer[:1] for answer in call.function(first)]
    if any(not torch.equal(a, b[:1]) for a, b in zip(again, parts[0], strict=True)):
        return None  # it answers differently each time: a memory would hold one of its moods for ever
    return [torch.cat(answers) for answers in zip(*parts, strict=True)]
