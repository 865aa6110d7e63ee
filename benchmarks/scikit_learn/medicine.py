"""Three systems on medical tables: an alarm out of two, an order of treatment by an estimate, and a change of units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from torch import Tensor
from torch.nn import functional as F

from benchmarks.scikit_learn.families import Settings, classifier, regressor
from benchmarks.scikit_learn.setting import Data, Setting, standardised
from drivetrain import System, component, system
from drivetrain.components.sklearn import Estimator

MISSED, SHORT = 5.0, 4.0
"""What a missed cancer costs in false alarms, and a missing dose in needless ones."""


class Alarm(Setting):
    """Joining parallel: two classifiers, then code."""

    name = "two alarms"
    story = (
        "Joining parallel, 569 biopsies. One model of the family looks at the size of the nuclei, another at their "
        "surface (own metric: malignant or not); code raises the alarm when either does, 1 - (1 - p)(1 - q), above a "
        "threshold that validation chooses. Judged by costs: a missed cancer 5, a false alarm 1."
    )
    model = "surface_model"
    inputs = ("size", "surface")
    output = "risk"
    higher_is_better = False
    thresholds = (0.5, *np.round(np.linspace(0.02, 0.98, 49), 3).tolist())
    features = 21
    margin = 0.02

    @property
    def inner(self) -> Mapping[str, Any]:
        return {"by_size": _own, "by_surface": _own}

    def table(self) -> Data:
        data = load_breast_cancer()
        about_size = [any(word in name for word in ("radius", "perimeter", "area")) for name in data.feature_names]
        rest = [not chosen for chosen in about_size]
        malignant = torch.from_numpy(1 - data.target)
        tables = {"size": torch.from_numpy(data.data[:, about_size]), "surface": torch.from_numpy(data.data[:, rest])}
        return {**tables, "by_size": malignant, "by_surface": malignant, "risk": malignant}

    def build(self, family: str, seed: int, settings: Settings, step: float) -> System:
        def model() -> Estimator:
            return Estimator(classifier(family, seed, settings, scaled=family != "forest"), step=step)

        size_model = component("size_model", model(), "size -> by_size")
        surface_model = component("surface_model", model(), "surface -> by_surface")

        @component("by_size, by_surface -> risk")
        def either(by_size: Tensor, by_surface: Tensor) -> Tensor:
            return 1 - (1 - _malignant(by_size)) * (1 - _malignant(by_surface))

        @system
        def ward(size: Any, surface: Any) -> Any:
            return either(size_model(size), surface_model(surface))

        return ward

    def loss(self, prediction: Tensor, truth: Tensor) -> Tensor:
        risk = prediction.clamp(1e-3, 1 - 1e-3)
        return -(MISSED * truth * risk.log() + (1 - truth) * (1 - risk).log()).mean()

    def judge(self, prediction: Tensor, truth: Tensor, threshold: float) -> Tensor:
        alarm = prediction > threshold
        return torch.where(truth == 1, MISSED * (~alarm), alarm.double())

    def one_model(self, family: str, seed: int) -> Any:
        return classifier(family, seed, {}, scaled=family != "forest")

    def read_out(self, answer: Tensor) -> Tensor:
        return _malignant(answer)


class Order(Setting):
    """Sequential, with code: an estimate, then an order."""

    name = "order by estimate"
    story = (
        "A model and code, 442 diabetes patients. A model of the family estimates the progression of the disease "
        "after a year (own metric: squared error); code orders so many doses and adds a margin that validation "
        "chooses. Judged by costs: a missing dose 4, a needless one 1."
    )
    model = "estimate"
    inputs = ("patient",)
    output = "order"
    regression = True
    higher_is_better = False
    thresholds = (0.0, *np.round(np.linspace(-0.5, 1.5, 81), 3).tolist())
    features = 10
    margin = 0.03

    @property
    def inner(self) -> Mapping[str, Any]:
        return {"progression": F.mse_loss}

    def table(self) -> Data:
        data = load_diabetes(scaled=False)
        progression = torch.from_numpy(data.target / 100)
        return {"patient": standardised(data.data), "progression": progression, self.output: self.wanted(progression)}

    def wanted(self, progression: Tensor) -> Tensor:
        """The truth of the output: as many doses as the progression asks for."""
        return progression

    def build(self, family: str, seed: int, settings: Settings, step: float) -> System:
        model = Estimator(regressor(family, seed, settings), step=step)
        estimate = component("estimate", model, "patient -> progression")
        code = component("code", self.wanted, f"progression -> {self.output}")

        @system
        def clinic(patient: Any) -> Any:
            return code(estimate(patient))

        return clinic

    def loss(self, prediction: Tensor, truth: Tensor) -> Tensor:
        return self.judge(prediction, truth, 0.0).mean()

    def judge(self, prediction: Tensor, truth: Tensor, threshold: float) -> Tensor:
        missing = truth - prediction - threshold
        return torch.maximum(SHORT * missing, -missing)

    def one_model(self, family: str, seed: int) -> Any:
        return None

    def boosted(self, seed: int) -> Any:
        return GradientBoostingRegressor(loss="quantile", alpha=SHORT / (SHORT + 1), random_state=seed)


class Units(Order):
    """The control: what the system is judged by is what the model has minimised already."""

    name = "change of units"
    story = (
        "A model and code, 442 diabetes patients. A model of the family estimates the progression, and code expresses "
        "it in other units. Judged by the squared error, which individual training minimises already (support-vector "
        "regression its absolute error, beyond a tenth of a unit): **nothing is to be gained**, and a gain would be a "
        "false one."
    )
    output = "score"
    nothing_to_gain = True
    margin = 0.05
    thresholds = (0.0,)

    def wanted(self, progression: Tensor) -> Tensor:
        """Another unit."""
        return 2 * progression - 3

    def loss(self, prediction: Tensor, truth: Tensor) -> Tensor:
        return F.mse_loss(prediction, truth)

    def judge(self, prediction: Tensor, truth: Tensor, threshold: float) -> Tensor:
        return (prediction - truth) ** 2

    def boosted(self, seed: int) -> Any:
        return GradientBoostingRegressor(random_state=seed)


def _malignant(answer: Tensor) -> Tensor:
    """The probability of the second class; the margin of a support-vector machine through a sigmoid."""
    return answer[:, 1] if answer.ndim == 2 else torch.sigmoid(2 * answer)


def _own(prediction: Tensor, truth: Tensor) -> Tensor:
    risk = _malignant(prediction).clamp(1e-3, 1 - 1e-3)
    return F.binary_cross_entropy(risk, truth.to(risk))
