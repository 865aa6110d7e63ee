"""Run by the tests in a process of its own, since TensorFlow takes seconds to load: `python tensorflow_models.py`."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch

from drivetrain import component
from drivetrain.components.conformance import examine
from drivetrain.components.generators import frameworks_drawing_from
from drivetrain.components.tensorflow import to_tensorflow, to_torch
from drivetrain.errors import SignatureError
from drivetrain.experiments.versions.fingerprint import component_fingerprint

X = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))


class Dense(tf.Module):
    """A layer with a running mean and dropout from a generator of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = tf.Variable(np.linspace(-1, 1, 6).reshape(3, 2), dtype=tf.float32, name="kernel")
        self.mean = tf.Variable(tf.zeros(3), trainable=False, name="mean")
        self.draws = tf.random.Generator.from_seed(3)

    def __call__(self, x: Any, training: bool = False) -> Any:
        if training:
            self.mean.assign(0.9 * self.mean + 0.1 * tf.reduce_mean(x, 0))
            x = x * tf.cast(self.draws.uniform(tf.shape(x)) < 0.5, x.dtype)
        return tf.tanh((x - self.mean) @ self.kernel)

    def __reduce__(self) -> Any:
        return _restored, ([variable.numpy() for variable in (self.kernel, self.mean)],)


def _restored(values: list[Any]) -> Dense:
    made = Dense()
    made.kernel.assign(values[0])
    made.mean.assign(values[1])
    return made


class Legacy(Dense):
    """Dropout by an operation whose generator is hidden."""

    def __call__(self, x: Any, training: bool = False) -> Any:
        return super().__call__(tf.nn.dropout(x, 0.5) if training else x)


class Drawing(Dense):
    """Draws from TensorFlow's global generator."""

    def __call__(self, x: Any, training: bool = False) -> Any:
        return super().__call__(x + tf.random.get_global_generator().normal(tf.shape(x)))


if __name__ == "__main__":
    examine(lambda: component("lidar", Dense(), "scan -> hits"), X)

    lidar, scan, own = component("lidar", Dense(), "scan -> hits"), X.clone().requires_grad_(), Dense()
    lidar.eval()(scan).sum().backward()
    value = tf.constant(X.numpy())
    with tf.GradientTape() as tape:
        tape.watch(value)
        total = tf.reduce_sum(own(value))
    by_scan, by_kernel = tape.gradient(total, [value, own.kernel])
    np.testing.assert_allclose(scan.grad, by_scan, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(next(lidar.parameters()).grad, by_kernel, rtol=1e-5, atol=1e-6)

    for there in (torch.randn(64, 16), torch.arange(64)):
        assert to_torch(to_tensorflow(there)).data_ptr() == there.data_ptr(), "an array was copied on its way"
    moved = torch.randn(65)[1:]  # does not begin where TensorFlow's kernels need it to
    assert torch.equal(to_torch(to_tensorflow(moved)), moved)
    assert to_torch(to_tensorflow(moved)).data_ptr() % 64 == 0

    with pytest.raises(SignatureError, match=r"'lidar' is declared as 'scan, image -> hits'"):
        component("lidar", Dense(), "scan, image -> hits")
    called = component("lidar", Dense(), "scan -> hits")
    before = component_fingerprint(called)
    with torch.no_grad():
        called.eval()(X)
    assert component_fingerprint(called) == before == component_fingerprint(component("radar", Dense(), "scan -> hits"))
    called.thing.kernel.assign_add(tf.ones((3, 2)))
    assert component_fingerprint(component("lidar", copy.deepcopy(called.thing), "scan -> hits")) != before

    with pytest.warns(UserWarning, match=r"Legacy draws by RandomUniform, whose generator TensorFlow keeps to itself"):
        component("lidar", Legacy(), "scan -> hits").train()(X)

    noisy = component("lidar", Drawing(), "scan -> hits").train()
    answers = []
    for seed in (1, 1, 2):
        with frameworks_drawing_from(seed):
            answers.append(noisy(X).detach().clone())
    assert torch.equal(answers[0], answers[1]), "the same seed draws other numbers"
    assert not torch.equal(answers[0], answers[2]), "another seed draws the same numbers"
