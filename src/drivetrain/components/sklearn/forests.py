"""The answer of a forest without the detour over joblib, which costs more than the trees where batches are small."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.components.sklearn.merging import FORESTS

Array = npt.NDArray[Any]


def forest_answer(estimator: Any, output: str, features: Array) -> Array | None:
    """What ``predict_proba`` of a forest of one target, or ``predict`` of a regression, answers, bitwise the same.

    None where scikit-learn is to be asked: of other estimators and outputs, of features that are not finite (it says
    what is wrong with them), and of forests whose trees are to run in parallel.
    """
    name = type(estimator).__name__
    if name not in FORESTS or type(estimator).__module__ != "sklearn.ensemble._forest":
        return None
    classifies = name.endswith("Classifier")
    if output != ("predict_proba" if classifies else "predict") or estimator.n_jobs not in (None, 1):
        return None
    if (classifies and estimator.n_outputs_ > 1) or features.ndim != 2 or not len(features):
        return None
    rows = np.ascontiguousarray(features, dtype=np.float32)
    if not np.isfinite(rows).all() or rows.shape[1] != estimator.n_features_in_:
        return None
    total: Array | None = None
    for tree in estimator.estimators_:
        found = tree.tree_.predict(rows)
        if not classifies:
            found = found[:, 0] if estimator.n_outputs_ == 1 else found[:, :, 0]
        total = np.zeros(found.shape) + found if total is None else total + found
    return None if total is None else total / len(estimator.estimators_)
