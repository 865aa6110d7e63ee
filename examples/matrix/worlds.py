"""Worlds from which small systems learn: what inputs mean inside, what the end is, how good the inner truth is."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from examples.protocol import Splits

Integration = Literal["sequential", "join", "fork"]
INTEGRATIONS: tuple[Integration, ...] = ("sequential", "join", "fork")
Kind = Literal["exact", "noisy", "lossy"]
KINDS: tuple[Kind, ...] = ("exact", "noisy", "lossy")
"""Of the inner truth: as it is; under noise as large as itself; with half of what the end needs left out."""

INPUTS, INNER, CLASSES = 8, 4, 3
PRETRAINING, TRAIN, VALIDATION, TEST = 40, 200, 200, 1000
LABEL_NOISE = 0.05  # share of end labels that were drawn anew

Array = npt.NDArray[np.float64]


class World(NamedTuple):
    """The data of a seed: a little for a start that every arm shares, then the splits."""

    start: dict[str, torch.Tensor]
    splits: Splits


def world(integration: Integration, kind: Kind, seed: int) -> World:
    """Draw a world and samples of it; each seed draws other laws, so that worlds are independent units.

    Inputs are float32 [batch, 8] (``x``; of a join ``left`` and ``right``). Inner truths are float32 [batch, 4] (``z``;
    of a join ``u`` and ``v``, [batch, 2] each). Ends are classes, int64 [batch]: ``y`` of three; of a fork ``a`` of
    three and ``b`` of two.
    """
    drawing = np.random.default_rng([seed, INTEGRATIONS.index(integration), KINDS.index(kind)])
    count = PRETRAINING + TRAIN + VALIDATION + TEST
    made = {"sequential": _sequence, "join": _join, "fork": _fork}[integration](drawing, count)
    for edge in ("z", "u", "v"):
        if edge in made:
            made[edge] = _told(made[edge], kind, drawing)
    for edge, classes in (("y", CLASSES), ("a", CLASSES), ("b", 2)):
        if edge in made:
            drawn = drawing.random(count) < LABEL_NOISE
            made[edge] = np.where(drawn, drawing.integers(0, classes, count), made[edge])
    tensors = {edge: torch.from_numpy(value.astype("f4" if value.ndim > 1 else "i8")) for edge, value in made.items()}
    parts = np.cumsum([PRETRAINING, TRAIN, VALIDATION])
    split = [
        {e: v[rows] for e, v in tensors.items()} for rows in map(torch.from_numpy, np.split(np.arange(count), parts))
    ]
    return World(split[0], Splits(*split[1:]))


def _sequence(drawing: np.random.Generator, count: int) -> dict[str, Any]:
    x = drawing.standard_normal((count, INPUTS))
    z = _bent(x, INNER, drawing)
    return {"x": x, "z": z, "y": _class(z, CLASSES, drawing)}


def _join(drawing: np.random.Generator, count: int) -> dict[str, Any]:
    left, right = (drawing.standard_normal((count, INPUTS)) for _ in range(2))
    u, v = _bent(left, INNER // 2, drawing), _bent(right, INNER // 2, drawing)
    return {"left": left, "right": right, "u": u, "v": v, "y": _class(np.hstack([u, v]), CLASSES, drawing)}


def _fork(drawing: np.random.Generator, count: int) -> dict[str, Any]:
    x = drawing.standard_normal((count, INPUTS))
    z = _bent(x, INNER, drawing)
    return {"x": x, "z": z, "a": _class(z, CLASSES, drawing), "b": _class(z, 2, drawing)}


def _bent(x: Array, width: int, drawing: np.random.Generator) -> Array:
    """What the inputs mean: a bent projection, [samples, width] of about unit variance."""
    bent: Array = 1.5 * np.tanh(x @ drawing.standard_normal((x.shape[1], width)) / np.sqrt(x.shape[1]) * 1.5)
    return bent


def _class(z: Array, classes: int, drawing: np.random.Generator) -> Array:
    """Which of some directions z and its products point to most."""
    z = np.hstack([z, z[:, :1] * z[:, 1:2]])
    found: Array = (z @ drawing.standard_normal((z.shape[1], classes))).argmax(1)
    return found


def _told(z: Array, kind: Kind, drawing: np.random.Generator) -> Array:
    """The inner truth as somebody has annotated it."""
    if kind == "noisy":
        return z + z.std() * drawing.standard_normal(z.shape)
    if kind == "lossy":
        return np.where(np.arange(z.shape[1]) < z.shape[1] // 2, z, 0.0)
    return z
