"""JAX functions with parameters as components; values and pull-backs are compiled once for each shape."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import torch
from jax import tree_util
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from drivetrain.components.foreign import AbstractForeignModel, Call, Gradients, PullBack
from drivetrain.components.packing import packed, parcels, spans, unpacked
from drivetrain.errors import ComponentError, listed
from drivetrain.graph.component import check_arity
from drivetrain.graph.signature import Signature

Arrays = dict[str, Any]  # by name
Placed = dict[int, Any]  # by place among the leaves of a call
RANDOM_KEY = "random_key"
NARROW = {torch.float64: torch.float32, torch.int64: torch.int32}  # what JAX holds unless it is told otherwise


class JaxModel:
    """A function and its parameters, which change as it learns.

    Args:
        function: ``function(weights, *inputs)``; with a ``state`` it is called ``function(weights, state, *inputs)``
            and answers ``(output, new state)``. If it names them, it is told ``training=`` and handed a fresh ``key=``.
        weights: any tree of arrays.
        state: a tree of what it keeps besides, such as running means; its new values are kept in training mode alone.
        key: a key of ``jax.random.key`` or ``PRNGKey``; split at each call in training mode.

    Example:
        >>> import jax.numpy as jnp
        >>> model = JaxModel(lambda weights, x: x @ weights["w"], {"w": jnp.ones((3, 2))})
        >>> from drivetrain import component
        >>> component("lidar", model, "scan -> hits")(torch.ones(4, 3)).shape
        torch.Size([4, 2])
    """

    def __init__(self, function: Callable[..., Any], weights: Any, *, state: Any = None, key: Any = None) -> None:
        self.function, self.state = function, tree_util.tree_map(jax.numpy.asarray, state)
        self.weights = tree_util.tree_map(jax.numpy.asarray, weights)
        is_typed = key is not None and jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key)
        self.key = jax.random.key_data(key) if is_typed else key


class JaxAdapter(AbstractForeignModel):
    """How the bridge sees a ``JaxModel``."""

    def __init__(self, model: JaxModel) -> None:
        self.model = model
        named = inspect.signature(model.function).parameters
        self._is_told = tuple(name for name in ("training", "key") if name in named)
        self._kept = "state/" if set(_named(model.weights)) & set(_named(model.state)) else ""  # one name, one array
        whole = [name for name, leaf in _named(model.weights).items() if not _is_real(leaf)]
        if whole:
            raise ComponentError(
                f"the weights of {_called(model)} hold no floating-point numbers at {listed(whole)}, so these cannot "
                f"learn; hand them over as state: JaxModel(function, weights, state=...)"
            )
        self._compiled: dict[Any, _Compiled] = {}

    @property
    def thing(self) -> JaxModel:
        """The user's own object."""
        return self.model

    def check_signature(self, component: str, signature: Signature) -> None:
        """Refuse inputs that the function does not take after its weights and state."""
        held = (None,) if self.model.state is None else (None, None)
        told = dict.fromkeys(self._is_told)
        check_arity(component, functools.partial(self.model.function, *held, **told), signature)

    def weights(self) -> dict[str, Tensor]:
        """Copies of the leaves of the tree of weights, named by their path."""
        return {name: to_torch(leaf).clone() for name, leaf in _named(self.model.weights).items()}

    def statistics(self) -> dict[str, Tensor]:
        """Copies of the leaves of the state and of the key; whole numbers as int64: torch computes little on uint32."""
        kept = _named(self.model.state, self._kept) | ({} if self.model.key is None else {RANDOM_KEY: self.model.key})
        return {name: _wide(to_torch(leaf)).clone() for name, leaf in kept.items()}

    def receive(self, values: Mapping[str, Tensor]) -> None:
        """Put new leaves into the user's trees."""
        own = _received(values)
        self.model.weights = _with(self.model.weights, own)
        self.model.state = _with(self.model.state, own, self._kept)
        if RANDOM_KEY in own:
            self.model.key = own[RANDOM_KEY].astype(self.model.key.dtype)

    def run(self, call: Call) -> Any:
        """The function's answer."""
        compiled = self._compile(call)
        floats, (rest, state) = compiled.run(
            _named(self.model.weights), self.model.state, self._key(call), _arrays(call)
        )
        self._keep(call, state)
        return compiled.answer(floats, rest)

    def vjp(self, call: Call) -> tuple[Any, PullBack]:
        """The function's answer, and its pull-back by reverse mode."""
        compiled, arrays = self._compile(call), _arrays(call)
        weights = _named(self.model.weights)
        learning = {name: weights.pop(name) for name in call.learning}
        moved = [arrays[i] for i in call.moved]
        floats, pull, (rest, state) = compiled.vjp(learning, moved, weights, self.model.state, self._key(call), arrays)
        self._keep(call, state)

        def pull_back(cotangents: Any) -> Gradients:
            given = [to_jax(leaf.contiguous()) for leaf in tree_flatten(cotangents)[0] if isinstance(leaf, Tensor)]
            long, by_place = compiled.back(pull, [_like(g, x) for g, x in zip(given, floats, strict=True)])
            by_name: dict[str, Tensor] = {}
            for names, part in zip(compiled.parcels, long, strict=True):
                shapes = [learning[name].shape for name in names]
                by_name |= zip(names, unpacked(to_torch(part), shapes), strict=True)
            return [to_torch(g) for g in by_place], [by_name[name] for name in call.learning]

        return compiled.answer(floats, rest), pull_back

    def _key(self, call: Call) -> Any:
        """A fresh key in training, always the same one in evaluation."""
        if self.model.key is None or not call.training:
            return self.model.key
        self.model.key, fresh = jax.random.split(self.model.key)
        return fresh

    def _keep(self, call: Call, state: Any) -> None:
        if call.training:
            self.model.state = state

    def _compile(self, call: Call) -> _Compiled:
        constants = tuple(repr(leaf) for leaf in call.leaves if not isinstance(leaf, Tensor))
        identity = (call.structure, constants, call.training, call.moved, call.learning)
        if identity not in self._compiled:
            self._compiled[identity] = _Compiled(self.model, call, self._is_told)
        return self._compiled[identity]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_compiled": {}}  # compiled code neither copies nor pickles

    def __deepcopy__(self, memo: dict[int, Any]) -> JaxAdapter:
        """A copy is compiled already: what is compiled is the function, to which all numbers are handed."""
        reduced: Any = self.__reduce_ex__(4)
        make, arguments, *state = reduced
        copied: JaxAdapter = make(*copy.deepcopy(arguments, memo))
        if state and state[0]:
            copied.__dict__.update(copy.deepcopy(state[0], memo))
        copied._compiled = self._compiled
        return copied


