"""A trunk with two branches learns by merged loss and by federated merge as a loop in plain PyTorch does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from drivetrain import System, component, system
from drivetrain.errors import DeclarationError, DrivetrainError, TrainingError, UnknownNameError
from drivetrain.training import (
    AlternatingEndLoss,
    FederatedMerge,
    Individual,
    MergedLoss,
    SimultaneousEndLoss,
    Stages,
    TaskArithmetic,
    fit,
)
from drivetrain.training.merged_loss import check_branches

SAMPLES, BATCH = 24, 8


def fork(**trunk_parts: nn.Module) -> System:
    trunk = component(
        "trunk", nn.Sequential(nn.Linear(5, 6), *trunk_parts.values(), nn.Tanh()).double(), "image -> features"
    )
    lights = component("lights", nn.Linear(6, 2).double(), "features -> light")
    signs = component("signs", nn.Linear(6, 3).double(), "features -> sign")

    @system
    def traffic(image: Tensor) -> tuple[Tensor, Tensor]:
        features = trunk(image)
        return lights(features), signs(features)

    return traffic


def data(samples: int = SAMPLES) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(7)
    widths = {"image": 5, "light": 2, "sign": 3}
    return {
        edge: torch.randn(samples, width, generator=generator, dtype=torch.float64) for edge, width in widths.items()
    }


def sgd(weights: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(weights, lr=0.1, momentum=0.9)


def train(net: System, pattern: Any, epochs: Any = 3, **options: Any) -> Any:
    return fit(net, data(), pattern, epochs=epochs, batch_size=SAMPLES, optimizer=sgd, seed=0, **options)


def by_hand(net: System, epochs: int, step: Callable[[list[Tensor], System], None]) -> System:
    """Plain PyTorch on the whole data set as one batch; ``step`` fills the gradients from the branches' losses."""
    net = copy.deepcopy(net)
    optimizer = sgd(list(net.parameters()))
    batch = data()
    for _ in range(epochs):
        light, sign = net(batch["image"])
        optimizer.zero_grad()
        step([mse_loss(light, batch["light"]), mse_loss(sign, batch["sign"])], net)
        optimizer.step()
    return net


def close(one: nn.Module, other: nn.Module) -> None:
    for name, value in one.state_dict().items():
        assert torch.allclose(value, other.state_dict()[name], rtol=0, atol=1e-12), name


BOTH = {"light": mse_loss, "sign": mse_loss}


# -- merged loss


def test_merged_loss_with_weights_is_the_weighted_sum_in_plain_pytorch() -> None:
    net = fork()
    expected = by_hand(net, 3, lambda losses, _: (2.0 * losses[0] + 0.5 * losses[1]).backward())
    report = train(net, MergedLoss(BOTH, weights={"light": 2.0, "sign": 0.5}))
    close(net, expected)
    assert report.updates == {"trunk": 3, "lights": 3, "signs": 3}
    assert report.pattern == "merged loss"


def test_merged_loss_without_weights_is_simultaneous_training_bitwise() -> None:
    merged = fork()
    simultaneous = copy.deepcopy(merged)
    train(merged, MergedLoss(BOTH))
    train(simultaneous, SimultaneousEndLoss(BOTH))
    assert all(torch.equal(a, b) for a, b in zip(merged.parameters(), simultaneous.parameters()))


def test_an_aggregator_that_adds_up_changes_nothing() -> None:
    summed = fork()
    aggregated = copy.deepcopy(summed)
    train(summed, MergedLoss(BOTH))
    train(aggregated, MergedLoss(BOTH, aggregator=lambda matrix: matrix.sum(0)))
    close(aggregated, summed)


def less_conflict(matrix: Tensor) -> Tensor:
    """PCGrad for two losses (Yu et al. 2020, algorithm 1): each gradient loses what opposes the other."""
    first, second = matrix
    dot = torch.minimum(first @ second, torch.zeros((), dtype=matrix.dtype))
    return first - dot / (second @ second) * second + second - dot / (first @ first) * first


