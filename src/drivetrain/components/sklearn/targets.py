"""How an estimator without an exact gradient follows the end loss: its outputs are moved, and it is fitted to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import is_classifier
from sklearn.utils.validation import has_fit_parameter
from torch import Tensor

from drivetrain.components.sklearn.table import Table
from drivetrain.components.sklearn.unseen import Fitted
from drivetrain.errors import ShapeError
from drivetrain.graph.execution import describe

Array = npt.NDArray[Any]
LEAST = 0.02
"""Smaller shares of a class are left out of what a classifier is fitted to; each class keeps one example at least."""

STAGES = 10
"""Stages that a boosted model adds in one fit; at the usual learning rate of 0.1 they go two thirds of the way."""


def fit_moved(estimator: Any, output: str, features: Array, outputs: Array, moves: Array) -> Fitted:
    """Fit an estimator to its own outputs, moved along the negative gradient of the end loss; answers to what.

    One step of gradient descent in the space of functions, projected onto what the estimator can be: the moved outputs
    are the targets of Lee et al. 2015 ("Difference target propagation": the local target of the last layer is
    its output minus a step along the gradient of the loss), here taken at the estimator's own output, where the rest of
    the system is differentiated exactly. A boosted model keeps what it has and adds stages that are fitted to the moves
    (Friedman 2001, "Greedy function approximation"). Regressors are moved in standard deviations of their output;
    probabilities in probability and back to the nearest distribution (Duchi et al. 2008); margins are moved, and their
    softmax or sigmoid is the distribution.
    """
    fitted = Fitted(features, *targets_of(estimator, output, outputs, moves))
    _fit(estimator, features[fitted.rows], fitted.targets, fitted.weights)
    return fitted


def targets_of(estimator: Any, output: str, outputs: Array, moves: Array) -> tuple[Array, Array, Array | None]:
    """Which rows an estimator is fitted to, with which targets and weights."""
    rows = np.arange(len(outputs))
    if not is_classifier(estimator):
        spread = outputs.std(axis=0)
        return rows, outputs + moves * np.where(spread > 0, spread, 1.0), None
    shares = distributions(outputs, moves, output)
    if has_fit_parameter(_final(estimator), "sample_weight"):
        rows, classes, weights = duplicated(shares)
        return rows, estimator.classes_[classes], weights
    likeliest = shares.argmax(axis=1)  # what knows no weights learns the likeliest class
    likeliest[shares.argmax(axis=0)] = np.arange(shares.shape[1])
    return rows, estimator.classes_[likeliest], None


def distributions(outputs: Array, moves: Array, output: str) -> Array:
    """The distribution over classes, [rows, classes], that a classifier should answer."""
    moved = outputs + moves
    if output == "predict_proba":
        return on_the_simplex(moved)
    if moved.ndim == 1:
        moved = np.stack([np.zeros_like(moved), moved], 1)
    powers = np.exp(moved - moved.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares


def on_the_simplex(points: Array) -> Array:
    """The nearest distribution to each row (Duchi et al. 2008, "Efficient projections onto the l1-ball")."""
    ordered = -np.sort(-points, axis=1)
    excess = (np.cumsum(ordered, axis=1) - 1) / np.arange(1, points.shape[1] + 1)
    kept = (ordered > excess).sum(axis=1)
    nearest: Array = np.maximum(points - excess[np.arange(len(points)), kept - 1][:, None], 0.0)
    return nearest


def duplicated(shares: Array) -> tuple[Array, Array, Array]:
    """Soft targets as examples: each row once for each of its classes, weighted by the share of the class."""
    kept = shares >= LEAST
    kept[shares.argmax(axis=0), np.arange(shares.shape[1])] = True  # a class that vanishes would change the output
    rows, classes = np.nonzero(kept)
    return rows, classes, np.maximum(shares[rows, classes], 1e-6)


def labels(truth: Any, table: Table) -> Array:
    """The truth of an edge as scikit-learn's targets, one for each row.

    Raises:
        ShapeError: it has another number of rows than the inputs.
    """
    parts = truth if isinstance(truth, list) else [truth]
    if not parts or not all(isinstance(part, Tensor) for part in parts):
        raise ShapeError(f"the truth of a scikit-learn estimator is a tensor or a ragged list, found {describe(truth)}")
    columns = np.concatenate([np.atleast_1d(part.detach().cpu().numpy()) for part in parts])
    if columns.ndim == 2 and columns.shape[1] == 1:
        columns = columns[:, 0]
    if len(columns) != len(table.features):
        raise ShapeError(f"{len(columns)} truths for {len(table.features)} rows: the truth is {describe(truth)}")
    return columns


def _fit(estimator: Any, features: Array, targets: Array, weights: Array | None) -> None:
    final = _final(estimator)
    prefix = f"{estimator.steps[-1][0]}__" if final is not estimator else ""
    options = {} if weights is None else {f"{prefix}sample_weight": weights}
    stages = next((name for name in ("n_estimators", "max_iter") if _is_boosted(final, name)), None)
    if stages is None:
        estimator.fit(features, targets, **options)
        return
    kept = final.warm_start
    final.set_params(warm_start=True, **{stages: getattr(final, stages) + STAGES})
    try:
        estimator.fit(features, targets, **options)
    finally:
        final.set_params(warm_start=kept)


def _is_boosted(final: Any, stages: str) -> bool:
    kind = {"n_estimators": "GradientBoosting", "max_iter": "HistGradientBoosting"}[stages]
    return type(final).__name__ in (f"{kind}Classifier", f"{kind}Regressor")


def _final(estimator: Any) -> Any:
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
