"""Every training pattern passes the exam, and the exam finds what is wrong with one that does not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from drivetrain import System, component, system
from drivetrain.training import (
    AlternatingEndLoss,
    FederatedMerge,
    Individual,
    MergedLoss,
    PartialEndLoss,
    SimultaneousEndLoss,
    TrainingPattern,
)
from drivetrain.training.conformance import examine


def fork() -> System:
    trunk = component("trunk", nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(0.2)), "image -> features")
    lights = component("lights", nn.Linear(6, 2), "features -> light")
    signs = component("signs", nn.Linear(6, 3), "features -> sign")

    @system
    def traffic(image: Tensor) -> tuple[Tensor, Tensor]:
        features = trunk(image)
        return lights(features), signs(features)

    return traffic


def data() -> dict[str, Tensor]:
    widths = {"image": 5, "features": 6, "light": 2, "sign": 3}
    return {edge: torch.randn(18, width) for edge, width in widths.items()}


BOTH: dict[str, Any] = {"light": mse_loss, "sign": mse_loss}
PATTERNS: list[TrainingPattern] = [
    Individual({"features": mse_loss, **BOTH}),
    Individual(BOTH, inputs="system"),
    PartialEndLoss("trunk", BOTH),
    SimultaneousEndLoss(BOTH),
    AlternatingEndLoss(BOTH),
    MergedLoss(BOTH, weights={"sign": 0.5}),
    MergedLoss(BOTH, aggregator=lambda matrix: matrix.mean(0)),
    FederatedMerge(BOTH, rounds=2),
]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_every_pattern_passes_the_exam(pattern: TrainingPattern) -> None:
    examine(fork(), data(), pattern)


class Forgetful(SimultaneousEndLoss):
    """Changes weights behind everybody's back."""

    def after_epoch(self, tracks: Any, system: System, moment: Any) -> bool:
        with torch.no_grad():
            for weight in system.parameters():
                weight.add_(torch.tensor(next(COUNTER)))
                weight.requires_grad_(False)
        return True


COUNTER = iter(range(1, 1000))


def test_a_pattern_that_keeps_state_fails_by_name() -> None:
    with pytest.raises(AssertionError, match="simultaneous end-loss fails") as failure:
        examine(fork(), data(), Forgetful(BOTH))
    assert "the_same_seed_gives_the_same_weights: a second training from the same seed differs in" in str(failure.value)
