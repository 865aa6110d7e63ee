"""Flax models in a system, NNX and Linen: their gradients are Flax's own, and the user's object learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("flax")

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import nnx

from drivetrain import component, fit, system
from drivetrain.components.conformance import examine
from drivetrain.components.flax import linen
from drivetrain.components.jax import JaxModel
from drivetrain.errors import ComponentError
from drivetrain.training import AlternatingEndLoss, SimultaneousEndLoss
from drivetrain.training.conformance import examine as examine_pattern

X = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
WEIGHTING = torch.randn(6, 2, generator=torch.Generator().manual_seed(2))
LOSS = torch.nn.functional.mse_loss


class Reader(nnx.Module):
    """With batch norm and dropout."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first, self.normal = nnx.Linear(3, 4, rngs=rngs), nnx.BatchNorm(4, rngs=rngs)
        self.drop, self.more = nnx.Dropout(0.5, rngs=rngs), nnx.List([nnx.Linear(4, 2, rngs=rngs)])

    def __call__(self, x: Any) -> Any:
        return self.more[0](self.drop(jnp.tanh(self.normal(self.first(x)))))


class LinenReader(nn.Module):
    """The same; Linen modules are told the mode in their own words."""

    @nn.compact
    def __call__(self, x: Any, train: bool = False) -> Any:
        x = nn.BatchNorm(use_running_average=not train)(nn.Dense(4)(x))
        return nn.Dense(2)(nn.Dropout(0.5, deterministic=not train)(jnp.tanh(x)))


def linen_variables() -> Any:
    return LinenReader().init(jax.random.key(0), jnp.ones((1, 3)))


def by_nnx() -> Any:
    return component("lidar", Reader(nnx.Rngs(0)), "scan -> hits")


def by_linen() -> Any:
    return component("lidar", linen(LinenReader(), linen_variables(), key=jax.random.key(7)), "scan -> hits")


@pytest.mark.slow
@pytest.mark.parametrize("make", [by_nnx, by_linen])
def test_a_flax_model_passes_the_exam_of_adapters(make: Any) -> None:
    examine(make, X)


def through_drivetrain(lidar: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    scan = X.clone().requires_grad_()
    (lidar(scan) * WEIGHTING).sum().backward()
    return scan.grad, {name: weight.grad for name, weight in lidar.module.weights.items()}


@pytest.mark.parametrize("training", [False, True])
def test_gradients_of_an_nnx_module_are_those_of_flax(training: bool) -> None:
    by_scan, by_weight = through_drivetrain(by_nnx().train(training))
    own = Reader(nnx.Rngs(0))
    own.train() if training else own.eval()

    def value(model: Reader, x: Any) -> Any:
        return (model(x) * WEIGHTING.numpy()).sum()

    expected = nnx.to_pure_dict(nnx.grad(value)(own, X.numpy()))
    own = Reader(nnx.Rngs(0))  # with the same dropout masks
    own.train() if training else own.eval()
    expected_scan = nnx.grad(value, argnums=1)(own, X.numpy())
    np.testing.assert_allclose(by_scan, expected_scan, rtol=1e-5, atol=1e-6)
    for path, gradient in jax.tree_util.tree_leaves_with_path(expected):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        np.testing.assert_allclose(by_weight[name], gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("training", [False, True])
def test_gradients_of_a_linen_module_are_those_of_flax(training: bool) -> None:
    by_scan, by_weight = through_drivetrain(by_linen().train(training))
    variables, (_, fresh) = linen_variables(), jax.random.split(jax.random.key_data(jax.random.key(7)))

    def value(weights: Any, x: Any) -> Any:
        held = {"params": weights, "batch_stats": variables["batch_stats"]}
        if training:
            answer, _ = LinenReader().apply(held, x, train=True, rngs={"params": fresh}, mutable=["batch_stats"])
        else:
            answer = LinenReader().apply(held, x)
        return (answer * WEIGHTING.numpy()).sum()

    by_params, expected_scan = jax.grad(value, (0, 1))(variables["params"], X.numpy())
    np.testing.assert_allclose(by_scan, expected_scan, rtol=1e-5, atol=1e-6)
    for path, gradient in jax.tree_util.tree_leaves_with_path(by_params):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        np.testing.assert_allclose(by_weight[name], gradient, rtol=1e-5, atol=1e-6)


def perception(lidar: Any) -> Any:
    torch.manual_seed(0)
    head = component("head", torch.nn.Linear(2, 1), "hits -> cones")

    @system
    def car(scan: Any) -> Any:
        return head(lidar(scan))

    return car


DATA = {"scan": X, "cones": torch.tanh(X.sum(1, keepdim=True))}


def test_the_users_nnx_module_holds_what_was_learned() -> None:
    own = Reader(nnx.Rngs(0))
    before = np.array(own.first.kernel[...])
    car = perception(component("lidar", own, "scan -> hits"))
    fit(car, DATA, SimultaneousEndLoss(LOSS), epochs=5, batch_size=3, seed=0)
    assert not np.array_equal(before, own.first.kernel[...])
    assert float(jnp.abs(own.normal.mean[...]).max()) > 0
    own.eval()
    with torch.no_grad():
        np.testing.assert_allclose(car.component("lidar").eval()(X), own(jnp.asarray(X.numpy())), rtol=1e-5, atol=1e-6)


def test_what_a_linen_module_learned_is_in_its_model() -> None:
    model = linen(LinenReader(), linen_variables())
    car = perception(component("lidar", model, "scan -> hits"))
    fit(car, DATA, SimultaneousEndLoss(LOSS), epochs=5, batch_size=3, seed=0)
    own = LinenReader().apply({"params": model.weights, **model.state}, X.numpy())
    with torch.no_grad():
        np.testing.assert_allclose(car.component("lidar").eval()(X), own, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("make", [by_nnx, by_linen])
def test_a_pattern_sits_its_exam_with_a_flax_model(make: Any) -> None:
    examine_pattern(perception(make()), DATA, AlternatingEndLoss(LOSS))


def test_a_linen_module_without_state_needs_no_adapter() -> None:
    dense = nn.Dense(2)
    model = JaxModel(dense.apply, dense.init(jax.random.key(0), jnp.ones((1, 3))))
    found = component("lidar", model, "scan -> hits")(X)
    np.testing.assert_allclose(found.detach(), dense.apply(model.weights, X.numpy()), rtol=1e-5, atol=1e-6)


def test_a_linen_module_without_its_variables_is_refused_with_the_line_to_write() -> None:
    with pytest.raises(ComponentError, match=r"LinenReader holds no weights.*linen\(LinenReader\(...\), variables\)"):
        component("lidar", LinenReader(), "scan -> hits")
    with pytest.raises(ComponentError, match=r"with 'params' among them; found: batch_stats"):
        linen(LinenReader(), {"batch_stats": {}})
