"""Models of TensorFlow, called by themselves and over the bridge."""

from __future__ import annotations

import os
from typing import Any

from benchmarks.bridges.turns import NARROW, ROWS, WIDE, Call, against, shapes


def tensorflow_calls(model: Any) -> dict[str, Call]:
    """What TensorFlow itself offers: the compiled call; and its tape, for a cotangent that comes from outside."""
    import tensorflow as tf

    x, cotangent = tf.random.normal((ROWS, WIDE)), tf.ones((ROWS, NARROW))
    run = tf.function(lambda values: model(values))
    weights = [each.value if hasattr(each, "path") else each for each in model.trainable_variables]
    sources = [x, *weights]

    def there_and_back() -> object:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for source in sources:
                tape.watch(source)
            answer = run(x)
        return [g.numpy() for g in tape.gradient(answer, sources, output_gradients=cotangent)]

    return {"forward": lambda: run(x).numpy(), "there and back": there_and_back}


def keras_on_tensorflow() -> dict[str, dict[str, Call]]:
    """A dense layer."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    model = keras.Sequential([keras.Input((WIDE,)), keras.layers.Dense(NARROW, activation="tanh")])
    return against(tensorflow_calls(model), model)


def tf_module() -> dict[str, dict[str, Call]]:
    """The same, written by hand."""
    import tensorflow as tf

    class Dense(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w, self.b = tf.Variable(tf.random.normal((WIDE, NARROW))), tf.Variable(tf.zeros(NARROW))

        def __call__(self, x: Any) -> Any:
            return tf.tanh(x @ self.w + self.b)

    model = Dense()
    return against(tensorflow_calls(model), model)


def tf_module_of_many_weights() -> dict[str, dict[str, Call]]:
    """Thirty layers written by hand, each with a matrix and a bias."""
    import tensorflow as tf

    class Deep(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = [tf.Variable(tf.random.normal(shape) / WIDE) for shape in shapes()]
            self.b = [tf.Variable(tf.zeros(columns)) for _, columns in shapes()]

        def __call__(self, x: Any) -> Any:
            for w, b in zip(self.w, self.b, strict=True):
                x = tf.tanh(x @ w + b)
            return x

    model = Deep()
    return against(tensorflow_calls(model), model)
