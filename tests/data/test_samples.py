"""Data sets of dict samples: which fields they have, though samples lack some."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch

from drivetrain import component, fit, system
from drivetrain.data.samples import LOOKED_AT, spread
from drivetrain.training import SimultaneousEndLoss


@pytest.mark.parametrize("size", [1, 2, 31, LOOKED_AT, 33, 1000])
def test_samples_to_look_at_are_spread_from_the_first_to_the_last(size: int) -> None:
    found = spread(size)
    assert found[0] == 0
    assert found[-1] == size - 1
    assert len(found) == min(size, LOOKED_AT)
    gaps = [b - a for a, b in pairwise(found)]
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_labels_that_only_later_samples_have_are_found() -> None:
    head = component("head", torch.nn.Linear(2, 1), "signal -> word")

    @system
    def reader(signal: Any) -> Any:
        return head(signal)

    samples: list[dict[str, Any]] = [{"signal": torch.ones(2), "key": place} for place in range(40)]
    samples += [{"signal": torch.ones(2), "word": torch.ones(1), "key": 40 + place} for place in range(20)]
    report = fit(reader, samples, SimultaneousEndLoss(torch.nn.functional.mse_loss), epochs=1, batch_size=10, seed=0)
    assert report.updates["head"] > 0
