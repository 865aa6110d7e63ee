"""A fitted scikit-learn estimator as a function in torch, where there is a formula: linear, kernel, perceptron."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[Any]
Weights = Mapping[str, Tensor]
Transform = Callable[[Tensor], Tensor]
AGREES = 1e-6
"""A form is believed only if it answers what the estimator answers, up to so much of the largest number."""


class Form(NamedTuple):
    """A differentiable twin of an estimator's output.

    Attributes:
        weights: what learns, by scikit-learn's own names.
        run: from features, [rows, features], and weights to the output.
        write: puts new weights into the estimator.
    """

    weights: dict[str, Array]
    run: Callable[[Tensor, Weights], Tensor]
    write: Callable[[Mapping[str, Array]], None]


def form_of(estimator: Any, answer: Callable[[Array], Array], output: str) -> Form | None:
    """The first form that agrees with a fitted estimator on a few points; None where none does.

    Args:
        estimator: a pipeline's transformers must be affine or choose columns; its last step may learn.
        answer: the estimator's output for features.
        output: the method that answers it.
    """
    steps = [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
    steps = [step for step in steps if step is not None and step != "passthrough"]
    width = getattr(estimator, "n_features_in_", None)
    if width is None or not steps:
        return None
    before = steps if output == "transform" else steps[:-1]
    transforms = [transform_of(step) for step in before]
    if any(transform is None for transform in transforms):
        return None
    points = _points(steps, width)
    expected = np.asarray(answer(points), dtype=np.float64)
    for core in [_CONSTANT] if output == "transform" else _cores(steps[-1]):
        for link in _LINKS.get(output, (_identity,)):
            form = Form(core.weights, _chained([t for t in transforms if t], core.run, link), core.write)
            if _agrees(form, points, expected):
                return form
    return None


def transform_of(step: Any) -> Transform | None:
    """A transformer in torch, if it is affine, chooses columns or is known otherwise."""
    if hasattr(step, "get_support"):
        columns = torch.from_numpy(np.flatnonzero(step.get_support()))
        return lambda x: x[:, columns]
    name = type(step).__name__
    if name == "StandardScaler":
        return _affine(step.scale_, step.mean_)
    if name == "RobustScaler":
        return _affine(step.scale_, step.center_)
    if name == "MaxAbsScaler":
        return _affine(step.scale_, None)
    if name == "MinMaxScaler" and not step.clip:
        return _affine(1 / step.scale_, -step.min_ / step.scale_)
    if name == "Normalizer" and step.norm == "l2":
        return lambda x: x / x.norm(dim=1, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny)
    if name in ("PCA", "TruncatedSVD"):
        turn = _tensor(step.components_)
        shift = _tensor(getattr(step, "mean_", np.zeros(turn.shape[1])))
        whiten = np.sqrt(step.explained_variance_) if getattr(step, "whiten", False) else 1.0
        return lambda x: (x - shift) @ turn.T / _tensor(whiten)
    if name == "RBFSampler":
        weights, offset = _tensor(step.random_weights_), _tensor(step.random_offset_)
        return lambda x: torch.cos(x @ weights + offset) * (2.0 / step.n_components) ** 0.5
    return None


class _Core(NamedTuple):
    """The last step of an estimator up to its margins, [rows] or [rows, values]."""

    weights: dict[str, Array]
    run: Callable[[Tensor, Weights], Tensor]
    write: Callable[[Mapping[str, Array]], None]


_CONSTANT = _Core({}, lambda x, weights: x, lambda values: None)


def _cores(step: Any) -> Iterator[_Core]:
    if hasattr(step, "support_vectors_"):
        yield from _kernel_machine(step)
    elif hasattr(step, "X_fit_") and hasattr(step, "dual_coef_"):
        yield from _kernel_ridge(step)
    elif hasattr(step, "coefs_") and hasattr(step, "intercepts_"):
        yield _perceptron(step)
    elif isinstance(getattr(step, "coef_", None), np.ndarray):
        yield _linear(step)


def _linear(step: Any) -> _Core:
    """``x coef^T + intercept``."""
    weights = {"coef_": step.coef_}
    if isinstance(step.intercept_, np.ndarray) or (np.ndim(step.intercept_) == 0 and step.fit_intercept):
        weights["intercept_"] = np.asarray(step.intercept_)
    shape = step.coef_.shape
    squeezed = len(shape) == 1 or (shape[0] == 1 and not _keeps_columns(step))

    def run(x: Tensor, w: Weights) -> Tensor:
        margins = x @ w["coef_"].reshape(-1, shape[-1]).T + w.get("intercept_", x.new_zeros(()))
        return margins[:, 0] if squeezed else margins

    return _Core(weights, run, lambda values: _set(step, values))


def _kernel_machine(step: Any) -> Iterator[_Core]:
    """``K(x, support vectors) dual_coef + intercept``; of several classes one for each pair of them."""
    vectors, kernel = _tensor(step.support_vectors_), _kernel(step, step._gamma)
    sign = 1.0 if np.array_equal(step._dual_coef_, step.dual_coef_) else -1.0
    if kernel is None:
        return

    def write(values: Mapping[str, Array]) -> None:
        step.dual_coef_, step.intercept_ = values["dual_coef_"], values["intercept_"]
        step._dual_coef_, step._intercept_ = sign * values["dual_coef_"], sign * values["intercept_"]

    def one(x: Tensor, w: Weights) -> Tensor:
        return kernel(x, vectors) @ w["dual_coef_"][0] + w["intercept_"]

    def pairs(x: Tensor, w: Weights) -> Tensor:
        near = kernel(x, vectors)
        ends = np.cumsum([0, *step.n_support_])
        parts = [slice(start, stop) for start, stop in pairwise(ends)]
        margins = [
            near[:, parts[i]] @ w["dual_coef_"][j - 1, parts[i]] + near[:, parts[j]] @ w["dual_coef_"][i, parts[j]]
            for i in range(len(parts))
            for j in range(i + 1, len(parts))
        ]
        return torch.stack(margins, 1) + w["intercept_"]

    weights = {"dual_coef_": step.dual_coef_, "intercept_": step.intercept_}
    yield _Core(weights, one if step.dual_coef_.shape[0] == 1 else pairs, write)


def _kernel_ridge(step: Any) -> Iterator[_Core]:
    """``K(x, X_fit) dual_coef``."""
    gamma = 1.0 / step.X_fit_.shape[1] if step.gamma is None else step.gamma
    vectors, kernel = _tensor(step.X_fit_), _kernel(step, gamma)
    if kernel is not None:
        yield _Core(
            {"dual_coef_": step.dual_coef_},
            lambda x, w: kernel(x, vectors) @ w["dual_coef_"],
            lambda values: _set(step, values),
        )


def _kernel(step: Any, gamma: float) -> Callable[[Tensor, Tensor], Tensor] | None:
    if step.kernel == "rbf":
        return lambda x, v: torch.exp(-gamma * ((x**2).sum(1)[:, None] + (v**2).sum(1) - 2 * x @ v.T))
    if step.kernel == "linear":
        return lambda x, v: x @ v.T
    if step.kernel in ("poly", "polynomial"):
        return lambda x, v: (gamma * x @ v.T + step.coef0) ** step.degree
    if step.kernel == "sigmoid":
        return lambda x, v: torch.tanh(gamma * x @ v.T + step.coef0)
    return None


def _perceptron(step: Any) -> _Core:
    """Layers of ``MLPClassifier`` and ``MLPRegressor`` up to the last one's sum."""
    depth = len(step.coefs_)
    weights = {f"coefs_{k}": value for k, value in enumerate(step.coefs_)}
    weights |= {f"intercepts_{k}": value for k, value in enumerate(step.intercepts_)}
    bend = {"relu": torch.relu, "tanh": torch.tanh, "logistic": torch.sigmoid, "identity": _identity}[step.activation]

    def run(x: Tensor, w: Weights) -> Tensor:
        for k in range(depth):
            x = x @ w[f"coefs_{k}"] + w[f"intercepts_{k}"]
            x = bend(x) if k < depth - 1 else x
        return x[:, 0] if x.shape[1] == 1 else x

    def write(values: Mapping[str, Array]) -> None:
        step.coefs_ = [values[f"coefs_{k}"] for k in range(depth)]
        step.intercepts_ = [values[f"intercepts_{k}"] for k in range(depth)]

    return _Core(weights, run, write)


