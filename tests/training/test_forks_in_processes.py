"""Chains of a federated merge in processes learn what one process learns, bitwise, whatever becomes of a worker."""

from __future__ import annotations

import copy
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader

from drivetrain import System, component, system
from drivetrain.errors import DeclarationError, TrainingError
from drivetrain.training import FederatedMerge, fit, session

SAMPLES, EPOCHS = 24, 4
BOTH = {"light": mse_loss, "sign": mse_loss}


def fork() -> System:
    torch.manual_seed(3)
    trunk = component(
        "trunk", nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(0.3), nn.Tanh()), "image -> features"
    )
    lights = component("lights", nn.Linear(6, 2), "features -> light")
    signs = component("signs", nn.Sequential(nn.Dropout(0.2), nn.Linear(6, 3)), "features -> sign")

    @system
    def traffic(image: Tensor) -> tuple[Tensor, Tensor]:
        features = trunk(image)
        return lights(features), signs(features)

    return traffic


def data(seed: int = 7) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        edge: torch.randn(SAMPLES, width, generator=generator)
        for edge, width in {"image": 5, "light": 2, "sign": 3}.items()
    }


def momentum(weights: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(weights, lr=0.1, momentum=0.9)


def halved(optimizer: torch.optim.Optimizer) -> Any:
    return torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)


def train(net: System, pattern: Any, **options: Any) -> Any:
    return fit(
        net, data(), pattern, epochs=EPOCHS, batch_size=8, optimizer=momentum, schedule=halved, validation=data(8),
        seed=0, **options,
    )  # fmt: skip


def in_one_process(losses: Any = BOTH, **options: Any) -> System:
    net = fork()
    train(net, FederatedMerge(losses, rounds=2), **options)
    return net


def assert_same(one: nn.Module, other: nn.Module) -> None:
    others = other.state_dict()
    assert [name for name, value in one.state_dict().items() if not torch.equal(value, others[name])] == []


def killing(flag: Path, times: int) -> Callable[[Tensor, Tensor], Tensor]:
    """A loss that ends the process it runs in, as the kernel does when memory is short, so many times."""
    here = os.getpid()

    def loss(prediction: Tensor, truth: Tensor) -> Tensor:
        before = len(list(flag.parent.glob(f"{flag.name}*")))
        if os.getpid() != here and before < times:
            (flag.parent / f"{flag.name}{before}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return mse_loss(prediction, truth)

    return loss


@pytest.mark.slow
def test_all_is_bitwise_that_of_one_process_though_a_worker_is_killed(tmp_path: Path) -> None:
    losses = {"light": killing(tmp_path / "killed", 1), "sign": mse_loss}
    one, many = fork(), fork()
    reports = [train(net, FederatedMerge(losses, rounds=2, processes=p)) for net, p in ((one, 1), (many, 2))]
    assert len(list(tmp_path.glob("killed*"))) == 1
    assert_same(one, many)
    rows = [[{k: v for k, v in row.items() if k != "seconds"} for row in report.history] for report in reports]
    assert rows[0] == rows[1]
    assert reports[0].updates == reports[1].updates == {"trunk": 24, "lights": 12, "signs": 12}
    assert reports[0].iterations == reports[1].iterations
    assert reports[0].passes == reports[1].passes
    assert reports[0].labels.to_dict() == reports[1].labels.to_dict()
    assert reports[0].branches == reports[1].branches


@pytest.mark.slow
def test_a_chain_that_kills_its_workers_ends_training_by_name_and_its_checkpoint_goes_on(tmp_path: Path) -> None:
    flag, place, net = tmp_path / "killed", tmp_path / "training", fork()
    calls = []

    kill, begin = killing(flag, 99), tmp_path / "go"

    def loss(prediction: Tensor, truth: Tensor) -> Tensor:
        return kill(prediction, truth) if begin.exists() else mse_loss(prediction, truth)

    def after_two(state: Any) -> None:
        calls.append(state.epoch)
        if state.epoch == 2:
            (tmp_path / "go").touch()

    losses = {"light": loss, "sign": mse_loss}
    with pytest.raises(TrainingError, match=r"chain to light ended its worker process 3 times: .* SIGKILL.*checkpoint"):
        train(net, FederatedMerge(losses, rounds=2, processes=2), checkpoint=place, callbacks=[after_two])
    assert calls == [1, 2]
    later = fork()
    train(later, FederatedMerge(BOTH, rounds=2), checkpoint=place)
    assert_same(later, in_one_process())


@pytest.mark.slow
def test_what_one_chain_has_learned_outlives_an_end_before_the_other_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    place, chains = tmp_path / "training", []

    class Ends:
        def __call__(self, state: Any) -> None:
            pass

        def step(self, state: Any) -> None:
            chains.append(state.epoch)
            if len(chains) == 4:  # the second chain of the second epoch is done, its checkpoint not written
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(fork(), FederatedMerge(BOTH, rounds=2, processes=2), checkpoint=place, callbacks=[Ends()])
    kept = torch.load(place, weights_only=True)
    assert len(kept["position"]["done"]) == 1
    later = fork()
    report = train(later, FederatedMerge(BOTH, rounds=2), checkpoint=place)
    assert_same(later, in_one_process())
    assert report.iterations == 24


def test_what_cannot_be_sent_to_a_process_is_refused_before_training() -> None:
    lock = threading.Lock()

    def loss(prediction: Tensor, truth: Tensor) -> Tensor:
        with lock:
            return mse_loss(prediction, truth)

    net = fork()
    before = copy.deepcopy(net)
    with pytest.raises(DeclarationError, match=r"cannot be pickled: .*lock.*; processes=1 learns in this one"):
        train(net, FederatedMerge({"light": loss, "sign": mse_loss}, processes=2))
    assert_same(net, before)


@pytest.mark.parametrize("processes", [0, -1, True])
def test_what_is_no_number_of_processes_is_refused(processes: Any) -> None:
    with pytest.raises(DeclarationError, match="chains learn in one process or more, found processes="):
        train(fork(), FederatedMerge(BOTH, processes=processes))


def test_a_loader_of_the_users_own_is_refused_with_what_fits() -> None:
    whole = data()
    rows = [{edge: value[row] for edge, value in whole.items()} for row in range(SAMPLES)]
    with pytest.raises(DeclarationError, match="hand over its Dataset"):
        fit(fork(), DataLoader(rows, 8), FederatedMerge(BOTH, processes=2), epochs=1, seed=0)  # type: ignore[arg-type]


def test_half_precision_with_a_shared_scale_is_refused() -> None:
    with pytest.raises(DeclarationError, match='precision="bf16" has none'):
        train(fork(), FederatedMerge(BOTH, processes=2), precision="fp16")
