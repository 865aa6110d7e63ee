"""One estimator of several that learned apart: weights are averaged, forests take an equal share of trees from each."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from drivetrain.errors import TrainingError

FORESTS = ("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor")
AVERAGED = ("coef_", "intercept_", "coefs_", "intercepts_")


def merged(estimators: Sequence[Any]) -> Any:
    """The merger: a linear model or perceptron by the mean of its weights, a forest by trees from each in equal share.

    Raises:
        TrainingError: there is no meaningful one, such as of two support-vector machines with other support vectors.
    """
    first = copy.deepcopy(estimators[0])
    finals = [estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator for estimator in estimators]
    final = first.steps[-1][1] if hasattr(first, "steps") else first
    name = type(final).__name__
    if any(not np.array_equal(getattr(one, "classes_", 0), getattr(final, "classes_", 0)) for one in finals):
        raise TrainingError(f"FederatedMerge: {name}s that know different classes cannot be merged")
    if name in FORESTS:
        count = len(final.estimators_)
        trees = [finals[place % len(finals)].estimators_[place] for place in range(count)]
        final.estimators_ = [copy.deepcopy(tree) for tree in trees]
        return first
    if hasattr(final, "support_vectors_"):
        same = all(np.array_equal(one.support_vectors_, final.support_vectors_) for one in finals)
        if same:
            for key in ("dual_coef_", "_dual_coef_", "intercept_", "_intercept_"):
                setattr(final, key, np.mean([getattr(one, key) for one in finals], axis=0))
            return first
    elif all(hasattr(final, key) for key in AVERAGED[:2]) or all(hasattr(final, key) for key in AVERAGED[2:]):
        for key in AVERAGED:
            if hasattr(final, key):
                setattr(final, key, _mean([getattr(one, key) for one in finals]))
        return first
    raise TrainingError(
        f"FederatedMerge: two {name}s cannot be merged: they have neither weights of one shape nor trees that could "
        f"stand side by side. What can: linear models, perceptrons, kernel machines with the same support vectors, "
        f"forests. MergedLoss or AlternatingEndLoss trains it without a merge"
    )


def _mean(values: Sequence[Any]) -> Any:
    if isinstance(values[0], list):
        return [np.mean(parts, axis=0) for parts in zip(*values, strict=True)]
    return np.mean(values, axis=0)
