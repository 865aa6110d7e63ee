"""What a practitioner would try instead of a system trained by its end loss: one model, boosting, stacking."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from torch import Tensor

from benchmarks.scikit_learn.arms import Answer, Task, answer_of
from benchmarks.scikit_learn.setting import Data

FOLDS = 5


def one_model(task: Task) -> Answer:
    """A single model of the family from the inputs to the output, trained by end labels."""
    return _alone(task, task.setting.one_model(task.family, task.seed))


def boosting(task: Task) -> Answer:
    """Gradient boosting from the inputs to the output."""
    return _alone(task, task.setting.boosted(task.seed))


def stacking(task: Task) -> Answer:
    """The last model learns from what the first ones answer for rows that they have not seen (Wolpert 1992)."""
    return _stacked_chain(task) if task.setting.sequential else _stacked_views(task)


def _alone(task: Task, model: Any) -> Answer:
    setting = task.setting
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    if hasattr(last, "decision_function_shape"):
        last.decision_function_shape = "ovr"  # one score for each class
    model.fit(_beside(task.train, setting.inputs), task.train[setting.output].numpy())
    method = next(name for name in ("predict_proba", "decision_function", "predict") if hasattr(model, name))

    def answer(data: Data) -> Tensor:
        return setting.read_out(torch.from_numpy(getattr(model, method)(_beside(data, setting.inputs))))

    return answer


def _stacked_views(task: Task) -> Answer:
    """One model for each input, and a logistic regression over their cross-fitted answers."""
    ends = np.cumsum([0, *(task.train[edge].shape[1] for edge in task.setting.inputs)])
    views = []
    for edge, start, stop in zip(task.setting.inputs, ends[:-1], ends[1:], strict=True):
        columns = ColumnTransformer([(edge, "passthrough", list(range(start, stop)))])
        views.append((edge, make_pipeline(columns, task.setting.one_model(task.family, task.seed))))
    return _alone(task, StackingClassifier(views, LogisticRegression(max_iter=2000), cv=FOLDS))


def _stacked_chain(task: Task) -> Answer:
    """The system itself, its second model fitted to cross-fitted answers of the first."""
    built = task.build()
    first, second = (built.component(name) for name in built.models)
    edge = first.signature.outputs[0].name
    x, inner = _beside(task.train, first.signature.inputs), task.train[edge].numpy()
    unseen = cross_val_predict(clone(first.thing), x, inner, cv=FOLDS)
    first.module.fit_truth(x, inner)  # type: ignore[operator, union-attr]
    known = {**task.train, edge: torch.from_numpy(unseen)}
    second.module.fit_truth(  # type: ignore[operator, union-attr]
        _beside(known, second.signature.inputs), task.train[task.setting.output].numpy()
    )
    return answer_of(built)


def _beside(data: Data, edges: Any) -> Any:
    """Edges as one matrix, [rows, features]."""
    names = [getattr(edge, "name", edge) for edge in edges]
    return np.column_stack([data[name].numpy() for name in names])
