"""Keras 3 models as components, on whichever of its backends the process runs: TensorFlow, JAX or torch."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import keras
from torch import Tensor, nn

from drivetrain.components.foreign import BRIDGES, AbstractForeignModel, keep_triton_out, key_of
from drivetrain.components.keras_copying import packed, unpacked
from drivetrain.errors import ComponentError, SignatureError, listed
from drivetrain.graph.component import check_arity
from drivetrain.graph.signature import Signature


def wrap(model: Any) -> AbstractForeignModel | nn.Module:
    """A bridge to a Keras model or layer; on the torch backend a torch module around it.

    Raises:
        ComponentError: it has no weights yet, or Keras runs on a backend that is not supported.
    """
    if unbuilt := [layer for layer in (model, *model._flatten_layers(include_self=False)) if not layer.built]:
        raise ComponentError(_not_built(model, unbuilt))
    backend = keras.config.backend()
    if backend == "torch":
        return KerasOnTorch(model)
    if backend == "tensorflow":
        return _on_tensorflow(model)
    if backend == "jax":
        return _on_jax(model)
    raise ComponentError(f"Keras runs on the backend {backend!r} here; those that fit: tensorflow, jax, torch")


class KerasOnTorch(nn.Module):
    """A Keras model on torch needs no bridge: its weights are torch parameters, told apart by names that last.

    The model is no submodule, since the names that Keras gives carry the numbers of its layers in this process.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        trainable, others = _variables(model)
        self.__dict__["model"] = model
        self.weights = nn.ParameterDict({key_of(name): variable.value for name, variable in trainable.items()})
        self.statistics = nn.Module()
        for name, variable in others.items():
            self.statistics.register_buffer(key_of(name), variable.value.data)  # the same memory
        BRIDGES[id(model)] = self

    def check_signature(self, component: str, signature: Signature) -> None:
        """Refuse inputs that the model does not take."""
        check_inputs(self.model, component, signature)

    def forward(self, *values: Any, **constants: Any) -> Any:
        """Run the model."""
        return call(self.model, values, constants, self.training)

    def __reduce__(self) -> Any:
        learning = [weight.requires_grad for weight in self.weights.values()]
        return _on_torch, (packed(self.model), self.training, learning, dict(self.statistics.named_buffers()))


def _on_torch(
    model: tuple[Any, ...], training: bool, learning: Sequence[bool], statistics: Mapping[str, Tensor]
) -> KerasOnTorch:
    """A copy; Keras' own copies do not keep the states of their generators."""
    keep_triton_out()
    copied = bridge_of(*model)
    assert isinstance(copied, KerasOnTorch)
    copied.train(training)
    for weight, learns in zip(copied.weights.values(), learning, strict=True):
        weight.requires_grad_(learns)
    for name, value in copied.statistics.named_buffers():
        value.copy_(statistics[name])
    return copied


def call(model: Any, values: Sequence[Any], constants: Mapping[str, Any], training: bool) -> Any:
    """Run a Keras model on positional values; a functional model takes several as one list."""
    if _takes_list(model):
        values = (list(values),)
    return model(*values, **constants, **_mode(model, training))


def check_inputs(model: Any, component: str, signature: Signature) -> None:
    """Refuse a signature whose inputs a model does not take.

    Raises:
        SignatureError: a functional model has another number of inputs, or ``call`` takes no such number.
    """
    taken = getattr(model, "inputs", None)
    if not isinstance(model, keras.Model) or not isinstance(taken, list):
        check_arity(component, model.call, signature)
    elif len(taken) != len(signature.inputs):
        raise SignatureError(
            f"'{component}' is declared as '{signature}', which hands it {len(signature.inputs)} value(s), but "
            f"the Keras model '{model.name}' has {len(taken)} input(s): {listed(each.name for each in taken)}"
        )


def global_generator() -> Any:
    """The generator of operations that are given no seed, such as ``keras.random.normal(shape)``.

    Making it draws from Python's ``random``, so that is put back.
    """
    from keras.src.random.seed_generator import global_seed_generator

    state = random.getstate()
    generator = global_seed_generator()
    random.setstate(state)
    return generator


def bridge_of(*packed: Any) -> AbstractForeignModel | nn.Module:
    """The bridge to a copy of a model that was packed."""
    return wrap(unpacked(*packed))


def _not_built(model: Any, unbuilt: Sequence[Any]) -> str:
    inner = listed(repr(layer.name) for layer in unbuilt if layer is not model)
    whose = f", and neither are its layers {inner}" if not model.built and inner else ""
    whose = f": its layers {inner} are not" if model.built else whose
    return (
        f"the Keras model '{model.name}' is not built{whose}, so that its weights do not exist yet. Call it once on an "
        f"example before it is declared, {model.name}(keras.ops.zeros((1, ...))), or give a Sequential model an Input"
    )


def _on_tensorflow(model: Any) -> AbstractForeignModel:
    from drivetrain.components.tensorflow import TensorFlowAdapter

    class KerasOnTensorFlow(TensorFlowAdapter):
        def check_signature(self, component: str, signature: Signature) -> None:
            check_inputs(self.thing, component, signature)

        def __reduce__(self) -> Any:
            return bridge_of, packed(self.thing)

    trainable, others = ({name: variable.value for name, variable in part.items()} for part in _variables(model))
    return KerasOnTensorFlow(model, trainable, others, partial(call, model))


def _on_jax(model: Any) -> AbstractForeignModel:
    from drivetrain.components.keras_on_jax import KerasOnJax

    class CopiedKerasOnJax(KerasOnJax):
        def check_signature(self, component: str, signature: Signature) -> None:
            check_inputs(self.thing, component, signature)

        def __reduce__(self) -> Any:
            return bridge_of, packed(self.thing)

    return CopiedKerasOnJax(model, *_variables(model), takes_list=_takes_list(model))


def _variables(model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Those that learn and the others, named by place and kind.

    Their paths would not do: Keras numbers layers as a process makes them, and a checkpoint outlives the process.
    """
    return _numbered(model.trainable_variables, "learns"), _numbered(model.non_trainable_variables, "kept")


def _numbered(variables: Sequence[Any], what: str) -> dict[str, Any]:
    return {f"{what}_{i}_{variable.name}": variable for i, variable in enumerate(variables)}


def _mode(model: Any, training: bool) -> dict[str, bool]:
    """The keyword ``training``, for models that know it; Keras layers whose ``call`` does not name it get it too."""
    return {"training": training} if getattr(model, "_call_has_training_arg", True) else {}


def _takes_list(model: Any) -> bool:
    """Whether it is a functional model with several inputs."""
    return isinstance(model, keras.Model) and len(getattr(model, "inputs", None) or ()) > 1