def test_an_aggregator_decides_for_the_trunk_and_each_branch_follows_its_own_loss() -> None:
    seen = []

    def aggregator(matrix: Tensor) -> Tensor:
        seen.append(matrix)
        return less_conflict(matrix)

    def step(losses: list[Tensor], net: System) -> None:
        trunk = list(net.component("trunk").parameters())
        rows = [torch.cat([g.flatten() for g in torch.autograd.grad(x, trunk, retain_graph=True)]) for x in losses]
        sum(losses).backward()
        parts = less_conflict(torch.stack(rows)).split([weight.numel() for weight in trunk])
        for weight, part in zip(trunk, parts):
            weight.grad = part.view_as(weight).clone()

    net = fork()
    expected = by_hand(net, 4, step)
    train(net, MergedLoss(BOTH, aggregator=aggregator), epochs=4)
    close(net, expected)
    assert {tuple(matrix.shape) for matrix in seen} == {(2, 5 * 6 + 6)}


def test_gradients_of_several_batches_add_up_before_an_update() -> None:
    whole = fork()
    parts = copy.deepcopy(whole)
    pattern = MergedLoss(BOTH, aggregator=lambda matrix: matrix.sum(0))
    train(whole, pattern)
    report = fit(parts, data(), pattern, epochs=3, batch_size=BATCH, accumulate=3, optimizer=sgd, seed=0)
    close(parts, whole)
    assert report.iterations == 3


def test_a_branch_without_truth_in_a_batch_leaves_the_trunk_to_the_other() -> None:
    net = fork()
    lights_alone = copy.deepcopy(net)
    batch = data()
    samples = [{"image": batch["image"][row], "light": batch["light"][row]} for row in range(SAMPLES)]
    samples[0]["sign"] = batch["sign"][0]
    rows: list[int] = []
    pattern = MergedLoss(BOTH, aggregator=lambda matrix: rows.append(len(matrix)) or matrix.sum(0))
    fit(net, samples, pattern, epochs=1, batch_size=1, optimizer=sgd, seed=0)
    assert rows == [2]
    assert not torch.equal(net.component("lights").thing.weight, lights_alone.component("lights").thing.weight)


def test_terms_of_a_loss_stay_with_their_branch() -> None:
    def parts(prediction: Tensor, truth: Tensor) -> dict[str, Tensor]:
        return {"first": mse_loss(prediction[:, :1], truth[:, :1]), "second": mse_loss(prediction[:, 1:], truth[:, 1:])}

    one, other = fork(), None
    other = copy.deepcopy(one)
    train(one, MergedLoss({"light": parts, "sign": parts}))
    report = train(other, MergedLoss({"light": parts, "sign": parts}, aggregator=lambda matrix: matrix.sum(0)))
    close(other, one)
    assert "light.first" in report.history[-1]


@pytest.mark.parametrize("wrong", [lambda m: m, lambda m: None, lambda m: m.sum()])
def test_an_aggregator_that_answers_no_gradient_is_refused(wrong: Any) -> None:
    with pytest.raises(TrainingError, match=r"\(2, 36\) \(losses, parameters\).*answers one gradient \(36,\)"):
        train(fork(), MergedLoss(BOTH, aggregator=wrong))


# -- federated merge


def federated_by_hand(net: System, rounds: Sequence[int]) -> System:
    """FedAvg over the two chains, written down: copies learn, their trunks are averaged, branches go back."""
    net, batch = copy.deepcopy(net), data()
    chains = {"light": copy.deepcopy(net), "sign": copy.deepcopy(net)}
    branches = {"light": "lights", "sign": "signs"}
    optimizers = {
        edge: sgd([*chain.component("trunk").parameters(), *chain.component(branches[edge]).parameters()])
        for edge, chain in chains.items()
    }
    for epochs in rounds:
        for _ in range(epochs):
            for edge, chain in chains.items():
                features = chain.component("trunk")(batch["image"])
                optimizers[edge].zero_grad()
                mse_loss(chain.component(branches[edge])(features), batch[edge]).backward()
                optimizers[edge].step()
        with torch.no_grad():
            trunks = [dict(chain.component("trunk").named_parameters()) for chain in chains.values()]
            for name, own in net.component("trunk").named_parameters():
                own.copy_((trunks[0][name] + trunks[1][name]) / 2)
                for trunk in trunks:
                    trunk[name].copy_(own)
            for edge, branch in branches.items():
                net.component(branch).load_state_dict(chains[edge].component(branch).state_dict())
    return net


