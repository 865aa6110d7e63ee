"""Edges as scikit-learn's matrices: features [rows, features], made of tensors, pictures and ragged lists, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from drivetrain.errors import ShapeError, listed
from drivetrain.graph.execution import describe


@dataclass(frozen=True)
class Table:
    """The inputs of one call.

    Attributes:
        features: [rows, features], on the tape if the inputs were.
        lengths: rows of each sample of a ragged edge; None where each sample is a row.
    """

    features: Tensor
    lengths: tuple[int, ...] | None

    @classmethod
    def of(cls, values: Sequence[Any], estimator: Any) -> Table:
        """Several inputs stand side by side; what follows the first dimension is flattened.

        Raises:
            ShapeError: an input is no tensor of numbers, or has another number of features than was learned from.
        """
        name = type(estimator).__name__
        ragged = [isinstance(value, list) for value in values]
        if any(ragged):
            if not all(ragged):
                raise ShapeError(f"{name} reads ragged and other inputs at once: {describe(list(values))}")
            lengths = {tuple(len(part) for part in value) for value in values}
            if len(lengths) > 1:
                raise ShapeError(f"{name} reads several ragged inputs whose samples have different lengths")
            columns = [_joined(value, name) for value in values]
            found = cls(_beside(columns, name), lengths.pop())
        else:
            found = cls(_beside([_flat(value, name) for value in values], name), None)
        wanted = getattr(estimator, "n_features_in_", found.features.shape[1])
        if found.features.shape[1] != wanted:
            raise ShapeError(
                f"{name} has learned from {wanted} features a row, found {found.features.shape[1]} in "
                f"{listed(describe(value) for value in values)} (all after the first dimension is flattened)"
            )
        return found

    def shaped(self, answer: Tensor) -> Any:
        """An answer with one row per row as the edge carries it, in the number type of the inputs."""
        if answer.is_floating_point():
            answer = answer.to(self.features.dtype)
        return answer if self.lengths is None else list(answer.split(list(self.lengths)))


def _joined(parts: Sequence[Any], name: str) -> Tensor:
    if not parts:
        raise ShapeError(f"{name} was handed a batch without samples")
    full = [part for part in parts if len(part)]
    like = full[0] if full else parts[0]
    empty = like.reshape(len(like), -1)[:0] if full else like.reshape(0, like.shape[-1])
    return torch.cat([_flat(part, name) if len(part) else empty for part in parts])


def _flat(value: Any, name: str) -> Tensor:
    if not isinstance(value, Tensor) or value.is_complex() or not value.ndim:
        raise ShapeError(
            f"{name} reads tensors with one row per sample ([batch, features], pictures are flattened), or ragged "
            f"lists of [rows, features]; found {describe(value)}"
        )
    return value.reshape(len(value), -1) if value.ndim != 2 and len(value) else value


def _beside(columns: Sequence[Tensor], name: str) -> Tensor:
    if len({len(column) for column in columns}) > 1:
        raise ShapeError(f"{name} reads inputs of {listed(len(column) for column in columns)} rows side by side")
    whole = columns[0] if len(columns) == 1 else torch.cat([c.to(columns[0].dtype) for c in columns], 1)
    return whole if whole.is_floating_point() else whole.to(torch.get_default_dtype())