class _Compiled:
    """The function for calls built alike, compiled; flat on both sides."""

    def __init__(self, model: JaxModel, call: Call, is_told: Sequence[str]) -> None:
        # Nothing here holds the call's own tensors: they would live as long as the compiled code.
        structure = tree_util.tree_structure(model.weights)
        names = list(_named(model.weights))
        fixed = [None if isinstance(leaf, Tensor) else leaf for leaf in call.leaves]
        arguments, moved = Call(tuple(fixed), call.structure, call.training, call.moved, call.learning), call.moved
        has_state = model.state is not None

        def run(weights: Arrays, state: Any, key: Any, arrays: Placed) -> tuple[list[Any], Any]:
            values, constants = arguments.arguments([arrays.get(i, leaf) for i, leaf in enumerate(fixed)])
            told = {"training": call.training, "key": key}
            tree = tree_util.tree_unflatten(structure, [weights[name] for name in names])
            kept = (state,) if has_state else ()
            answer = model.function(tree, *kept, *values, **constants, **{name: told[name] for name in is_told})
            answer, state = answer if has_state else (answer, state)
            leaves, self.structure = tree_flatten(answer)
            self.is_float = [_is_real(leaf) for leaf in leaves]
            floats = [leaf for leaf, real in zip(leaves, self.is_float, strict=True) if real]
            return floats, ([leaf for leaf, real in zip(leaves, self.is_float, strict=True) if not real], state)

        def vjp(learning: Arrays, inputs: list[Any], weights: Arrays, state: Any, key: Any, arrays: Placed) -> Any:
            def moving(learning: Arrays, inputs: list[Any]) -> Any:
                return run({**weights, **learning}, state, key, arrays | dict(zip(moved, inputs, strict=True)))

            return jax.vjp(moving, learning, inputs, has_aux=True)

        def back(pull: Any, cotangents: list[Any]) -> tuple[list[Any], list[Any]]:
            by_name, by_place = pull(cotangents)
            self.parcels = parcels({name: (g.shape, g.dtype) for name, g in by_name.items()})
            return [_packed([by_name[name] for name in names]) for names in self.parcels], by_place

        self.run, self.vjp = jax.jit(run), jax.jit(vjp)
        self.back = jax.jit(back)  # a pull-back is a tree, so it passes through jit

    def answer(self, floats: Sequence[Any], rest: Sequence[Any]) -> Any:
        """The function's answer as tensors, built as the function built it."""
        real, other = iter(floats), iter(rest)
        return tree_unflatten(
            [to_torch(next(real if is_float else other)) for is_float in self.is_float], self.structure
        )


