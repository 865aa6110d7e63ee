"""JAX functions in a system: their gradients are JAX's own, they learn by every pattern, the user's object holds it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

from drivetrain import component, fit, system  # noqa: E402
from drivetrain.components.conformance import examine  # noqa: E402
from drivetrain.components.jax import JaxModel, to_jax, to_torch  # noqa: E402
from drivetrain.components.packing import LARGE  # noqa: E402
from drivetrain.errors import ComponentError, SignatureError  # noqa: E402
from drivetrain.training import AlternatingEndLoss, FederatedMerge, Individual, PartialEndLoss, SimultaneousEndLoss  # noqa: E402

X = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))


def dense(weights: Any, x: Any) -> Any:
    return jnp.tanh(x @ weights["kernel"] + weights["bias"])


def parameters(seed: int = 0, out: int = 2) -> dict[str, Any]:
    return {"kernel": 0.5 * jax.random.normal(jax.random.key(seed), (3, out)), "bias": jnp.zeros(out)}


def normalised(weights: Any, state: Any, x: Any, *, training: bool, key: Any) -> Any:
    """A layer with a running mean and dropout."""
    mean = x.mean(axis=0) if training else state["mean"]
    kept = jax.random.bernoulli(key, 0.5, x.shape) if training else jnp.ones_like(x)
    return dense(weights, (x - mean) * kept), {"mean": 0.9 * state["mean"] + 0.1 * x.mean(axis=0)}


def plain_model() -> Any:
    return component("lidar", JaxModel(dense, parameters()), "scan -> hits")


def stateful_model() -> Any:
    model = JaxModel(normalised, parameters(), state={"mean": jnp.zeros(3)}, key=jax.random.key(7))
    return component("lidar", model, "scan -> hits")


@pytest.mark.parametrize("make", [plain_model, stateful_model])
def test_a_jax_model_passes_the_exam_of_adapters(make: Any) -> None:
    examine(make, X)


def test_its_gradients_are_those_of_jax() -> None:
    lidar = plain_model()
    scan = X.clone().requires_grad_()
    weight = torch.randn(6, 2, generator=torch.Generator().manual_seed(2))
    (lidar(scan) * weight).sum().backward()
    by_weights, by_scan = jax.grad(lambda w, x: (dense(w, x) * weight.numpy()).sum(), (0, 1))(parameters(), X.numpy())
    torch.testing.assert_close(scan.grad, torch.from_dlpack(by_scan), rtol=1e-5, atol=1e-6)
    for name, parameter in lidar.module.weights.items():
        torch.testing.assert_close(parameter.grad, torch.from_dlpack(by_weights[name]), rtol=1e-5, atol=1e-6)


def test_dropout_and_running_means_are_those_of_jax() -> None:
    lidar = stateful_model().train()
    scan = X.clone().requires_grad_()
    lidar(scan).sum().backward()
    _, fresh = jax.random.split(jax.random.key_data(jax.random.key(7)))

    def alone(weights: Any, x: Any) -> Any:
        return normalised(weights, {"mean": jnp.zeros(3)}, x, training=True, key=fresh)[0].sum()

    torch.testing.assert_close(scan.grad, torch.from_dlpack(jax.grad(alone, 1)(parameters(), X.numpy())))
    torch.testing.assert_close(lidar.state_dict()["module.statistics.mean"], 0.1 * X.mean(0))


def test_answers_of_several_edges_and_whole_numbers_come_back_as_built() -> None:
    def two(weights: Any, x: Any) -> Any:
        scores = dense(weights, x)
        return {"scores": scores, "best": scores.argmax(axis=1)}, x.sum(axis=1)

    lidar = component("lidar", JaxModel(two, parameters()), "scan -> hits, total")
    hits, total = lidar(X.clone().requires_grad_())
    assert torch.equal(hits["best"].long(), hits["scores"].argmax(1))
    assert total.requires_grad
    assert not hits["best"].requires_grad


@pytest.mark.parametrize("pattern", ["individual", "partial", "simultaneous", "alternating"])
def test_it_learns_by_every_pattern_and_the_users_object_holds_the_trained_weights(pattern: str) -> None:
    model = JaxModel(dense, parameters(3))
    lidar = component("lidar", model, "scan -> hits")
    torch.manual_seed(0)
    head = component("head", torch.nn.Linear(2, 1), "hits -> cones")

    @system
    def perception(scan: Any) -> Any:
        return head(lidar(scan))

    goal = torch.tanh(X @ torch.ones(3, 2))
    data = {"scan": X, "hits": goal, "cones": goal.sum(1, keepdim=True)}
    loss = torch.nn.functional.mse_loss
    how = {
        "individual": Individual({"hits": loss, "cones": loss}),
        "partial": PartialEndLoss("lidar", loss),
        "simultaneous": SimultaneousEndLoss(loss),
        "alternating": AlternatingEndLoss(loss),
    }[pattern]
    before = {name: jnp.array(leaf) for name, leaf in model.weights.items()}
    with torch.no_grad():
        first = loss(perception(X), data["cones"])
    fit(perception, data, how, epochs=30, optimizer=lambda weights: torch.optim.Adam(weights, lr=0.05), seed=0)
    held = {name: torch.from_dlpack(leaf).clone() for name, leaf in model.weights.items()}  # nothing was run since
    for name, weight in lidar.module.weights.items():
        assert torch.equal(held[name], weight.detach())
    assert not bool(jnp.allclose(before["kernel"], model.weights["kernel"]))
    assert loss(perception(X), data["cones"]) < first


def test_a_jax_trunk_is_merged_as_a_torch_trunk_is() -> None:
    """FedAvg over two chains, the trunk once in JAX and once in torch, from the same weights."""
    start = parameters(5)
    alike = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh())
    with torch.no_grad():
        alike[0].weight.copy_(torch.from_dlpack(start["kernel"]).T)
        alike[0].bias.zero_()
    goal = torch.tanh(X @ torch.ones(3, 2))
    data = {"scan": X, "one": goal[:, :1], "other": goal.sum(1, keepdim=True)}
    loss = torch.nn.functional.mse_loss
    found = []
    for thing in (JaxModel(dense, start), alike):
        torch.manual_seed(0)
        trunk = component("trunk", thing, "scan -> hits")
        left = component("left", torch.nn.Linear(2, 1), "hits -> one")
        right = component("right", torch.nn.Linear(2, 1), "hits -> other")

        @system
        def fork(scan: Any, trunk: Any = trunk, left: Any = left, right: Any = right) -> Any:
            hits = trunk(scan)
            return left(hits), right(hits)

        pattern = FederatedMerge({"one": loss, "other": loss}, rounds=2)
        fit(fork, data, pattern, epochs=4, batch_size=3, optimizer=lambda w: torch.optim.SGD(w, lr=0.1), seed=0)
        with torch.no_grad():
            found.append((trunk(X), fork(X)))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        kernel = torch.from_dlpack(start["kernel"])
        assert not torch.allclose(found[0][0], torch.tanh(X @ kernel))  # the trunk has learned


def test_a_ragged_answer_is_a_list_with_one_value_for_each_sample() -> None:
    def ragged(weights: Any, x: Any) -> Any:
        hits = dense(weights, x)
        return [hits[i, : i % 3] for i in range(len(x))]

    lidar = component("lidar", JaxModel(ragged, parameters()), "scan -> hits[]")
    scan = X.clone().requires_grad_()
    hits = lidar(scan)
    assert [len(part) for part in hits] == [0, 1, 2, 0, 1, 2]
    torch.cat(hits).sum().backward()
    whole, other = plain_model(), X.clone().requires_grad_()
    kept = torch.tensor([[j < i % 3 for j in range(2)] for i in range(6)])
    (whole(other) * kept).sum().backward()
    torch.testing.assert_close(scan.grad, other.grad)
    for name, weight in lidar.module.weights.items():
        torch.testing.assert_close(weight.grad, whole.module.weights[name].grad)


def test_a_ragged_answer_of_another_number_of_values_is_refused() -> None:
    def short(weights: Any, x: Any) -> Any:
        return list(dense(weights, x)[1:])

    lidar = component("lidar", JaxModel(short, parameters()), "scan -> hits[]")

    @system
    def car(scan: Any) -> Any:
        return lidar(scan)

    with pytest.raises(ComponentError, match=r"'lidar' answered 5 value\(s\) on the ragged edge 'hits\[\]' for .* 6"):
        car(X)


def test_arrays_cross_without_a_copy() -> None:
    value = torch.randn(64, 16)
    array = to_jax(value)
    assert array.unsafe_buffer_pointer() == value.data_ptr()
    assert to_torch(array).data_ptr() == value.data_ptr()
    assert torch.equal(to_torch(to_jax(value[1:, 3:])), value[1:, 3:])  # a copy, where JAX needs another layout
    assert to_jax(value.double()).dtype == jnp.float32


def test_a_copy_is_not_traced_again_and_has_its_own_weights() -> None:
    traced = []

    def counted(weights: Any, x: Any) -> Any:
        traced.append(x.shape)
        return dense(weights, x)

    lidar = component("lidar", JaxModel(counted, parameters()), "scan -> hits").eval()
    with torch.no_grad():
        first = lidar(X)
        twin = copy.deepcopy(lidar)
        next(iter(twin.module.weights.values())).add_(1.0)
        assert not torch.equal(twin(X), first)
        assert torch.equal(lidar(X), first)
    assert len(traced) == 1


def test_a_model_declared_twice_has_one_set_of_weights() -> None:
    model = JaxModel(dense, parameters())
    left, right = component("left", model, "scan -> one"), component("right", model, "scan -> two")
    assert list(map(id, left.parameters())) == list(map(id, right.parameters()))


def test_what_is_written_without_a_trace_reaches_the_users_weights_whatever_was_handed_over_before() -> None:
    model = JaxModel(lambda weights, x: x @ weights["w"], {"w": jnp.ones((3, 2))})
    part = component("lidar", model, "scan -> hits")
    weight, x = next(iter(part.parameters())), torch.ones(4, 3)

    def answer_after(value: float, *, traced: bool) -> float:
        part(x).sum().backward()
        if traced:
            with torch.no_grad():
                weight.fill_(value)
        else:
            weight.data.fill_(value)
        return float(part(x)[0, 0].detach())

    found = [answer_after(2.0, traced=False), answer_after(5.0, traced=True), answer_after(2.0, traced=False)]
    weight.grad = None
    with torch.no_grad():
        weight.fill_(7.0)
    found.append(float(part(x)[0, 0].detach()))
    found.append(answer_after(2.0, traced=False))
    assert found == [6.0, 15.0, 6.0, 21.0, 6.0]


def test_inputs_that_the_function_does_not_take_are_refused_at_declaration() -> None:
    model = JaxModel(lambda weights, x, training: x @ weights["w"], {"w": jnp.ones((3, 2))})
    with pytest.raises(SignatureError, match=r"'lidar' is declared as 'scan, image -> hits'.*hands it 2 value"):
        component("lidar", model, "scan, image -> hits")
    assert component("lidar", model, "scan -> hits")(torch.ones(4, 3)).shape == (4, 2)


def test_small_and_large_weights_of_several_types_cross_together_and_come_back_in_their_places() -> None:
    weights = {
        "large": jnp.ones((2, LARGE)),
        "half": jnp.ones(3, jnp.bfloat16),
        "w": jnp.ones((3, 2)),
        "b": jnp.ones(2),
    }

    def function(weights: Any, x: Any) -> Any:
        rest = weights["large"].sum() + weights["half"].astype(jnp.float32) @ jnp.arange(3.0)
        return x @ weights["w"] * weights["b"] + rest

    lidar = component("lidar", JaxModel(function, weights), "scan -> hits")
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    lidar(x).sum().backward()
    parameters = {name.rpartition(".")[2].rstrip("_"): weight for name, weight in lidar.named_parameters()}
    found = {name: weight.grad for name, weight in parameters.items()}  # `half` is a word of torch's modules
    torch.testing.assert_close(found["large"], torch.full((2, LARGE), 8.0))
    torch.testing.assert_close(found["half"], torch.tensor([0.0, 8.0, 16.0], dtype=torch.bfloat16))
    torch.testing.assert_close(found["w"], x.sum(0)[:, None].expand(3, 2))
    with torch.no_grad():
        for place, weight in enumerate(parameters.values()):
            weight.add_(place + 1)
    held = lidar.thing.weights
    for name, weight in parameters.items():
        torch.testing.assert_close(torch.from_dlpack(held[name]), weight.detach())
