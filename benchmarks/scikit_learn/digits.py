"""Two systems on handwritten digits: one restores a lost half before reading, one reads the halves apart."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F

from benchmarks.scikit_learn.families import Settings, classifier, regressor
from benchmarks.scikit_learn.naming import Naming
from benchmarks.scikit_learn.setting import Data
from drivetrain import System, component, system
from drivetrain.components.sklearn import Estimator

PAIRS = torch.tensor(list(combinations(range(10), 2)))
ROWS = 1000
"""Pictures that a split draws of the 1797, which keeps the comparison within half an hour."""

FLOOR = 0.02
"""Added to probabilities before they are multiplied: one half alone never forbids a digit."""


class Halves:
    """The pictures, 8 x 8 in grey from 0 to 1, cut into an upper and a lower half of 32 numbers each."""

    @staticmethod
    def load() -> Data:
        data = load_digits()
        pictures, digits = torch.from_numpy(data.data / 16), torch.from_numpy(data.target)
        return {"upper": pictures[:, :32], "lower": pictures[:, 32:], "digit": digits}


class Restored(Naming):
    """Sequential: regression, then classification."""

    name = "restored digits"
    story = (
        "Sequential, 1797 handwritten digits. The lower half of a picture is lost; a model of the family restores its "
        "32 pixels from the upper half (own metric: squared error), and a logistic regression, which has learned from "
        "whole pictures, reads upper half and restored half. Judged by the share of digits read rightly."
    )
    model = "restore"
    inputs = ("upper",)
    output = "digit"
    sequential = True
    regression = True
    features = 32
    rows = ROWS

    @property
    def inner(self) -> Mapping[str, Any]:
        return {"lower": F.mse_loss, "digit": self.loss}

    def table(self) -> Data:
        return Halves.load()

    def build(self, family: str, seed: int, settings: Settings, step: float) -> System:
        model = Estimator(regressor(family, seed, settings, outputs=32), step=step)
        restore = component("restore", model, "upper -> lower")
        read = component(
            "read", Estimator(LogisticRegression(max_iter=2000), output="decision_function"), "upper, lower -> digit"
        )

        @system
        def reader(upper: Any) -> Any:
            return read(upper, restore(upper))

        return reader


class Joined(Naming):
    """Joining parallel: two classifiers, then code."""

    name = "joined halves"
    story = (
        "Joining parallel, 1797 handwritten digits. One model of the family reads the upper half, another the lower "
        "half (own metric: digits read rightly from the half alone); code multiplies their probabilities, or adds the "
        "margins of support-vector machines. Judged by the share of digits read rightly."
    )
    model = "above"
    inputs = ("upper", "lower")
    output = "digit"
    features = 32
    rows = ROWS

    @property
    def inner(self) -> Mapping[str, Any]:
        return {"by_upper": _own, "by_lower": _own}

    def table(self) -> Data:
        data = Halves.load()
        return {**data, "by_upper": data["digit"], "by_lower": data["digit"]}

    def build(self, family: str, seed: int, settings: Settings, step: float) -> System:
        above = component("above", Estimator(classifier(family, seed, settings), step=step), "upper -> by_upper")
        below = component("below", Estimator(classifier(family, seed, settings), step=step), "lower -> by_lower")
        join = component("join", _votes if family == "svm" else _product, "by_upper, by_lower -> digit")

        @system
        def reader(upper: Any, lower: Any) -> Any:
            return join(above(upper), below(lower))

        return reader


def scores_of_pairs(margins: Tensor) -> Tensor:
    """From one margin for each pair of digits, [rows, 45], to one score for each digit, [rows, 10]."""
    scores = margins.new_zeros(len(margins), 10)
    return scores.index_add(1, PAIRS[:, 0], margins).index_add(1, PAIRS[:, 1], -margins)


def _product(by_upper: Tensor, by_lower: Tensor) -> Tensor:
    return (by_upper + FLOOR).log() + (by_lower + FLOOR).log()


def _votes(by_upper: Tensor, by_lower: Tensor) -> Tensor:
    return scores_of_pairs(by_upper + by_lower)


def _own(prediction: Tensor, truth: Tensor) -> Tensor:
    scores = (prediction + FLOOR).log() if prediction.shape[1] == 10 else scores_of_pairs(prediction)
    return F.cross_entropy(scores, truth)
