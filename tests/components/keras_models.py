"""Run by the tests in a process of its own for each backend of Keras: `python keras_models.py`, KERAS_BACKEND set."""

from __future__ import annotations

import os
import sys
from typing import Any

import keras
import numpy as np
import pytest
import torch

from drivetrain import component, fit, system
from drivetrain.components.conformance import examine
from drivetrain.errors import ComponentError, SignatureError
from drivetrain.training import (
    AlternatingEndLoss,
    FederatedMerge,
    Individual,
    MergedLoss,
    PartialEndLoss,
    SimultaneousEndLoss,
)
from drivetrain.training.conformance import examine as examine_pattern

X = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))


def small() -> Any:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(2)])


def with_state() -> Any:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((3,)), layers.Dense(4), layers.BatchNormalization(), layers.Dropout(0.5, seed=3), layers.Dense(2)]
    )


def two_inputs() -> Any:
    keras.utils.set_random_seed(0)
    one, other = keras.Input((3,)), keras.Input((3,))
    joined = keras.layers.Concatenate()([keras.layers.Dense(2)(one), keras.layers.Dense(2, activation="tanh")(other)])
    return keras.Model([one, other], keras.layers.Dense(2)(joined))


class Bent(keras.Model):
    """Without ``get_config``, so that Keras itself cannot copy it."""

    def __init__(self, bend: Any) -> None:
        super().__init__()
        self.bend, self.layers_in_order = bend, [keras.layers.Dense(4), keras.layers.BatchNormalization()]
        self.drop, self.last = keras.layers.Dropout(0.5, seed=3), keras.layers.Dense(2)

    def call(self, x: Any, training: bool = False) -> Any:
        dense, normal = self.layers_in_order
        return self.last(self.drop(self.bend(normal(dense(x), training=training)), training=training))


def subclassed() -> Any:
    keras.utils.set_random_seed(0)
    made = Bent(keras.ops.tanh)
    made(keras.ops.zeros((1, 3)))
    return made


def exam_of_adapters() -> None:
    examine(lambda: component("lidar", small(), "scan -> hits"), X)
    examine(lambda: component("lidar", with_state(), "scan -> hits"), X)
    examine(lambda: component("lidar", two_inputs(), "scan, again -> hits"), X, X.flip(0))
    examine(lambda: component("lidar", subclassed(), "scan -> hits"), X)


def gradients_are_those_of_the_framework() -> None:
    for make in (small, with_state):
        for training in (False, True):
            found, expected = through_drivetrain(make(), training), by_the_framework(make(), training)
            for ours, own in zip(found, expected, strict=True):
                np.testing.assert_allclose(ours, own, rtol=1e-5, atol=1e-6)


def through_drivetrain(model: Any, training: bool) -> list[Any]:
    """The gradients of the input, then of the weights in the model's order."""
    lidar = component("lidar", model, "scan -> hits").train(training)
    scan = X.clone().requires_grad_()
    (lidar(scan) * weighting()).sum().backward()
    on_torch = keras.config.backend() == "torch"
    weights = [variable.value for variable in model.trainable_variables] if on_torch else lidar.parameters()
    return [scan.grad.numpy(), *(weight.grad.numpy() for weight in weights)]


def by_the_framework(model: Any, training: bool) -> list[Any]:
    weight = weighting().numpy()
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        scan = tf.constant(X.numpy())
        with tf.GradientTape() as tape:
            tape.watch(scan)
            value = tf.reduce_sum(model(scan, training=training) * weight)
        found = tape.gradient(value, [scan, *(variable.value for variable in model.trainable_variables)])
    elif keras.config.backend() == "jax":
        import jax

        def value(scan: Any, trainable: Any) -> Any:
            others = [variable.value for variable in model.non_trainable_variables]
            return (model.stateless_call(trainable, others, scan, training=training)[0] * weight).sum()

        trainable = [variable.value for variable in model.trainable_variables]
        by_scan, by_weights = jax.grad(value, (0, 1))(X.numpy(), trainable)
        found = [by_scan, *by_weights]
    else:
        scan = X.clone().requires_grad_()
        (model(scan, training=training) * weighting()).sum().backward()
        found = [scan.grad, *(variable.value.grad for variable in model.trainable_variables)]
    return [np.asarray(gradient) for gradient in found]


def weighting() -> torch.Tensor:
    return torch.randn(8, 2, generator=torch.Generator().manual_seed(2))


