"""Retraining one branch never silently degrades another: it is measured, said in words, and forbidden where asked."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from drivetrain import System, component, system
from drivetrain.errors import CheckpointError, DataError, DeclarationError, UnknownNameError
from drivetrain.evaluation import Metric
from drivetrain.training import AlternatingEndLoss, FederatedMerge, Individual, MergedLoss, PartialEndLoss, Stages, fit

ROWS = 160


def closeness(prediction: Tensor, truth: Tensor) -> Tensor:
    return -((prediction - truth) ** 2).mean(-1)


METRIC = {"light": closeness, "sign": closeness}
BOTH = {"light": mse_loss, "sign": mse_loss}


def fork() -> System:
    """The trunk is too narrow for both tasks: what serves one branch is taken from the other."""
    torch.manual_seed(1)
    trunk = component("trunk", nn.Linear(6, 2), "image -> features")
    lights = component("lights", nn.Linear(2, 2), "features -> light")
    signs = component("signs", nn.Linear(2, 2), "features -> sign")

    @system
    def traffic(image: Tensor) -> tuple[Tensor, Tensor]:
        features = trunk(image)
        return lights(features), signs(features)

    return traffic


def data(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(ROWS, 6, generator=generator)
    noise = 0.1 * torch.randn(2, ROWS, 2, generator=generator)
    return {"image": image, "light": image[:, :2] + noise[0], "sign": 3 * image[:, 3:5] + noise[1]}


def adam(weights: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(weights, lr=0.02)


def train(net: System, pattern: Any, epochs: Any = 8, **options: Any) -> Any:
    options = {"validation": data(1), "metric": METRIC, **options}
    return fit(net, data(0), pattern, epochs=epochs, optimizer=adam, seed=0, **options)


@pytest.fixture(scope="module")
def serving_lights() -> System:
    net = fork()
    fit(net, data(0), SERVE_LIGHTS, epochs=30, optimizer=adam, seed=0)
    return net


@pytest.fixture
def grown(serving_lights: System) -> System:
    """A fork whose trunk serves lights."""
    return fork_like(serving_lights)


SERVE_LIGHTS = MergedLoss(BOTH, weights={"light": 50.0})
RETRAIN_SIGNS = AlternatingEndLoss({"sign": mse_loss}, order=["trunk", "signs"])


def test_training_the_trunk_for_one_branch_says_that_the_frozen_one_was_degraded(grown):
    report = train(grown, RETRAIN_SIGNS)
    assert report.edges["sign"].better
    assert report.edges["light"].better is False
    assert "Training trunk degraded light, whose own model lights was frozen" in report.verdict
    assert "protect={'light': 0.01}" in report.verdict


def test_training_a_head_alone_leaves_the_other_branch_and_its_words_alone(grown):
    report = train(grown, PartialEndLoss("signs", {"sign": mse_loss}))
    assert report.edges["light"].before == report.edges["light"].after
    assert "degraded" not in report.verdict


def test_a_branch_that_nothing_measures_is_named(grown):
    unseen = {edge: value for edge, value in data(1).items() if edge != "light"}
    report = train(grown, RETRAIN_SIGNS, validation=unseen, metric={"sign": closeness})
    assert "What became of light is unknown, since nothing measured it, though trunk before it" in report.verdict


def test_a_branch_that_no_trained_model_feeds_needs_no_measure(grown):
    unseen = {edge: value for edge, value in data(1).items() if edge != "light"}
    report = train(grown, PartialEndLoss("signs", {"sign": mse_loss}), validation=unseen, metric={"sign": closeness})
    assert "unknown" not in report.verdict


@pytest.mark.parametrize("protect", [{"light": 0.05}, 0.05])
def test_what_is_protected_ends_within_its_margin_by_the_whole_interval(grown, protect):
    free = train(fork_like(grown), RETRAIN_SIGNS)
    report = train(grown, RETRAIN_SIGNS, protect=protect)
    assert free.edges["light"].difference.low < -0.05
    assert report.edges["light"].difference.low >= -0.05
    assert report.protected["light"] == 0.05
    assert "light was protected and is at most 0.05 worse on validation" in report.verdict
    assert "epochs were refused" in report.verdict


def test_where_no_epoch_keeps_the_promise_the_start_weights_are_kept_bitwise(grown):
    before = {name: value.clone() for name, value in grown.state_dict().items()}
    report = train(grown, RETRAIN_SIGNS, protect={"light": 0.0})
    assert all(torch.equal(value, before[name]) for name, value in grown.state_dict().items())
    assert "No epoch that kept what is protected was better on validation than the start" in report.verdict
    assert report.edges["light"].before == report.edges["light"].after


def test_a_margin_that_never_binds_changes_nothing(grown):
    other = fork_like(grown)
    train(other, RETRAIN_SIGNS)
    report = train(grown, RETRAIN_SIGNS, protect={"light": 1e6})
    assert all(torch.equal(a, b) for a, b in zip(grown.parameters(), other.parameters(), strict=True))
    assert "refused" not in report.verdict


@pytest.mark.parametrize(
    "pattern",
    [
        RETRAIN_SIGNS,
        MergedLoss(BOTH, weights={"light": 0.0}),
        FederatedMerge(BOTH, rounds=4),
        Individual({"sign": mse_loss, "features": lambda p, t: (p**2).mean()}, inputs="system"),
        Stages(PartialEndLoss("signs", {"sign": mse_loss}), RETRAIN_SIGNS),
    ],
    ids=["alternating", "merged", "federated", "individual", "stages"],
)
@settings(max_examples=3, deadline=None)
@given(margin=st.floats(0.0, 0.5))
def test_every_pattern_keeps_the_promise(serving_lights, pattern, margin):
    net = fork_like(serving_lights)
    more = {"features": torch.zeros(ROWS, 2)} if isinstance(pattern, Individual) else {}
    report = fit(
        net, data(0) | more, pattern, epochs=3, optimizer=adam, seed=0,
        validation=data(1) | more, metric=METRIC, protect={"light": margin},
    )  # fmt: skip
    change = report.edges["light"]
    assert change.after >= change.before - margin
    assert change.difference.low >= -margin


def test_an_edge_without_a_metric_is_protected_by_its_loss(grown):
    report = train(grown, MergedLoss(BOTH, weights={"light": 0.0}), metric=None, protect={"light": 0.01})
    change = report.edges["light: loss"]
    assert change.after <= change.before + 0.01
    assert report.protected == {"light: loss": 0.01}


def test_a_lower_is_better_metric_is_protected_the_other_way_round(grown):
    errors = {edge: Metric(lambda p, t: -closeness(p, t), edge, higher_is_better=False) for edge in BOTH}
    report = train(grown, RETRAIN_SIGNS, metric=errors, protect={"light": 0.05})
    assert report.edges["light"].difference.high <= 0.05


def test_too_few_samples_to_be_sure_are_refused_and_told_apart_from_harm(grown):
    few = {edge: value[:12] for edge, value in data(1).items()}
    report = train(grown, RETRAIN_SIGNS, 2, validation=few, protect={"light": 0.012})
    found = [row["protected"]["light"] for row in report.history if row["epoch"]]
    if "unsure" in found:
        assert "more validation data would tell" in report.verdict
    assert report.edges["light"].difference.low >= -0.012


def test_a_requirement_that_holds_at_the_cost_of_what_is_protected_does_not_end_training(grown):
    start = train(fork_like(grown), RETRAIN_SIGNS, 0).edges["sign"].before
    options: dict[str, Any] = {"until": {"sign": start + 0.01}}
    assert train(fork_like(grown), RETRAIN_SIGNS, **options).reached
    report = train(grown, RETRAIN_SIGNS, protect={"light": 0.0}, **options)
    assert not report.reached
    assert report.edges["light"].before == report.edges["light"].after


def test_an_interrupted_training_with_protection_resumes_bitwise(grown, tmp_path):
    class Interrupted(Exception):
        pass

    def interrupt(state):
        if state.epoch == 5:
            raise Interrupted

    resumed = fork_like(grown)
    whole = train(grown, RETRAIN_SIGNS, protect={"light": 0.05})
    start = fork_like(resumed)
    path = tmp_path / "training"
    with pytest.raises(Interrupted):
        train(resumed, RETRAIN_SIGNS, protect={"light": 0.05}, checkpoint=path, callbacks=[interrupt])
    with pytest.raises(CheckpointError, match="another training"):
        train(fork_like(start), RETRAIN_SIGNS, protect={"light": 0.5}, checkpoint=path)
    report = train(start, RETRAIN_SIGNS, protect={"light": 0.05}, checkpoint=path)
    assert all(torch.equal(a, b) for a, b in zip(grown.parameters(), start.parameters(), strict=True))
    assert report.kept == whole.kept
    assert report.notes == whole.notes


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"protect": {"light": 0.1}, "validation": None}, DeclarationError, "decided on validation data"),
        ({"protect": {"light": -1.0}}, DeclarationError, r"from 0 on.*protect=\{'light': 0.01\}"),
        ({"protect": float("nan")}, DeclarationError, "or protect=0.01 for every branch"),
        ({"protect": {"lihgt": 0.1}}, UnknownNameError, "protect: no edge 'lihgt' in traffic"),
        ({"protect": 0.1, "metric": {"sign": closeness}}, DeclarationError, "nothing measures 'light'"),
        ({"protect": {"features": 0.1}}, DeclarationError, "nothing measures 'features'"),
        (
            {"protect": {"light": 0.1}, "metric": {"light": lambda p, t: (p[:, 0], 0 * p[:, 0]), "sign": closeness}},
            DataError,
            "'?light'? could not be measured before training",
        ),
    ],
)
def test_a_promise_that_nobody_could_keep_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        train(fork(), RETRAIN_SIGNS, **options)


def fork_like(net: System) -> System:
    other = fork()
    other.load_state_dict(net.state_dict())
    return other
