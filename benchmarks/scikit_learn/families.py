"""The three families that are compared, with scikit-learn's defaults, and the settings that a search may try."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

FAMILIES = ("forest", "linear", "svm")
TREES = 30

Settings = dict[str, Any]


def regressor(family: str, seed: int, settings: Settings, outputs: int = 1) -> Any:
    """A forest, a ridge regression or a support-vector regression; the last one model for each of several outputs."""
    if family == "forest":
        wide = {"max_features": "sqrt"} if outputs > 1 else {}
        return RandomForestRegressor(TREES, random_state=seed, **{**wide, **settings})
    if family == "linear":
        return Ridge(**_renamed(settings))
    machine = SVR(**settings)
    return machine if outputs == 1 else MultiOutputRegressor(machine)


def classifier(family: str, seed: int, settings: Settings, scaled: bool = False) -> Any:
    """A forest, a logistic regression or a support-vector classifier that answers one margin for each pair of classes.

    scaled: whether features come in units so different that linear models and kernels want them standardised.
    """
    if family == "forest":
        return RandomForestClassifier(TREES, random_state=seed, **settings)
    if family == "linear":
        model: Any = LogisticRegression(max_iter=2000, **settings)
    else:
        model = SVC(decision_function_shape="ovo", **settings)
    return make_pipeline(StandardScaler(), model) if scaled else model


def settings(family: str, number: int, seed: int, features: int) -> Settings:
    """The settings of a random search (Bergstra and Bengio 2012): number 0 is scikit-learn's own."""
    if number == 0:
        return {}
    random = np.random.default_rng([seed, number])
    if family == "forest":
        return {
            "max_features": ["sqrt", 0.5, 1.0][random.integers(3)],
            "min_samples_leaf": int([1, 2, 4, 8][random.integers(4)]),
            "max_depth": [None, 8, 4][random.integers(3)],
        }
    if family == "linear":
        return {"C": float(10 ** random.uniform(-3, 2))}
    return {"C": float(10 ** random.uniform(-1, 2)), "gamma": float(10 ** random.uniform(-1, 1) / features)}


def _renamed(settings: Settings) -> Settings:
    """Ridge's penalty is the inverse of what logistic regression calls C."""
    return {"alpha": 1 / settings["C"]} if "C" in settings else {}
