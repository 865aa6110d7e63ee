"""What a scikit-learn estimator has learned as data: skops files that are equal where the estimators are."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import skops.io
import torch
from torch import Tensor

from drivetrain.errors import CheckpointError, listed

CHECKED = "sklearn.tree._tree.Tree"
"""Trees are indices into arrays, which scikit-learn follows unchecked; `from_tensor` checks them before use."""

UNSHARED = ("JsonNode", "TypeNode")  # which of these are the same object depends on the interpreter


def to_tensor(estimator: Any) -> Tensor:
    """An estimator as bytes; those of equal estimators are equal, which skops alone does not promise.

    Raises:
        CheckpointError: a part of it cannot be stored as data.
    """
    try:
        with _without_counters(estimator):
            content = skops.io.dumps(estimator)
    except Exception as error:
        raise CheckpointError(f"{type(estimator).__name__} cannot be stored as data by skops: {error}") from error
    return torch.frombuffer(bytearray(_canonical(content)), dtype=torch.uint8)


def from_tensor(stored: Tensor, like: Any) -> Any:
    """The estimator that ``to_tensor`` stored.

    Args:
        stored: its bytes.
        like: the user's own estimator: the types of its parts are those that a file may hold besides scikit-learn's.

    Raises:
        CheckpointError: the bytes are damaged, hold types that are not in the user's estimator, or a damaged tree.
    """
    content = stored.detach().cpu().numpy().tobytes()
    try:
        found = skops.io.get_untrusted_types(data=content)
    except Exception as error:
        raise CheckpointError(f"the stored {type(like).__name__} is damaged or not a skops file: {error}") from error
    if strange := sorted(set(found) - _trusted(like)):
        raise CheckpointError(
            f"the stored {type(like).__name__} holds types that nobody declared: {listed(strange)}; nothing of it "
            f"was loaded"
        )
    try:
        estimator = skops.io.loads(content, trusted=found)
    except Exception as error:
        raise CheckpointError(f"the stored {type(like).__name__} cannot be read: {error}") from error
    if type(estimator) is not type(like):
        raise CheckpointError(f"a {type(like).__name__} is asked for, found a stored {type(estimator).__name__}")
    for tree in _trees(estimator, set()):
        _check_tree(tree)
    return estimator


def let_go_of_the_generator(estimator: Any) -> None:
    """Where parts hold numpy's global generator, let them hold None, which means the same, or one of their own.

    Boosted trees keep the generator that they were grown with; stored with them, its state of the moment would differ
    at every reading.
    """
    for part in list(_parts(estimator, set())):
        if getattr(part, "random_state", None) is _GLOBAL:
            part.random_state = None
        if getattr(part, "_rng", None) is _GLOBAL:  # gradient boosting draws from it when it goes on
            part._rng = np.random.RandomState(0)


_GLOBAL = np.random.mtrand._rand


@contextmanager
def _without_counters(estimator: Any) -> Iterator[None]:
    """Search trees count how often they were asked, which is nothing that was learned: fresh ones stand in for them."""
    kept = [(part, part._tree) for part in _parts(estimator, set()) if _name(getattr(part, "_tree", None)) in _SEARCH]
    for part, tree in kept:
        part._tree = type(tree)(
            part._fit_X, part.leaf_size, metric=part.effective_metric_, **part.effective_metric_params_
        )
    try:
        yield
    finally:
        for part, tree in kept:
            part._tree = tree


def _name(thing: Any) -> str:
    return f"{type(thing).__module__}.{type(thing).__name__}"


_SEARCH = ("sklearn.neighbors._kd_tree.KDTree", "sklearn.neighbors._ball_tree.BallTree")


def _trusted(like: Any) -> set[str]:
    """Types that skops does not know, which a stored estimator may hold: scikit-learn's own and those of the user's."""
    return {_name(part) for part in _parts(like, set())} | _SKLEARN_PARTS


_SKLEARN_PARTS = {
    CHECKED,
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel", "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF", "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._ball_tree.BallTree", "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
}  # fmt: skip


def _canonical(content: bytes) -> bytes:
    """The same archive without time stamps, addresses of objects, and bytes that no field of an array uses."""
    source = zipfile.ZipFile(io.BytesIO(content))
    numbers: dict[str, int] = {}
    schema = _renumbered(json.loads(source.read("schema.json")), numbers)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, number in numbers.items():
            if f"{name}.npy" in source.NameToInfo:
                target.writestr(zipfile.ZipInfo(f"{number}.npy"), _unpadded(source.read(f"{name}.npy")))
        target.writestr(zipfile.ZipInfo("schema.json"), json.dumps(schema))
    return buffer.getvalue()


def _renumbered(node: Any, numbers: dict[str, int]) -> Any:
    if isinstance(node, list):
        return [_renumbered(part, numbers) for part in node]
    if not isinstance(node, dict):
        return node
    fresh: dict[str, Any] = {}
    for key, value in node.items():
        if key == "__id__":
            alone = node.get("__loader__") in UNSHARED
            name = f"alone {len(numbers)}" if alone else str(value)
            fresh[key] = numbers.setdefault(name, len(numbers) + 1)  # skops takes 0 for none
        elif key == "file" and isinstance(value, str) and value.endswith(".npy"):
            fresh[key] = f"{numbers.setdefault(value.removesuffix('.npy'), len(numbers) + 1)}.npy"
        else:
            fresh[key] = _renumbered(value, numbers)
    return fresh


def _unpadded(content: bytes) -> bytes:
    """A stored array whose padding between fields is zero."""
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except ValueError:  # scipy's sparse matrices, which have no padding
        return content
    if not isinstance(array, np.ndarray) or array.dtype.names is None:
        return content
    clean = np.zeros_like(array)
    clean.view(np.uint8).fill(0) if clean.size else None
    for field in array.dtype.names:
        clean[field] = array[field]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def _parts(thing: Any, seen: set[int]) -> Iterator[Any]:
    """An object and all that it holds."""
    if id(thing) in seen or isinstance(thing, str | bytes | int | float | complex | np.generic | type(None)):
        return
    seen.add(id(thing))
    if isinstance(thing, np.ndarray) and thing.dtype != object:
        return
    if not isinstance(thing, dict | list | tuple | set | np.ndarray):
        yield thing
    held = thing.values() if isinstance(thing, dict) else vars(thing).values() if hasattr(thing, "__dict__") else ()
    items = (
        thing.ravel().tolist() if isinstance(thing, np.ndarray) else thing if isinstance(thing, list | tuple) else ()
    )
    for part in (*held, *items):
        yield from _parts(part, seen)


def _trees(estimator: Any, seen: set[int]) -> Iterator[Any]:
    return (part for part in _parts(estimator, seen) if _name(part) == CHECKED)


def _check_tree(tree: Any) -> None:
    """Refuse a tree that points outside itself or outside its features.

    Raises:
        CheckpointError: it does.
    """
    inner = tree.children_left != -1
    children = np.concatenate([tree.children_left[inner], tree.children_right[inner]])
    parents = np.tile(np.flatnonzero(inner), 2)
    features = tree.feature[inner]
    if (
        (children <= parents).any()  # scikit-learn numbers a tree from its root on, so that none runs in circles
        or (children >= tree.node_count).any()
        or (features < 0).any()
        or (features >= tree.n_features).any()
        or len(tree.value) != tree.node_count
    ):
        raise CheckpointError("a stored tree points outside itself: the file is damaged; nothing of it was loaded")
