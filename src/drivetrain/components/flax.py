"""Flax models as components: an NNX module as it is, a Linen module with the variables that belong to it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import flax.linen
import jax
from flax import nnx
from jax import tree_util
from torch import Tensor

from drivetrain.components.foreign import AbstractForeignModel, Call
from drivetrain.components.jax import JaxAdapter, JaxModel
from drivetrain.errors import ComponentError, listed

TOLD = {
    "training": True, "train": True, "is_training": True,
    "deterministic": False, "use_running_average": False, "eval": False,
}  # fmt: skip
"""Words by which a Linen module's ``__call__`` asks for the mode, and what they are in training."""


def linen(module: flax.linen.Module, variables: Mapping[str, Any], *, key: Any = None) -> JaxModel:
    """A Linen module, which is a function, together with its variables: what ``component`` takes.

    The collection ``params`` learns; all others, such as ``batch_stats``, are kept and move in training mode. The mode
    is told to a module whose ``__call__`` names one of ``train``, ``training``, ``deterministic``,
    ``use_running_average``. What was learned is in the answer: ``{"params": model.weights, **model.state}``.

    Args:
        module: the module.
        variables: what its ``init`` answered.
        key: for dropout and whatever else it draws, split at each call in training mode; ``jax.random.key(0)`` if None.

    Raises:
        ComponentError: there are no ``params`` among the variables.

    Example:
        >>> import jax, torch
        >>> import flax.linen as nn
        >>> from drivetrain import component
        >>> dense = nn.Dense(2)
        >>> model = linen(dense, dense.init(jax.random.key(0), jax.numpy.ones((1, 3))))
        >>> component("lidar", model, "scan -> hits")(torch.ones(4, 3)).shape
        torch.Size([4, 2])
    """
    if not isinstance(variables, Mapping) or "params" not in variables:
        found = listed(variables, "nothing") if isinstance(variables, Mapping) else type(variables).__name__
        raise ComponentError(
            f"linen({type(module).__name__}, variables): the variables are what init answers, with 'params' among "
            f"them; found: {found}. Write variables = module.init(jax.random.key(0), example)"
        )
    state = {name: collection for name, collection in variables.items() if name != "params"}
    return JaxModel(_Linen(module), variables["params"], state=state, key=jax.random.key(0) if key is None else key)


class _Linen:
    """A Linen module as a function of weights and state."""

    def __init__(self, module: flax.linen.Module) -> None:
        self.module = module
        self._named = [name for name in inspect.signature(type(module).__call__).parameters if name in TOLD]
        self.__name__ = type(module).__name__

    def __call__(self, weights: Any, state: Any, *inputs: Any, training: bool, key: Any, **constants: Any) -> Any:
        told = {name: TOLD[name] == training for name in self._named if name not in constants}
        variables, streams = {"params": weights, **state}, {"params": key} if training else None
        moving = list(state) if training else []
        answer, new = self.module.apply(variables, *inputs, rngs=streams, mutable=moving, **told, **constants)
        return answer, {**state, **new}


class NnxAdapter(JaxAdapter):
    """How the bridge sees an NNX module: its ``nnx.Param`` learn, all else that it keeps is state."""

    def __init__(self, module: nnx.Module) -> None:
        graph, self._params, self._rest = nnx.split(module, nnx.Param, ...)
        weights, state = nnx.to_pure_dict(self._params), nnx.to_pure_dict(self._rest)
        self._kinds = tree_util.tree_map(_kind_of_key, state)

        def function(weights: Any, state: Any, *inputs: Any, training: bool, **constants: Any) -> Any:
            made = nnx.merge(graph, _filled(self._params, weights), _filled(self._rest, self._keys(state)))
            made.train() if training else made.eval()
            answer = made(*inputs, **constants)
            return answer, _plain(nnx.to_pure_dict(nnx.split(made, nnx.Param, ...)[2]))

        super().__init__(JaxModel(function, weights, state=_plain(state)))
        self._nnx = module

    @property
    def thing(self) -> nnx.Module:
        """The user's own module."""
        return self._nnx

    def receive(self, values: Mapping[str, Tensor]) -> None:
        """Put new values into the user's module."""
        super().receive(values)
        nnx.update(self._nnx, _filled(self._params, self.model.weights))
        self._tell()

    def __reduce__(self) -> Any:
        return wrap, (self._nnx,)

    def _keep(self, call: Call, state: Any) -> None:
        super()._keep(call, state)
        if call.training:
            self._tell()

    def _tell(self) -> None:
        nnx.update(self._nnx, _filled(self._rest, self._keys(self.model.state)))

    def _keys(self, state: Any) -> Any:
        """The state with keys of ``jax.random`` in the places of their numbers, which alone torch can hold."""
        return tree_util.tree_map(
            lambda kind, leaf: jax.random.wrap_key_data(leaf, impl=kind) if kind else leaf, self._kinds, state
        )


def wrap(model: Any) -> AbstractForeignModel:
    """The adapter of an NNX module.

    Raises:
        ComponentError: it is a Linen module without its variables.
    """
    if isinstance(model, flax.linen.Module):
        name = type(model).__name__
        raise ComponentError(
            f"the Linen module {name} holds no weights; hand over its variables with it: component(name, "
            f"linen({name}(...), variables), signature), from drivetrain.components.flax, where variables = "
            f"{name}(...).init(jax.random.key(0), example)"
        )
    return NnxAdapter(model)


def _filled(state: Any, values: Any) -> Any:
    """A copy of an NNX state with other values, which are a plain tree."""
    new = tree_util.tree_map(lambda leaf: leaf, state)
    nnx.replace_by_pure_dict(new, values)
    return new


def _plain(state: Any) -> Any:
    return tree_util.tree_map(lambda leaf: jax.random.key_data(leaf) if _kind_of_key(leaf) else leaf, state)


def _kind_of_key(leaf: Any) -> str:
    is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return str(jax.random.key_impl(leaf)) if is_key else ""