def _identity(margins: Tensor) -> Tensor:
    return margins


def _two_classes(margins: Tensor) -> Tensor:
    share = torch.sigmoid(margins)
    return torch.stack([1 - share, share], 1)


def _one_against_rest(margins: Tensor) -> Tensor:
    share = torch.sigmoid(margins)
    return share / share.sum(1, keepdim=True)


def _softmax(margins: Tensor) -> Tensor:
    return torch.softmax(margins, 1)


_LINKS = {"predict_proba": (_two_classes, _softmax, _one_against_rest)}


def _chained(transforms: Sequence[Transform], core: Callable[[Tensor, Weights], Tensor], link: Transform) -> Any:
    def run(x: Tensor, weights: Weights) -> Tensor:
        for transform in transforms:
            x = transform(x)
        return link(core(x, weights))

    return run


def _agrees(form: Form, points: Array, expected: Array) -> bool:
    try:
        found = form.run(_tensor(points), {name: _tensor(value) for name, value in form.weights.items()}).numpy()
    except (RuntimeError, IndexError):  # a link that does not fit the shape of these margins
        return False
    return found.shape == expected.shape and bool(
        np.allclose(found, expected, rtol=AGREES, atol=AGREES * max(1.0, float(np.abs(expected).max())))
    )


def _points(steps: Sequence[Any], width: int) -> Array:
    """Where a form is compared: points drawn around what the first step has seen of its features."""
    first, last = steps[0], steps[-1]
    points = np.random.default_rng(0).normal(size=(24, width))
    if isinstance(mean := getattr(first, "mean_", None), np.ndarray) and mean.shape == (width,):
        points = points * getattr(first, "scale_", 1.0) + mean
    for name in ("support_vectors_", "X_fit_"):
        seen = getattr(last, name, None)
        if isinstance(seen, np.ndarray) and seen.shape[1] == width and len(steps) == 1:
            points[: len(seen[:16])] = seen[:16] + 0.1 * points[: len(seen[:16])]
    return points


def _keeps_columns(step: Any) -> bool:
    """A regressor that was fitted to a column of targets answers a column."""
    return not hasattr(step, "classes_")


def _affine(scale: Any, shift: Any) -> Transform:
    by = torch.ones(()).double() if scale is None else _tensor(scale)
    at = torch.zeros(()).double() if shift is None else _tensor(shift)
    return lambda x: (x - at) / by


def _set(step: Any, values: Mapping[str, Array]) -> None:
    for name, value in values.items():
        setattr(step, name, value if value.ndim else float(value))


def _tensor(value: Any) -> Tensor:
    return torch.from_numpy(np.array(value, dtype=np.float64))