@pytest.mark.parametrize(("rounds", "lengths"), [(1, [4]), (2, [2, 2]), (3, [2, 1, 1]), (4, [1, 1, 1, 1])])
def test_federated_merge_equals_federated_averaging_in_plain_pytorch(rounds: int, lengths: list[int]) -> None:
    net = fork()
    expected = federated_by_hand(net, lengths)
    report = train(net, FederatedMerge(BOTH, rounds=rounds), epochs=4)
    close(net, expected)
    assert report.updates == {"trunk": 8, "lights": 4, "signs": 4}
    assert report.iterations == 8


def test_the_trunk_may_be_merged_by_a_function_of_the_chains() -> None:
    given = []

    def first_wins(chains: Sequence[Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        given.extend(chains)
        return chains[0]

    net = fork()
    train(net, FederatedMerge(BOTH, merge=first_wins), epochs=1)
    assert len(given) == 2
    assert all(name.startswith("trunk.") for name in given[0])
    weight = "trunk.module.0.weight"
    assert torch.equal(net.state_dict()[weight], given[0][weight])
    assert not torch.equal(given[0][weight], given[1][weight])


def test_statistics_are_averaged_and_counters_taken_from_the_first_chain() -> None:
    net = fork(norm=nn.BatchNorm1d(6))
    train(net, FederatedMerge(BOTH), epochs=3)
    norm = net.component("trunk").thing[1]
    assert int(norm.num_batches_tracked) == 3
    assert norm.running_mean.abs().sum() > 0


@pytest.mark.parametrize("merge", ["average", "validation", "tasks", TaskArithmetic(9.0)])
def test_merged_variances_lie_between_those_of_the_chains_whatever_the_weights_do(merge: Any) -> None:
    chains: list[Mapping[str, Tensor]] = []
    net = fork(norm=nn.BatchNorm1d(6))
    seen = copy.deepcopy(net)
    train(seen, FederatedMerge(BOTH, merge=lambda c: chains.extend(c) or c[0]), validation=data())
    train(net, FederatedMerge(BOTH, merge=merge), validation=data())
    name = "trunk.module.1.running_var"
    lower, upper = torch.minimum(chains[0][name], chains[1][name]), torch.maximum(chains[0][name], chains[1][name])
    merged = net.state_dict()[name]
    kept = bool((merged == 1).all())  # where the start validates best it is kept
    assert kept or bool(((merged >= lower - 1e-12) & (merged <= upper + 1e-12)).all())


def test_recomputed_statistics_are_those_of_the_data_on_the_merged_trunk() -> None:
    net = fork(norm=nn.BatchNorm1d(6))
    train(net, FederatedMerge(BOTH, statistics="recomputed"))
    linear, norm = net.component("trunk").thing[0], net.component("trunk").thing[1]
    with torch.no_grad():
        seen = linear(data()["image"])
    torch.testing.assert_close(norm.running_mean, seen.mean(0))
    torch.testing.assert_close(norm.running_var, seen.var(0))
    assert norm.momentum == 0.1


def test_a_trunk_without_batch_norm_has_no_statistics_to_recompute() -> None:
    with pytest.raises(DeclarationError, match='the trunk trunk of traffic has none; statistics="merged" fits every'):
        train(fork(), FederatedMerge(BOTH, statistics="recomputed"))
    with pytest.raises(DeclarationError, match='"merged" or "recomputed", found \'kept\''):
        train(fork(), FederatedMerge(BOTH, statistics="kept"))


def test_the_report_tells_each_branch_with_and_without_a_refit() -> None:
    once, refitted = fork(), fork()
    refitted.load_state_dict(once.state_dict())
    report = train(once, FederatedMerge(BOTH), epochs=3, validation=data())
    then = Stages(FederatedMerge(BOTH), Individual(BOTH, inputs="system"))
    later = train(refitted, then, epochs=(3, 20), validation=data())
    assert set(report.branches) == {"light: loss", "sign: loss"}
    for name, branch in report.branches.items():
        assert branch.refitted is None
        assert branch.merged == report.edges[name].after
        assert later.branches[name].merged == branch.merged
        assert later.branches[name].own == branch.own == report.history[-1][f"unmerged {name}"]
        assert later.branches[name].refitted == later.edges[name].after < branch.merged
    assert "on the merged trunk" in later.verdict
    assert "after its refit" in later.verdict
    assert "after its refit" in str(later)


def test_a_merge_that_is_worse_than_the_start_is_told_as_one_that_was_not_kept() -> None:
    net = fork()
    train(net, MergedLoss(BOTH), epochs=60, validation=data())
    nothing = FederatedMerge(BOTH, merge=lambda chains: {name: 0 * value for name, value in chains[0].items()})
    report = train(net, nothing, epochs=1, validation=data())
    assert set(report.kept[0].values()) == {0}
    assert not any(branch.kept for branch in report.branches.values())
    assert "on the merged trunk, which was not kept" in report.verdict


def test_a_stage_that_trains_the_trunk_on_is_no_refit() -> None:
    then = Stages(FederatedMerge(BOTH), SimultaneousEndLoss(BOTH))
    report = train(fork(), then, epochs=(3, 3), validation=data())
    assert [branch.refitted for branch in report.branches.values()] == [None, None]


def test_weights_frozen_by_their_owner_stay_bitwise_through_merges() -> None:
    net = fork()
    net.component("trunk").thing[0].weight.requires_grad_(False)
    before = net.component("trunk").thing[0].weight.clone()
    train(net, FederatedMerge(BOTH, rounds=3), epochs=3)
    assert torch.equal(net.component("trunk").thing[0].weight, before)


def test_chains_of_a_later_stage_start_from_what_the_stage_before_kept() -> None:
    net = fork()
    reference = copy.deepcopy(net)
    train(net, Stages(MergedLoss(BOTH), FederatedMerge(BOTH)), epochs=(2, 1))
    train(reference, MergedLoss(BOTH), epochs=2)
    train(reference, FederatedMerge(BOTH), epochs=1)
    close(net, reference)


def test_branches_refit_to_the_merged_trunk_leave_it_alone() -> None:
    net = fork()
    merged: dict[str, Tensor] = {}

    def note(state: Any) -> None:
        if state.stage == 0:
            merged.update({name: value.clone() for name, value in net.state_dict().items()})

    pattern = Stages(FederatedMerge(BOTH), Individual(BOTH, inputs="system"))
    report = train(net, pattern, epochs=(2, 5), callbacks=[note], validation=data())
    now = net.state_dict()
    assert all(torch.equal(now[name], merged[name]) for name in merged if name.startswith("trunk."))
    assert not torch.equal(now["lights.module.weight"], merged["lights.module.weight"])
    assert report.edges["light: loss"].after < report.edges["light: loss"].before


def test_validation_happens_on_the_merged_trunk_and_chooses_trunk_and_branches_together() -> None:
    net = fork()
    report = train(net, FederatedMerge(BOTH, rounds=2), epochs=4, validation=data())
    validated = [row["epoch"] for row in report.history if "validation loss chain to light" in row]
    assert validated == [0, 2, 4]
    assert set(report.kept[0]) == {"trunk", "lights", "signs"}
    assert len(set(report.kept[0].values())) == 1
    kept = report.history[next(iter(report.kept[0].values()))]
    with torch.no_grad():
        light, sign = net(data()["image"])
    assert kept["validation loss chain to light"] == pytest.approx(float(mse_loss(light, data()["light"])))
    assert kept["validation loss chain to sign"] == pytest.approx(float(mse_loss(sign, data()["sign"])))


def test_each_chain_may_have_its_own_data() -> None:
    whole = data()
    apart = {
        "light": {"image": whole["image"][:16], "light": whole["light"][:16]},
        "sign": {"image": whole["image"][16:], "sign": whole["sign"][16:]},
    }
    report = fit(fork(), apart, FederatedMerge(BOTH), epochs=1, batch_size=BATCH, seed=0)
    assert report.updates == {"trunk": 3, "lights": 2, "signs": 1}


def test_a_weight_that_two_branches_share_is_merged_too() -> None:
    head = nn.Linear(6, 2).double()
    trunk = component("trunk", nn.Linear(5, 6).double(), "image -> features")
    left, right = component("left", head, "features -> light"), component("right", head, "features -> sign")

    @system
    def pair(image: Tensor) -> tuple[Tensor, Tensor]:
        features = trunk(image)
        return left(features), right(features)

    samples = {edge: value[:, :2] if edge == "sign" else value for edge, value in data().items()}
    fit(pair, samples, FederatedMerge(BOTH), epochs=2, batch_size=BATCH, optimizer=sgd, seed=0)
    assert pair.component("left").thing is pair.component("right").thing
    names = dict(pair.named_parameters())
    assert len(names) == 4
    assert not any(torch.isnan(value).any() for value in names.values())


@pytest.mark.parametrize(
    "pattern",
    [
        MergedLoss(BOTH, aggregator=less_conflict),
        FederatedMerge(BOTH, rounds=2),
        AlternatingEndLoss(BOTH, order="branches", every=2, trunk_every=2),
    ],
)
def test_an_interrupted_fork_resumes_bitwise(pattern: Any, tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(state: Any) -> None:
        if state.epoch == 3:
            raise Interrupted

    whole = fork()
    resumed = copy.deepcopy(whole)
    later = copy.deepcopy(whole)
    options: dict[str, Any] = {"epochs": 4, "batch_size": BATCH, "seed": 0, "optimizer": sgd}
    fit(whole, data(), pattern, **options)
    with pytest.raises(Interrupted):
        fit(resumed, data(), pattern, **options, checkpoint=tmp_path / "training", callbacks=[interrupt])
    report = fit(later, data(), pattern, **options, checkpoint=tmp_path / "training")
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), later.parameters()))
    if not isinstance(pattern, AlternatingEndLoss):
        assert report.iterations == report.updates["trunk"]


