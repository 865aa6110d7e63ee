"""The fork on digits: splits, a peer that does what merged loss does, gaps, and retraining that is told."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

sklearn = pytest.importorskip("sklearn")
pytest.importorskip("torchjd")

from drivetrain import fit  # noqa: E402
from drivetrain.training import MergedLoss  # noqa: E402
from examples.fork import build, retraining  # noqa: E402
from examples.fork.by_hand import multi_task  # noqa: E402
from examples.fork.case import fork, scarce  # noqa: E402
from examples.fork.digits import splits  # noqa: E402
from examples.fork.gaps import gaps  # noqa: E402
from examples.fork.losses import BRANCHES, SCORES  # noqa: E402
from examples.protocol import Budget, ByHand, Splits  # noqa: E402
from examples.protocol.comparison import Asked, compare  # noqa: E402


def test_no_picture_is_in_two_parts_and_the_seed_rules_all() -> None:
    parts = splits(3)
    keys = [set(part["key"].tolist()) for part in (parts[0].data, parts[1].data, parts[2])]
    assert sum(map(len, keys)) == len(set.union(*keys)) == 1797
    again = splits(3)
    assert torch.equal(parts[2]["picture"], again[2]["picture"])
    assert not torch.equal(parts[2]["picture"], splits(4)[2]["picture"])


def test_the_truth_of_the_trunk_is_the_mirrored_picture_without_noise() -> None:
    test = splits(0)[2]
    seen, clean = test["picture"], test["clean"]
    assert 0 < float((seen - clean).square().mean()) < 0.1
    assert 0.4 < float(test["side"].double().mean()) < 0.6


def test_the_loop_by_hand_makes_the_updates_of_merged_loss_on_the_same_weights() -> None:
    """One batch an epoch, so that the order of reading does not matter: all weights end up the same."""
    train = splits(0, 20)[0]
    by_hand, ours = build(1), build(1)
    for updates in multi_task(by_hand, train, Budget(5, 20, 3e-3, 0)):
        last = updates
    report = fit(
        ours, train, MergedLoss(BRANCHES), epochs=5, batch_size=20, seed=0,
        optimizer=lambda weights: torch.optim.Adam(weights, lr=3e-3),
    )  # fmt: skip
    assert last == report.updates == {"cleaner": 5, "reader": 5, "looker": 5}
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, by_hand.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_every_arm_can_be_declared_and_starts_from_the_same_weights() -> None:
    for case in (fork(), scarce()):
        for arm in case.arms.values():
            assert isinstance(arm.pattern, ByHand) or arm.pattern.tracks(build(0))
    for name, value in build(0).state_dict().items():
        assert torch.equal(value, build(0).state_dict()[name])


def test_the_gap_of_the_whole_is_that_of_trunk_and_branches_and_grows_where_pictures_are_learned_by_heart() -> None:
    parts, net = Splits(*splits(0, 40)), build(0)
    before = gaps(copy.deepcopy(net), parts, 0)
    fit(
        net, parts.train, MergedLoss(BRANCHES), epochs=30, batch_size=20, seed=0,
        optimizer=lambda weights: torch.optim.Adam(weights, lr=1e-2),
    )  # fmt: skip
    after = gaps(net, parts, 0)
    assert after["gap of the system"] == pytest.approx(after["gap of the trunk"] + after["gap of the branches"])
    assert after["gap of the system"] > before["gap of the system"] + 0.2


def test_losing_a_branch_is_told_or_forbidden() -> None:
    rows = {row["way"]: row for row in retraining.retrained(1, 4)}
    assert set(rows) == set(retraining.WAYS)
    assert rows["trunk and reader, digits measured"]["told"] == "called unknown"
    assert rows["trunk and reader, both measured"]["told"] in {"named worse", "with numbers, unclear"}
    assert rows["trunk and reader, both measured"]["change"]["digit"] > 0.1
    assert rows["reader alone"]["change"]["side"] == 0
    assert rows[f"trunk and reader, protect={retraining.MARGIN}"]["lost"] <= retraining.MARGIN
    assert set(rows["reader alone"]["change"]) == set(SCORES)


@pytest.mark.slow
@pytest.mark.parametrize("reference", ["fork", "scarce"])
def test_a_comparison_of_few_arms_runs_with_its_peer_and_its_gaps(reference: str, tmp_path: Path) -> None:
    results: Any = compare(Asked(f"tests.examples.test_fork:few_{reference}", "somewhere", 2, 1), tmp_path, workers=1)
    written = (tmp_path / "RESULTS.md").read_text()
    assert "gap of the trunk" in written
    assert results.seeds == [0, 1]


def few_fork() -> Any:
    return _few(fork(), ["individual", "multi-task loop by hand", "federated, one shot, then refit"])


def few_scarce() -> Any:
    return _few(scarce(), ["merged loss", "merged loss, twice the epochs"])


def _few(case: Any, arms: list[str]) -> Any:
    from dataclasses import replace

    return replace(case, arms={name: case.arms[name] for name in arms}, rates=(3e-3,), epochs=2, every=1)