def wrap(model: Any) -> AbstractForeignModel:
    """The adapter of a ``JaxModel``."""
    return JaxAdapter(model)


def to_torch(array: Any) -> Tensor:
    """A JAX array as a tensor that shares its memory; not to be written into."""
    return torch.utils.dlpack.from_dlpack(array)


def to_jax(value: Tensor) -> Any:
    """A tensor as a JAX array, without a copy where JAX can hold its type."""
    wide = not jax.config.jax_enable_x64 and value.dtype in NARROW
    return jax.dlpack.from_dlpack((value.to(NARROW[value.dtype]) if wide else value).contiguous())


def _received(values: Mapping[str, Tensor]) -> Arrays:
    """Tensors as arrays of JAX; small ones cross together."""
    own: Arrays = {}
    for names in parcels({name: (value.shape, value.dtype) for name, value in values.items()}):
        tensors = [values[name] for name in names]
        shapes = tuple(tuple(tensor.shape) for tensor in tensors)
        arrays = [to_jax(tensors[0])] if len(tensors) == 1 else _unpacked(to_jax(packed(tensors)), shapes)
        own |= zip(names, arrays, strict=True)
    return own


@functools.partial(jax.jit, static_argnums=1)
def _unpacked(long: Any, shapes: tuple[tuple[int, ...], ...]) -> list[Any]:
    return [long[span].reshape(shape) for span, shape in zip(spans(shapes), shapes, strict=True)]


def _packed(arrays: Sequence[Any]) -> Any:
    return jax.numpy.concatenate([array.reshape(-1) for array in arrays])


def _arrays(call: Call) -> Placed:
    return {i: to_jax(leaf) for i, leaf in enumerate(call.leaves) if isinstance(leaf, Tensor)}


def _named(tree: Any, prefix: str = "") -> Arrays:
    leaves, structure = tree_util.tree_flatten(tree)
    return dict(zip(_names(structure, prefix), leaves, strict=True))


def _with(tree: Any, new: Arrays, prefix: str = "") -> Any:
    leaves, structure = tree_util.tree_flatten(tree)
    found = [new.get(name) for name in _names(structure, prefix)]
    changed = [old if value is None else _like(value, old) for value, old in zip(found, leaves, strict=True)]
    return tree_util.tree_unflatten(structure, changed)


@functools.cache
def _names(structure: Any, prefix: str) -> tuple[str, ...]:
    """The leaves of a tree by their paths; asked for in every call of a model."""
    tree = tree_util.tree_unflatten(structure, [0] * structure.num_leaves)
    paths = [path for path, _ in tree_util.tree_leaves_with_path(tree)]
    return tuple(f"{prefix}{tree_util.keystr(path, simple=True, separator='/') or 'value'}" for path in paths)


def _called(model: JaxModel) -> str:
    return getattr(model.function, "__name__", type(model.function).__name__)


def _is_real(array: Any) -> bool:
    return bool(jax.numpy.issubdtype(jax.numpy.result_type(array), jax.numpy.floating))


def _like(cotangent: Any, output: Any) -> Any:
    return cotangent if cotangent.dtype == output.dtype else cotangent.astype(output.dtype)


def _wide(value: Tensor) -> Tensor:
    return value if value.is_floating_point() else value.long()