def test_trunks_are_averaged_by_the_samples_that_each_chain_learned_from() -> None:
    whole = data()
    apart = {
        "light": {"image": whole["image"][:18], "light": whole["light"][:18]},
        "sign": {"image": whole["image"][18:], "sign": whole["sign"][18:]},
    }
    chains: list[Mapping[str, Tensor]] = []
    net = fork()
    seen = copy.deepcopy(net)
    fit(seen, apart, FederatedMerge(BOTH, merge=lambda c: chains.extend(c) or c[0]), epochs=1, optimizer=sgd, seed=0)
    fit(net, apart, FederatedMerge(BOTH), epochs=1, optimizer=sgd, seed=0)
    for name, first in chains[0].items():
        assert torch.allclose(net.state_dict()[name], 0.75 * first + 0.25 * chains[1][name], rtol=0, atol=1e-12)


def test_task_vectors_are_added_to_the_start() -> None:
    chains: list[Mapping[str, Tensor]] = []
    net = fork()
    start, seen = copy.deepcopy(net.state_dict()), copy.deepcopy(net)
    train(seen, FederatedMerge(BOTH, merge=lambda c: chains.extend(c) or c[0]), epochs=2)
    train(net, FederatedMerge(BOTH, merge=TaskArithmetic(0.3)), epochs=2)
    for name, first in chains[0].items():
        expected = start[name] + 0.3 * (first + chains[1][name] - 2 * start[name])
        assert torch.allclose(net.state_dict()[name], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("merge", ["validation", "tasks"])
def test_a_merge_that_is_chosen_on_validation_tells_each_branch_before_and_after_it(merge: str) -> None:
    net = fork()
    report = train(net, FederatedMerge(BOTH, merge=merge), epochs=3, validation=data())
    row = report.history[-1]
    assert {"unmerged light: loss", "unmerged sign: loss", "merged light: loss", "merged sign: loss"} <= set(row)
    found = row["merged light: loss"] + row["merged sign: loss"]
    assert found == pytest.approx(row["validation loss chain to light"] + row["validation loss chain to sign"])


def test_a_merge_on_validation_without_validation_is_refused_before_training() -> None:
    with pytest.raises(DeclarationError, match="is decided on validation data; give validation="):
        train(fork(), FederatedMerge(BOTH, merge="validation"))


# -- alternating over the branches


def test_alternating_over_branches_trains_the_trunk_in_every_turn_as_plain_pytorch_does() -> None:
    net = fork()
    expected, batch = copy.deepcopy(net), data()
    parts = {name: sgd(list(expected.component(name).parameters())) for name in expected.models}
    for _ in range(3):
        for edge, branch in (("light", "lights"), ("sign", "signs")):
            features = expected.component("trunk")(batch["image"])
            mse_loss(expected.component(branch)(features), batch[edge]).backward()
            for name in ("trunk", branch):
                parts[name].step()
                parts[name].zero_grad()
    report = train(net, AlternatingEndLoss(BOTH, order="branches"))
    close(net, expected)
    assert report.updates == {"trunk": 6, "lights": 3, "signs": 3}


def test_the_trunk_may_learn_in_every_second_turn_with_each_branch_in_its_time() -> None:
    pattern = AlternatingEndLoss(BOTH, order="branches", trunk_every=2)
    options: dict[str, Any] = {"batch_size": BATCH, "optimizer": sgd, "seed": 0}
    report = fit(fork(), data(), pattern, epochs=2, **options)
    assert report.updates == {"trunk": 6, "lights": 6, "signs": 6}


def test_a_frozen_trunk_is_refused_by_name() -> None:
    net = fork()
    for weight in net.component("trunk").parameters():
        weight.requires_grad_(False)
    with pytest.raises(DeclarationError, match="the trunk trunk of traffic has no weights that gradients could train"):
        train(net, FederatedMerge(BOTH))


# -- what is refused, and in which words


def chain() -> System:
    first = component("first", nn.Linear(5, 6), "image -> features")
    second = component("second", nn.Linear(6, 2), "features -> light")

    @system
    def sequence(image: Tensor) -> Tensor:
        return second(first(image))

    return sequence


def strangers() -> System:
    lights = component("lights", nn.Linear(5, 2), "image -> light")
    signs = component("signs", nn.Linear(5, 3), "image -> sign")

    @system
    def apart(image: Tensor) -> tuple[Tensor, Tensor]:
        return lights(image), signs(image)

    return apart


@pytest.mark.parametrize("kind", [MergedLoss, FederatedMerge])
@pytest.mark.parametrize(
    ("make", "losses", "error", "words"),
    [
        (fork, {"light": mse_loss, "signal": mse_loss}, UnknownNameError, "no edge 'signal' in traffic; it has: image"),
        (fork, {"light": mse_loss}, DeclarationError, "a fork has at least two branches.*given: light.*light, sign"),
        (fork, {"features": mse_loss, "light": mse_loss}, DeclarationError, "'features' is no output of traffic"),
        (fork, {"light": mse_loss, "sign": 3}, DeclarationError, "the loss on 'sign' is int"),
        (chain, {"light": mse_loss}, DeclarationError, "a fork has at least two branches"),
        (strangers, BOTH, DeclarationError, "apart has no fork before light, sign: no weight is reached by more"),
    ],
)  # fmt: skip
def test_what_is_no_fork_is_refused_by_name(kind: Any, make: Any, losses: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=f"{kind.__name__}.*{words}"):
        train(make(), kind(losses))


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (MergedLoss(BOTH, weights={"lihgt": 1.0}), "weights name 'lihgt', which has no loss; there are: light, sign"),
        (MergedLoss(BOTH, weights={"light": -1.0}), "the weight of 'light' is -1.0"),
        (MergedLoss(BOTH, weights={"light": float("nan")}), "the weight of 'light' is nan"),
        (FederatedMerge(BOTH, rounds=0), "at least one round, found rounds=0"),
        (FederatedMerge(BOTH, merge="median"), 'merge is "average", "validation", "tasks", or a function.*median'),
    ],
)
def test_options_that_mean_nothing_are_refused(pattern: Any, words: str) -> None:
    with pytest.raises(DrivetrainError, match=words):
        train(fork(), pattern)


