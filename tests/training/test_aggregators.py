"""Aggregators of TorchJD (Quinton and Rey 2024) are handed over to the merged loss as they are."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from drivetrain import component, fit, system
from drivetrain.training import MergedLoss
from tests.training.systems import numbers, sgd

BOTH = {"light": F.mse_loss, "sign": F.mse_loss}
NAMES = ["Mean", "Sum", "UPGrad", "MGDA", "PCGrad", "DualProj", "IMTLG", "AlignedMTL"]


def fork():
    models = {"trunk": nn.Linear(5, 6).double(), "lights": nn.Linear(6, 2).double(), "signs": nn.Linear(6, 3).double()}
    trunk = component("trunk", models["trunk"], "image -> features")
    lights = component("lights", models["lights"], "features -> light")
    signs = component("signs", models["signs"], "features -> sign")

    @system
    def traffic(image):
        features = trunk(image)
        return lights(features), signs(features)

    return traffic, models


@pytest.mark.parametrize("name", NAMES)
def test_merged_loss_with_an_aggregator_of_torchjd_equals_the_loop_that_its_manual_shows(name):
    torchjd = pytest.importorskip("torchjd", reason="pip install torchjd")
    autojac = pytest.importorskip("torchjd.autojac")
    aggregator = getattr(torchjd.aggregation, name)()
    net, models = fork()
    other = copy.deepcopy(models)
    data = {"image": numbers(5), "light": numbers(2), "sign": numbers(3)}
    torch.manual_seed(0)
    fit(net, data, MergedLoss(BOTH, aggregator=aggregator), epochs=3, batch_size=24, optimizer=sgd, seed=0)
    torch.manual_seed(0)
    optimizers = [sgd(list(model.parameters())) for model in other.values()]
    for _ in range(3):
        features = other["trunk"](data["image"])
        losses = [
            F.mse_loss(other["lights"](features), data["light"]),
            F.mse_loss(other["signs"](features), data["sign"]),
        ]
        autojac.mtl_backward(losses, features=features)
        autojac.jac_to_grad(other["trunk"].parameters(), aggregator)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    for key, model in models.items():
        for weight, expected in zip(model.parameters(), other[key].parameters(), strict=True):
            torch.testing.assert_close(weight, expected, rtol=1e-6, atol=1e-9)
