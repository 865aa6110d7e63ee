"""Models of JAX, called by themselves and over the bridge."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from benchmarks.bridges.turns import NARROW, ROWS, WIDE, Call, against, shapes


def jax_calls(function: Callable[[Any, Any], Any], weights: Any) -> dict[str, Call]:
    """What JAX itself offers: the compiled call; and its compiled pull-back for a cotangent from outside."""
    import jax

    x = jax.random.normal(jax.random.key(0), (ROWS, WIDE))
    run = jax.jit(function)
    there, back = jax.jit(lambda w, values: jax.vjp(function, w, values)), jax.jit(lambda pull, given: pull(given))
    cotangent = jax.numpy.ones((ROWS, NARROW))

    def there_and_back() -> object:
        answer, pull = there(weights, x)
        return jax.block_until_ready((answer, back(pull, cotangent)))

    return {"forward": lambda: jax.block_until_ready(run(weights, x)), "there and back": there_and_back}


def jax_function() -> dict[str, dict[str, Call]]:
    """A function with parameters; Tesseract wraps the same one."""
    import jax.numpy as jnp

    from drivetrain.components.jax import JaxModel

    weights = {"w": jnp.ones((WIDE, NARROW)) / WIDE, "b": jnp.zeros(NARROW)}

    def dense(w: Any, x: Any) -> Any:
        return jnp.tanh(x @ w["w"] + w["b"])

    return against(jax_calls(dense, weights), JaxModel(dense, weights))


def keras_on_jax() -> dict[str, dict[str, Call]]:
    """A dense layer, against Keras' stateless call compiled."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    model = keras.Sequential([keras.Input((WIDE,)), keras.layers.Dense(NARROW, activation="tanh")])
    weights = [variable.value for variable in model.trainable_variables]
    return against(jax_calls(lambda w, x: model.stateless_call(w, [], x)[0], weights), model)


def jax_function_of_many_weights() -> dict[str, dict[str, Call]]:
    """The same thirty layers as a function of JAX."""
    import jax.numpy as jnp

    from drivetrain.components.jax import JaxModel

    weights = [{"w": jnp.ones(shape) / WIDE, "b": jnp.zeros(shape[1])} for shape in shapes()]

    def deep(weights: Any, x: Any) -> Any:
        for layer in weights:
            x = jnp.tanh(x @ layer["w"] + layer["b"])
        return x

    return against(jax_calls(deep, weights), JaxModel(deep, weights))