def test_a_single_loss_is_refused_with_the_line_to_write() -> None:
    with pytest.raises(DeclarationError, match=r"write MergedLoss\(\{'light': loss, 'sign': loss\}\)"):
        check_branches(fork(), mse_loss, "MergedLoss")


def test_a_merge_that_loses_weights_is_refused() -> None:
    with pytest.raises(TrainingError, match="merge answered nothing; it answers a dict of these tensors: trunk"):
        train(fork(), FederatedMerge(BOTH, merge=lambda chains: {}))


def test_a_requirement_is_judged_after_merges_and_ends_training_there() -> None:
    def closeness(prediction: Tensor, truth: Tensor) -> Tensor:
        return -((prediction - truth) ** 2).mean(-1)

    options: dict[str, Any] = {"validation": data(), "metric": {"light": closeness}, "until": {"light": -1e6}}
    started = train(fork(), FederatedMerge(BOTH, rounds=2), epochs=4, **options)
    assert started.reached
    assert started.iterations == 0
    options["until"] = {"light": 1.0}
    report = train(fork(), FederatedMerge(BOTH, rounds=2), epochs=4, **options)
    assert not report.reached
    assert [row["epoch"] for row in report.history if "validation light" in row] == [0, 2, 4]
    assert len(set(report.kept[0].values())) == 1
