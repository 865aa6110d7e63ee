"""One small model of each framework: it maps numbers to numbers, or to the probabilities of classes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from torch import nn

HIDDEN = 16
Form = Literal["numbers", "classes"]
Maker = Callable[[int, int, Form, int], Any]
"""``make(inputs, outputs, form, seed)``; torch's generator is seeded before."""


def torch_model(inputs: int, outputs: int, form: Form, seed: int) -> nn.Module:
    """Two layers of torch."""
    layers: list[nn.Module] = [nn.Linear(inputs, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, outputs)]
    return nn.Sequential(*layers, *([nn.Softmax(1)] if form == "classes" else []))


def keras_model(inputs: int, outputs: int, form: Form, seed: int) -> Any:
    """Two layers of Keras, on TensorFlow unless another backend was asked for."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    start = keras.initializers.GlorotUniform
    last = "softmax" if form == "classes" else None
    return keras.Sequential(
        [
            keras.Input((inputs,)),
            keras.layers.Dense(HIDDEN, activation="tanh", kernel_initializer=start(seed=seed)),
            keras.layers.Dense(outputs, activation=last, kernel_initializer=start(seed=seed + 1)),
        ]
    )


def onnx_model(inputs: int, outputs: int, form: Form, seed: int) -> Any:
    """Two layers in an ONNX file that learns by conversion."""
    from onnx import TensorProto, helper, numpy_helper

    from drivetrain.components.onnx import trainable

    drawing = np.random.default_rng(seed)

    def weight(name: str, *shape: int) -> Any:
        drawn = drawing.uniform(-1, 1, shape) / np.sqrt(shape[0]) if len(shape) > 1 else np.zeros(shape)
        return numpy_helper.from_array(drawn.astype(np.float32), name)

    last = "Softmax" if form == "classes" else "Identity"
    nodes = [
        helper.make_node("Gemm", ["values", "w1", "b1"], ["first"]),
        helper.make_node("Tanh", ["first"], ["bent"]),
        helper.make_node("Gemm", ["bent", "w2", "b2"], ["second"]),
        helper.make_node(last, ["second"], ["answer"]),
    ]
    weights = [weight("w1", inputs, HIDDEN), weight("b1", HIDDEN), weight("w2", HIDDEN, outputs), weight("b2", outputs)]
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("batch", width))]
        for name, width in (("values", inputs), ("answer", outputs))
    ]
    graph = helper.make_graph(nodes, "two_layers", *ends, weights)
    return trainable(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10))


def linear_model(inputs: int, outputs: int, form: Form, seed: int) -> Any:
    """A linear model of scikit-learn: its formula is known, so that the end loss steps its coefficients."""
    from sklearn.linear_model import LogisticRegression, Ridge

    return LogisticRegression() if form == "classes" else Ridge()


def forest(inputs: int, outputs: int, form: Form, seed: int) -> Any:
    """A forest of scikit-learn: the end loss moves its outputs and it is fitted anew; no gradient passes through it."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    made = RandomForestClassifier if form == "classes" else RandomForestRegressor
    return made(10, max_depth=6, random_state=seed)


def perceptron(inputs: int, outputs: int, form: Form, seed: int) -> Any:
    """A small perceptron of scikit-learn, which brings its own training and has a formula, too."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    made = MLPClassifier if form == "classes" else MLPRegressor
    return made((HIDDEN,), activation="tanh", solver="lbfgs", max_iter=50, alpha=0.1, random_state=seed)
