"""A surrogate learns the code on the way, costs what it says, and goes on after a stop as if nothing had happened."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from drivetrain import System, component, fit, system
from drivetrain.errors import ComponentError
from drivetrain.experiments.versions.fingerprint import component_fingerprint
from drivetrain.gradients import IMLE, AbstractEstimator, Automatic, Surrogate, differentiable
from drivetrain.training import SimultaneousEndLoss


class Interrupted(Exception):
    """Power cut."""


def chain(method: AbstractEstimator) -> System:
    torch.manual_seed(0)
    reader = component("reader", nn.Linear(4, 6), "signal -> scores")
    judge = component("judge", nn.Linear(6, 1), "flags -> verdict")
    keep = differentiable(component("keep", lambda scores: (scores > 0).to(scores.dtype), "scores -> flags"), method)

    @system
    def reading(signal: Tensor) -> Tensor:
        return judge(keep(reader(signal)))

    return reading


def data() -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(1)
    signal = torch.randn(40, 4, generator=draws)
    return {"signal": signal, "verdict": torch.sin(2 * signal[:, :1]) + signal[:, 1:2]}


def train(net: System, path: Path | None = None, stop: int | None = None) -> None:
    def callback(state: object) -> None:
        if state.epoch == stop:  # type: ignore[attr-defined]
            raise Interrupted

    fit(
        net, data(), SimultaneousEndLoss(nn.functional.mse_loss), epochs=4, batch_size=8, seed=3, checkpoint=path,
        callbacks=[callback],
    )  # fmt: skip


@pytest.mark.parametrize("method", [Surrogate(), IMLE(), Automatic()], ids=lambda m: type(m).__name__)
def test_training_that_was_interrupted_goes_on_bitwise(method: AbstractEstimator, tmp_path: Path) -> None:
    whole, cut, again = chain(method), chain(method), chain(method)
    train(whole)
    with pytest.raises(Interrupted):
        train(cut, tmp_path / "c", stop=2)
    train(again, tmp_path / "c")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_what_it_has_learned_is_saved_and_loaded_and_is_no_weight(tmp_path: Path) -> None:
    net = chain(Surrogate())
    weights, digest = sum(w.numel() for w in net.parameters()), net.digest
    train(net)
    assert sum(w.numel() for w in net.parameters()) == weights
    assert net.models == ("reader", "judge")
    assert net.digest == digest
    net.save(tmp_path / "w")
    twin = chain(Surrogate()).load(tmp_path / "w")
    known, found = (each.component("keep").memory.content["surrogate"]["weights"] for each in (net, twin))
    assert all(torch.equal(a, b) for a, b in zip(known, found, strict=True))


def test_what_it_has_learned_makes_no_new_version_of_the_glue() -> None:
    net = chain(Surrogate())
    before = {name: component_fingerprint(net.component(name)) for name in ("reader", "keep")}
    train(net)
    after = {name: component_fingerprint(net.component(name)) for name in ("reader", "keep")}
    assert (after["keep"] == before["keep"], after["reader"] == before["reader"]) == (True, False)


def test_copies_learn_apart() -> None:
    net = chain(Surrogate())
    net(data()["signal"]).sum().backward()
    twin = copy.deepcopy(net)
    before = net.component("keep").memory.content["surrogate"]["weights"][0].clone()
    twin(data()["signal"]).sum().backward()
    assert torch.equal(before, net.component("keep").memory.content["surrogate"]["weights"][0])
    assert not torch.equal(before, twin.component("keep").memory.content["surrogate"]["weights"][0])


@pytest.mark.parametrize("samples", [0, 1, 3])
def test_a_pass_costs_one_run_for_each_sample(samples: int) -> None:
    runs = []
    code = component("code", lambda x: (runs.append(1), (x > 0).to(x.dtype))[1], "x -> y")
    wrapped = differentiable(code, Surrogate(samples=samples))
    wrapped(torch.randn(8, 3, requires_grad=True)).sum().backward()
    before = len(runs)
    wrapped(torch.randn(8, 3, requires_grad=True)).sum().backward()
    assert len(runs) - before == 1 + samples


def test_what_the_code_is_given_beside_is_learned_from_and_not_moved() -> None:
    torch.manual_seed(0)
    product = differentiable(component("product", lambda x, factor: x * factor, "x, factor -> y"), Surrogate())
    for _ in range(150):
        product(torch.randn(32, 1, requires_grad=True), torch.randn(32, 1)).sum().backward()
    x, factor = torch.zeros(2, 1, requires_grad=True), torch.tensor([[-1.0], [1.0]])
    product(x, factor).sum().backward()
    assert torch.allclose(x.grad, factor, atol=0.3)


def test_answers_that_are_no_numbers_are_left_out() -> None:
    code = component("code", lambda x: torch.where(x > 0, x, torch.inf), "x -> y")
    wrapped = differentiable(code, Surrogate())
    x = torch.linspace(-1, 1, 16).unsqueeze(1).requires_grad_()
    for _ in range(3):
        wrapped(x).clamp(max=9).sum().backward()
    assert x.grad.isfinite().all()


def test_what_it_remembers_of_large_inputs_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivetrain.gradients.surrogate.NUMBERS", 1000)
    wrapped = differentiable(component("mean", lambda x: x.mean(-1).round(), "x -> y"), Surrogate())
    for _ in range(5):
        wrapped(torch.randn(8, 49, requires_grad=True)).sum().backward()
    given, told = wrapped.memory.content["surrogate"]["examples"]
    assert (tuple(given.shape), tuple(told.shape)) == ((20, 49), (20, 1))


def test_inputs_of_another_size_are_refused_with_what_to_do() -> None:
    wrapped = differentiable(component("mean", lambda x: x.mean(-1).round(), "x -> y"), Surrogate())
    wrapped(torch.randn(8, 5, requires_grad=True)).sum().backward()
    with pytest.raises(ComponentError, match=r"surrogate of 'mean' has learned from 5 numbers in and 1 out.*finds 6"):
        wrapped(torch.randn(8, 6, requires_grad=True)).sum().backward()


def test_code_without_samples_is_refused_with_what_to_write() -> None:
    whole = differentiable(component("whole", lambda x: x.sum(), "x -> y"), Surrogate())
    with pytest.raises(ComponentError, match=r"answers for one sample.*Perturbed\(independent=False\)"):
        whole(torch.randn(4, 2, requires_grad=True))
