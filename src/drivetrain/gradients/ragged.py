"""Answers of changing length, laid into the slots of the first: each slot follows its successor when inputs move."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from drivetrain.errors import ComponentError, listed
from drivetrain.graph.component import Component


class Slots:
    """One ragged output of one pass: the values of the answer in slots [batch, slots, ...], and where they ended.

    What an estimator asks is how *this* answer moves. So of a moved answer each slot takes the element that succeeds
    it, by the assignment with the least sum of distances (Kuhn 1955); a slot without a successor stands still. That an
    element appears or vanishes has therefore no gradient: the loss that would tell was never asked about it.

    Attributes:
        values: the slots; zeros behind the end of a sample's list.
        counts: the length of each sample's list.
        lost: slots that had no successor so far, of all that were looked for.
    """

    def __init__(self, component: Component, port: str, answer: list[Any]) -> None:
        _check(component, port, answer)
        self.counts = [len(value) for value in answer]
        self.values = _padded(answer, max(self.counts, default=0))
        self.lost = [0, 0]

    def follow(self, answer: list[Any]) -> Tensor:
        """A moved answer in the slots of this one."""
        parts = zip(self.values, self.counts, answer, strict=True)
        return torch.stack([self._successors(slots, count, moved) for slots, count, moved in parts])

    def out_of(self, values: Tensor) -> list[Tensor]:
        """Slots as the list that they stand for."""
        return [row[:count] for row, count in zip(values, self.counts, strict=True)]

    def _successors(self, slots: Tensor, count: int, moved: Tensor) -> Tensor:
        from scipy.optimize import linear_sum_assignment

        self.lost = [self.lost[0] + max(count - len(moved), 0), self.lost[1] + count]
        found = slots.clone()
        if count and len(moved):
            own, new = (value.detach().reshape(len(value), -1).double() for value in (slots[:count], moved))
            rows, columns = linear_sum_assignment(torch.cdist(own, new).nan_to_num(1e30).numpy(force=True))
            found[torch.from_numpy(rows)] = moved.detach()[torch.from_numpy(columns)].to(found)
        return found


def _padded(answer: list[Tensor], length: int) -> Tensor:
    rows = [value.detach() for value in answer]
    return torch.stack([torch.cat([row, row.new_zeros(length - len(row), *row.shape[1:])]) for row in rows])


def _check(component: Component, port: str, answer: Any) -> None:
    """Refuse lists that cannot be laid into slots.

    Raises:
        ComponentError: a sample's value is no tensor with one row an element, or samples have rows of several shapes.
    """
    ok = isinstance(answer, list | tuple) and all(isinstance(value, Tensor) and value.ndim for value in answer)
    if ok and len({value.shape[1:] for value in answer}) <= 1:
        return
    found = sorted({_said(value) for value in answer}) if isinstance(answer, list | tuple) else [_said(answer)]
    raise ComponentError(
        f"'{component.name}' answers the ragged edge {port}[] with {listed(found)}; for an estimated gradient each "
        f"sample's value is one tensor with a row for each element: torch.stack(elements), or torch.zeros(0, 4) for "
        f"none. Or relax the code by hand: relaxed({component.name}, smooth)"
    )


def _said(value: Any) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
