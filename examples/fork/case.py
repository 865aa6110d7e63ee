"""The comparisons of the fork: every pattern for forks at equal budgets, and the same where the data is scarce."""

from __future__ import annotations

from drivetrain.training import AlternatingEndLoss, FederatedMerge, Individual, MergedLoss, Stages, TrainingPattern
from examples.protocol import Arm, ByHand, Case, Splits

from .by_hand import multi_task
from .digits import splits
from .gaps import gaps
from .losses import BRANCHES, ENDS, EVERYTHING, OWN, SCORES
from .system import build

SCARCE = 80  # pictures
ABOUT = (
    "1797 pictures of scikit-learn's digits, half of them mirrored, under noise; splits of different seeds overlap, "
    "since there are no more pictures: the intervals speak of weights, splits and reading orders, not of other "
    "handwriting. An epoch of alternating over branches and of a federated merge reads the data once a branch."
)


def fork() -> Case:
    """All arms with 300 pictures to learn from."""
    return Case(
        "fork on digits", build, lambda seed, labels: Splits(*splits(seed)), _arms(), ENDS, SCORES, OWN,
        also=gaps, epochs=12, every=3, rates=(3e-3, 1e-2), about=ABOUT,
    )  # fmt: skip


def scarce() -> Case:
    """What the paper fears: a trunk that learns in every turn of its branches, with few pictures, to the last epoch."""
    arms = {
        "merged loss": Arm(MergedLoss(BRANCHES), selected_by="nobody"),
        "merged loss, twice the epochs": Arm(MergedLoss(BRANCHES), selected_by="nobody", times=2),
        "alternating, trunk in every turn": Arm(_alternating(1), selected_by="nobody"),
        "alternating, trunk in every 2nd turn": Arm(_alternating(2), selected_by="nobody"),
        "alternating, trunk in every 4th turn": Arm(_alternating(4), selected_by="nobody"),
        "alternating, trunk in every turn, chosen on validation": Arm(_alternating(1)),
    }
    return Case(
        "fork on digits, few of them", build, lambda seed, labels: Splits(*splits(seed, SCARCE)), arms, ENDS, SCORES,
        also=gaps, epochs=24, every=4, batch_size=16, rates=(3e-3,),
        about=f"{SCARCE} pictures to learn from; nobody chooses the epoch but where it is said. {ABOUT}",
    )  # fmt: skip


def _arms() -> dict[str, Arm]:
    from torchjd.aggregation import MGDA, PCGrad, UPGrad

    alone = Individual(EVERYTHING)
    merged: dict[str, TrainingPattern] = {
        "merged loss": MergedLoss(BRANCHES),
        "merged loss, side x3": MergedLoss(BRANCHES, weights={"side": 3.0}),
        "merged loss, UPGrad": MergedLoss(BRANCHES, aggregator=UPGrad()),
        "merged loss, MGDA": MergedLoss(BRANCHES, aggregator=MGDA()),
        "merged loss, PCGrad": MergedLoss(BRANCHES, aggregator=PCGrad()),
        "alternating over branches": _alternating(1),
        "alternating, trunk in every 2nd turn": _alternating(2),
        "federated, one shot": FederatedMerge(BRANCHES),
        "federated, 6 rounds": FederatedMerge(BRANCHES, rounds=6),
        "federated, 6 rounds, statistics recomputed": FederatedMerge(BRANCHES, rounds=6, statistics="recomputed"),
        "federated, one shot, validation": FederatedMerge(BRANCHES, merge="validation"),
        "federated, 6 rounds, validation": FederatedMerge(BRANCHES, rounds=6, merge="validation"),
        "federated, one shot, task vectors": FederatedMerge(BRANCHES, merge="tasks"),
        "federated, 6 rounds, task vectors": FederatedMerge(BRANCHES, rounds=6, merge="tasks"),
        "federated, one shot, then refit": Stages(FederatedMerge(BRANCHES), Individual(BRANCHES, inputs="system")),
        "individual, then merged loss": Stages(alone, MergedLoss(BRANCHES)),
    }
    return {
        "individual": Arm(alone, selected_by="own"),
        "individual, selected by system": Arm(alone),
        "multi-task loop by hand": Arm(ByHand(multi_task)),
        **{name: Arm(pattern) for name, pattern in merged.items()},
    }


def _alternating(trunk_every: int) -> AlternatingEndLoss:
    return AlternatingEndLoss(BRANCHES, order="branches", trunk_every=trunk_every)
