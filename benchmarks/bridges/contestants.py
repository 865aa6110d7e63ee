"""The models that are measured, by the framework they are written in."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.bridges.fitted_calls import onnx_file, scikit_learn
from benchmarks.bridges.jax_calls import jax_function, jax_function_of_many_weights, keras_on_jax
from benchmarks.bridges.tensorflow_calls import keras_on_tensorflow, tf_module, tf_module_of_many_weights
from benchmarks.bridges.turns import Call

FRAMEWORKS: dict[str, Callable[[], dict[str, dict[str, Call]]]] = {
    "keras on tensorflow": keras_on_tensorflow,
    "tf.Module": tf_module,
    "keras on jax": keras_on_jax,
    "jax": jax_function,
    "tf.Module, 60 weights": tf_module_of_many_weights,
    "jax, 60 weights": jax_function_of_many_weights,
    "scikit-learn": scikit_learn,
    "onnx": onnx_file,
}