def the_users_model_holds_what_was_learned() -> None:
    loss = torch.nn.functional.mse_loss
    for pattern in (SimultaneousEndLoss(loss), AlternatingEndLoss(loss)):
        model, lidar_truth = with_state(), torch.tanh(X @ torch.ones(3, 1))
        lidar = component("lidar", model, "scan -> hits")
        torch.manual_seed(0)
        head = component("head", torch.nn.Linear(2, 1), "hits -> cones")

        @system
        def perception(scan: Any, lidar: Any = lidar, head: Any = head) -> Any:
            return head(lidar(scan))

        before = [np.array(weight) for weight in model.get_weights()]
        fit(perception, {"scan": X, "cones": lidar_truth}, pattern, epochs=20, batch_size=4, seed=0)
        changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
        assert any(changed), "nothing was learned"
        with torch.no_grad():
            answer = lidar.eval()(X).numpy()
        own = keras.ops.convert_to_numpy(model(keras.ops.convert_to_tensor(X.numpy()), training=False))
        np.testing.assert_allclose(answer, own, rtol=1e-5, atol=1e-6)


class Noisy(keras.layers.Layer):
    """Draws from Keras' global generator where the backend allows it, which JAX does not."""

    def call(self, x: Any, training: bool = False) -> Any:
        if not training or keras.config.backend() == "jax":
            return x
        return x + 0.1 * keras.random.normal((3,))


def every_pattern_sits_its_exam_with_a_keras_model() -> None:
    """Same seed, same weights; frozen models bitwise still; a resumed training goes on bitwise."""
    layers, loss = keras.layers, torch.nn.functional.mse_loss
    keras.utils.set_random_seed(0)
    trunk = component(
        "trunk",
        keras.Sequential(
            [
                keras.Input((3,)),
                Noisy(),
                layers.Dense(4),
                layers.BatchNormalization(),
                layers.Dropout(0.5),
                layers.Dense(2),
            ]
        ),
        "scan -> hits",
    )
    left = component("left", keras.Sequential([keras.Input((2,)), layers.Dense(1)]), "hits -> one")
    right = component("right", torch.nn.Linear(2, 1), "hits -> other")

    @system
    def fork(scan: Any) -> Any:
        hits = trunk(scan)
        return left(hits), right(hits)

    data = {"scan": X, "hits": X[:, :2], "one": X[:, :1], "other": X[:, 1:2]}
    both = {"one": loss, "other": loss}
    aggregator = lambda gradients: gradients.mean(0)  # noqa: E731
    patterns = {
        "individual": Individual({"hits": loss, **both}),
        "partial": PartialEndLoss("trunk", both),
        "simultaneous": SimultaneousEndLoss(both),
        "alternating": AlternatingEndLoss(both),
        "merged": MergedLoss(both, aggregator=aggregator),
        "federated": FederatedMerge(both),
    }
    for name in sys.argv[2:] or patterns:
        examine_pattern(fork, data, patterns[name])


def chains_of_a_keras_trunk_learn_in_processes_as_in_one() -> None:
    """Bitwise, dropout and batch norm in the trunk included; what was merged is in the user's own model."""
    layers, loss = keras.layers, torch.nn.functional.mse_loss
    found = []
    for processes in (1, 2):
        keras.utils.set_random_seed(0)
        torch.manual_seed(0)
        model = keras.Sequential(
            [keras.Input((3,)), layers.Dense(4), layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(2)]
        )
        trunk = component("trunk", model, "scan -> hits")
        left, right = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
        one, other = component("left", left, "hits -> one"), component("right", right, "hits -> other")

        @system
        def fork(scan: Any, trunk: Any = trunk, one: Any = one, other: Any = other) -> Any:
            hits = trunk(scan)
            return one(hits), other(hits)

        before = model.get_weights()
        pattern = FederatedMerge({"one": loss, "other": loss}, rounds=2, processes=processes)
        fit(fork, {"scan": X, "one": X[:, :1], "other": X[:, 1:2]}, pattern, epochs=4, batch_size=4, seed=0)
        assert not np.array_equal(before[0], model.get_weights()[0])
        found.append([*model.get_weights(), *(weight.detach().numpy() for weight in left.parameters())])
    for here, there in zip(*found, strict=True):
        np.testing.assert_array_equal(here, there)


def inputs_that_a_model_does_not_take_are_refused_at_declaration() -> None:
    one = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(SignatureError, match=r"'lidar' is declared as 'scan, image -> hits'.*has 1 input"):
        component("lidar", one, "scan, image -> hits")
    given = [keras.Input((3,)), keras.Input((3,))]
    two = keras.Model(given, keras.layers.Add()(given))
    with pytest.raises(SignatureError, match=r"hands it 1 value.*has 2 input"):
        component("lidar", two, "scan -> hits")
    component("lidar", two, "scan, image -> hits")


def unbuilt_models_are_refused_by_name() -> None:
    with pytest.raises(
        ComponentError, match=r"not built, and neither are its layers .dense.*Call it once on an example"
    ):
        component("lidar", keras.Sequential([keras.layers.Dense(2)], name="scanner"), "scan -> hits")


if __name__ == "__main__":
    assert keras.config.backend() == os.environ["KERAS_BACKEND"]
    globals()[sys.argv[1]]()
