"""Keras models on the JAX backend: their stateless call is a JAX function with parameters and state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from drivetrain.components.foreign import Call
from drivetrain.components.jax import JaxAdapter, JaxModel


class KerasOnJax(JaxAdapter):
    """How the bridge sees a Keras model whose variables are JAX arrays.

    Args:
        model: the user's model.
        trainable: its variables that learn, by name, in its own order.
        others: its other variables, by name, in its own order.
        takes_list: whether several inputs are handed over as one list.
    """

    def __init__(
        self, model: Any, trainable: Mapping[str, Any], others: Mapping[str, Any], *, takes_list: bool
    ) -> None:
        learn, keep = list(trainable), list(others)

        def function(weights: Any, state: Any, *inputs: Any, training: bool, **constants: Any) -> Any:
            values = (list(inputs),) if takes_list else inputs
            answer, new = model.stateless_call(
                [weights[name] for name in learn],
                [state[name] for name in keep],
                *values,
                training=training,
                **constants,
            )
            return answer, dict(zip(keep, new, strict=True))

        super().__init__(JaxModel(function, _values(trainable), state=_values(others)))
        self._keras, self._variables, self._others = model, {**trainable, **others}, dict(others)

    @property
    def thing(self) -> Any:
        """The user's own model."""
        return self._keras

    def receive(self, values: Mapping[str, Tensor]) -> None:
        """Assign new values to the user's variables."""
        super().receive(values)
        held = {**self.model.weights, **self.model.state}
        for name in values:
            self._variables[name].assign(held[name])

    def _keep(self, call: Call, state: Any) -> None:
        super()._keep(call, state)
        if call.training:
            for name, variable in self._others.items():
                variable.assign(state[name])


def _values(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {name: variable.value for name, variable in variables.items()}
