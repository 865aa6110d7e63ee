"""Small systems whose versions are easy to reason about, and data for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from drivetrain import component, system
from drivetrain.experiments import Candidates


class Count:
    """A number that does not belong to what a model is."""

    def __init__(self) -> None:
        self.value = 0

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return Count, ()


class Shift(nn.Module):
    """Adds a number and counts how many samples it was given."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(float(by)))
        self.seen = Count()

    def forward(self, value: Tensor) -> Tensor:
        self.seen.value += len(value)
        return value + self.by


class Noisy(Shift):
    """Adds noise on top."""

    def forward(self, value: Tensor) -> Tensor:
        return super().forward(value) + 0.01 * torch.rand_like(value)


@component("left, right -> total")
def add(left: Tensor, right: Tensor) -> Tensor:
    return left + right


@component("near -> far")
def twice(near: Tensor) -> Tensor:
    return 2 * near


def closeness(prediction: Tensor, truth: Tensor) -> Tensor:
    return -(prediction - truth).abs().flatten(1).mean(1)


def join() -> Any:
    left = component("left_eye", Shift(0.0), "image -> left")
    right = component("right_eye", Shift(0.0), "scan -> right")

    @system
    def eyes(image: Any, scan: Any) -> Any:
        return add(left(image), right(scan))

    return eyes


def chain() -> Any:
    first = component("first", Shift(0.0), "signal -> near")
    second = component("second", Shift(0.0), "far -> word")

    @system
    def listener(signal: Any) -> Any:
        return second(twice(first(signal)))

    return listener


def shifts(*by: float) -> list[Shift]:
    return [Shift(one) for one in by]


def of_join(*, count: int = 3) -> Candidates:
    """The best combination makes ``left + right`` equal to five: neither the largest nor the smallest of each."""
    numbers = [float(one) for one in range(1, count + 1)]
    return Candidates(join(), {"left_eye": shifts(*numbers), "right_eye": shifts(*(4.5 - n for n in numbers))})


def data_of_join(samples: int = 40) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    image, scan = torch.rand(samples, 2, generator=generator), torch.rand(samples, 2, generator=generator)
    return {"image": image, "scan": scan, "total": image + scan + 5.5}


def data_of_chain(samples: int = 40) -> dict[str, Tensor]:
    signal = torch.rand(samples, 2, generator=torch.Generator().manual_seed(1))
    return {"signal": signal, "word": 2 * signal + 10.0}
