"""What an estimator answers for the rows it was fitted to, had it not seen them: out of bag, or cross-fitted."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.base import clone, is_classifier
from sklearn.model_selection import KFold

Array = npt.NDArray[Any]
FOLDS = 5


class Fitted(NamedTuple):
    """What an estimator was fitted to.

    Attributes:
        features: [rows, features], each row once.
        rows: for each example its row; a row with soft targets is several examples.
        targets: for each example.
        weights: for each example; None where all are equal.
    """

    features: Array
    rows: Array
    targets: Array
    weights: Array | None = None


def remember_unseen(estimator: Any, output: str, fitted: Fitted) -> None:
    """Keep in the estimator, beside what else it has learned, what it would answer for rows that it had not seen.

    A forest that bootstraps is asked tree by tree for the rows that the tree has not drawn (Breiman 2001, section 3.1,
    out-of-bag estimates); anything else is fitted to four fifths of the rows five times more, and asked for the rest.
    """
    forest = _forest(estimator)
    outputs = _out_of_bag(forest, output, fitted) if forest is not None else _cross_fitted(estimator, output, fitted)
    estimator.unseen_rows_, estimator.unseen_outputs_ = _digests(fitted.features), outputs


def recall_unseen(estimator: Any, features: Array, answer: Array) -> Array:
    """An answer, with the rows replaced that are remembered as unseen."""
    known = getattr(estimator, "unseen_rows_", None)
    if known is None or not len(features):
        return answer
    order = np.argsort(known)
    digests = _digests(features)
    places = order[np.minimum(np.searchsorted(known, digests, sorter=order), len(known) - 1)]
    found = known[places] == digests
    replaced = np.array(answer, dtype=np.float64)
    replaced[found] = estimator.unseen_outputs_[places[found]]
    return replaced


def _forest(estimator: Any) -> Any:
    """The estimator, if it is a forest whose trees have drawn their rows."""
    return estimator if getattr(estimator, "bootstrap", False) and hasattr(estimator, "estimators_samples_") else None


def _out_of_bag(forest: Any, output: str, fitted: Fitted) -> Array:
    answer: Array = np.array(getattr(forest, output)(fitted.features), dtype=np.float64)
    total, count = np.zeros_like(answer), np.zeros(len(answer))
    for tree, drawn in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        left_out = np.ones(len(answer), dtype=bool)
        left_out[fitted.rows[drawn]] = False
        if left_out.any():
            total[left_out] += getattr(tree, output)(fitted.features[left_out]).reshape(total[left_out].shape)
            count[left_out] += 1
    known = count > 0  # a row that every tree has drawn keeps the forest's own answer
    answer[known] = total[known] / count[known].reshape(-1, *[1] * (answer.ndim - 1))
    return answer


def _cross_fitted(estimator: Any, output: str, fitted: Fitted) -> Array:
    answer: Array = np.array(getattr(estimator, output)(fitted.features), dtype=np.float64)
    if len(answer) < FOLDS:
        return answer
    name = f"{estimator.steps[-1][0]}__sample_weight" if hasattr(estimator, "steps") else "sample_weight"
    for kept, left_out in KFold(FOLDS, shuffle=True, random_state=0).split(fitted.features):
        among = np.isin(fitted.rows, kept)
        options = {} if fitted.weights is None else {name: fitted.weights[among]}
        other = clone(estimator).fit(fitted.features[fitted.rows[among]], fitted.targets[among], **options)
        if is_classifier(estimator) and not np.array_equal(other.classes_, estimator.classes_):
            continue  # a rare class fell out, and columns would mean something else
        answer[left_out] = getattr(other, output)(fitted.features[left_out])
    return answer


def _digests(features: Array) -> Array:
    """A number for each row, equal for equal rows."""
    rows = np.ascontiguousarray(features)
    return np.array([int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=7).digest()) for row in rows], np.int64)
