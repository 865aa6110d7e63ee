"""A system on wines: one model estimates a laboratory value from cheap ones, another names the cultivar by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from benchmarks.scikit_learn.families import Settings, regressor
from benchmarks.scikit_learn.naming import Naming
from benchmarks.scikit_learn.setting import Data, standardised
from drivetrain import System, component, system
from drivetrain.components.sklearn import Estimator

CHEAP = ["alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "color_intensity"]


class Cultivar(Naming):
    """Sequential: regression, then classification."""

    name = "cultivar of a wine"
    story = (
        "Sequential, 178 wines. A model of the family estimates the flavanoids, which only a laboratory measures, "
        "from six cheap values (own metric: squared error); a logistic regression, which has learned from measured "
        "flavanoids, names the cultivar by them, alcohol and colour. Judged by the share of cultivars named rightly."
    )
    model = "estimate"
    inputs = ("cheap", "seen")
    output = "cultivar"
    sequential = True
    regression = True
    features = 6

    @property
    def inner(self) -> Mapping[str, Any]:
        return {"flavanoids": F.mse_loss, "cultivar": self.loss}

    def table(self) -> Data:
        data = load_wine()
        columns = dict(zip(data.feature_names, standardised(data.data).T, strict=True))
        return {
            "cheap": torch.stack([columns[name] for name in CHEAP], 1),
            "seen": torch.stack([columns["alcohol"], columns["color_intensity"]], 1),
            "flavanoids": columns["flavanoids"],
            "cultivar": torch.from_numpy(data.target),
        }

    def build(self, family: str, seed: int, settings: Settings, step: float) -> System:
        model = Estimator(regressor(family, seed, settings), step=step)
        estimate = component("estimate", model, "cheap -> flavanoids")
        name_it = component(
            "name_it", Estimator(LogisticRegression(), output="decision_function"), "flavanoids, seen -> cultivar"
        )

        @system
        def cellar(cheap: Any, seen: Any) -> Any:
            return name_it(estimate(cheap), seen)

        return cellar
