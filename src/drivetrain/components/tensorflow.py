"""TensorFlow modules as components: the call is compiled, the way back is TensorFlow's own tape."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import tensorflow as tf
import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map

from drivetrain.components.foreign import AbstractForeignModel, Call, Gradients, PullBack
from drivetrain.errors import ComponentError, listed
from drivetrain.graph.component import check_arity
from drivetrain.graph.signature import Signature

HIDDEN = {
    "RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal", "RandomShuffle", "Multinomial",
    "RandomGamma", "RandomPoissonV2",
}  # fmt: skip
"""Operations that draw from a state inside their kernel: those of ``tf.nn.dropout`` and ``tf.random.normal``."""

ALIGNMENT = 64
"""Bytes. TensorFlow ends the process where a tensor begins elsewhere, as rows of numpy's arrays and of batches may."""


class TensorFlowAdapter(AbstractForeignModel):
    """How the bridge sees an object with TensorFlow variables.

    Args:
        thing: the user's object.
        trainable: its variables that learn, by name.
        others: its other variables, by name.
        function: ``function(values, constants, training)``, which runs it.
    """

    def __init__(
        self,
        thing: Any,
        trainable: Mapping[str, Any],
        others: Mapping[str, Any],
        function: Callable[[Sequence[Any], Mapping[str, Any], bool], Any],
    ) -> None:
        self._thing, self._trainable, self._others = thing, dict(trainable), dict(others)
        self._compiled = tf.function(function, reduce_retracing=True)
        self._looked = False

    @property
    def thing(self) -> Any:
        """The user's own object."""
        return self._thing

    def weights(self) -> dict[str, Tensor]:
        """Copies of the variables that learn."""
        return {name: to_torch(variable).clone() for name, variable in self._trainable.items()}

    def statistics(self) -> dict[str, Tensor]:
        """Copies of the other variables; whole numbers as int64, since torch computes little on uint32."""
        return {name: _wide(to_torch(variable)).clone() for name, variable in self._others.items()}

    def receive(self, values: Mapping[str, Tensor]) -> None:
        """Assign new values to the user's variables."""
        variables = {**self._trainable, **self._others}
        for name, value in values.items():
            variable, new = variables[name], to_tensorflow(value)
            new = new if new.dtype == variable.dtype else tf.cast(new, variable.dtype)
            tf.raw_ops.AssignVariableOp(resource=variable.handle, value=new)  # `assign` takes twice as long

    def run(self, call: Call) -> Any:
        """The object's answer."""
        return tree_map(to_torch, self._call(call, _arrays(call)))

    def vjp(self, call: Call) -> tuple[Any, PullBack]:
        """The object's answer, and the gradient that its tape computes."""
        arrays = _arrays(call)
        sources = [*(arrays[i] for i in call.moved), *(self._trainable[name] for name in call.learning)]
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            for source in sources:
                tape.watch(source)
            answer = self._call(call, arrays)
        floats = [leaf for leaf in tree_flatten(answer)[0] if leaf.dtype.is_floating]

        def pull_back(cotangents: Any) -> Gradients:
            given = [to_tensorflow(leaf) for leaf in tree_flatten(cotangents)[0] if isinstance(leaf, Tensor)]
            found = tape.gradient(floats, sources, output_gradients=given)
            gradients = [None if gradient is None else to_torch(gradient) for gradient in found]
            return gradients[: len(call.moved)], gradients[len(call.moved) :]

        return tree_map(to_torch, answer), pull_back

    def __reduce__(self) -> Any:
        return wrap, (self._thing,)  # graphs do not copy, and the variables are those of the copied object

    def _call(self, call: Call, arrays: Sequence[Any]) -> Any:
        values, constants = call.arguments(arrays)
        if call.training and not self._looked:
            self._looked = True
            _warn_of_hidden_generators(self._thing, self._compiled.get_concrete_function(values, constants, True))
        return self._compiled(values, constants, call.training)


def wrap(module: Any) -> AbstractForeignModel:
    """The adapter of a plain ``tf.Module`` that can be called.

    Raises:
        ComponentError: it has no variables yet, or cannot be called.
    """
    if not callable(module):
        raise ComponentError(f"{type(module).__name__} is a tf.Module without __call__; hand over what is called")
    learn = {id(variable) for variable in module.trainable_variables}
    named = {f"{variable.name.partition(':')[0]}_{i}": variable for i, variable in enumerate(module.variables)}
    if not named:
        raise ComponentError(
            f"{type(module).__name__} has no variables yet; call it once, so that it makes them, before it is declared"
        )
    # a module does not count its generators among its variables
    generators = module._flatten(predicate=lambda part: isinstance(part, tf.random.Generator))
    states = {f"generator_{i}": generator.state for i, generator in enumerate(generators)}
    told = "training" in inspect.signature(module.__call__).parameters

    def function(values: Sequence[Any], constants: Mapping[str, Any], training: bool) -> Any:
        return module(*values, **constants, **({"training": training} if told else {}))

    class Module(TensorFlowAdapter):
        def check_signature(self, component: str, signature: Signature) -> None:
            check_arity(component, partial(module, training=False) if told else module, signature)

    trainable = {name: variable for name, variable in named.items() if id(variable) in learn}
    others = {name: variable for name, variable in named.items() if name not in trainable}
    return Module(module, trainable, others | states, function)


def global_generator() -> Any:
    """The generator of ``tf.random.get_global_generator``, made where nobody has asked for it yet."""
    return tf.random.get_global_generator()


def to_torch(array: Any) -> Tensor:
    """A TensorFlow tensor as a torch tensor that shares its memory; not to be written into."""
    if not tf.is_tensor(array) or isinstance(array, tf.Variable):
        array = tf.convert_to_tensor(array)
    if array.dtype == tf.bool:  # DLPack of TensorFlow knows no truth values
        return torch.from_numpy(array.numpy())
    return torch.utils.dlpack.from_dlpack(tf.experimental.dlpack.to_dlpack(array))


def to_tensorflow(value: Tensor) -> Any:
    """A torch tensor as a TensorFlow tensor that shares its memory, where that begins where TensorFlow needs it to."""
    if value.dtype == torch.bool:
        return tf.convert_to_tensor(value.numpy())
    value = value.detach().contiguous()
    if value.data_ptr() % ALIGNMENT:
        value = value.clone()
    return tf.experimental.dlpack.from_dlpack(value.__dlpack__())


def _warn_of_hidden_generators(thing: Any, graph: Any) -> None:
    hidden = sorted({operation.type for operation in graph.graph.get_operations()} & HIDDEN)
    if hidden:
        warnings.warn(
            f"{type(thing).__name__} draws by {listed(hidden)}, whose generator TensorFlow keeps to itself, so a "
            f"resumed training draws other numbers than one that was not interrupted; a tf.random.Generator that the "
            f"module holds, or keras.layers.Dropout, is part of a checkpoint",
            stacklevel=2,
        )


def _arrays(call: Call) -> list[Any]:
    return [to_tensorflow(leaf) if isinstance(leaf, Tensor) else leaf for leaf in call.leaves]


def _wide(value: Tensor) -> Tensor:
    return value if value.is_floating_point() else value.long()
