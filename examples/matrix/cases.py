"""One case a system, found by its words: ``examples.matrix.cases:join__torch__exact``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from torch import Tensor

from drivetrain import Metric
from drivetrain.training import (
    AlternatingEndLoss,
    FederatedMerge,
    Individual,
    MergedLoss,
    PartialEndLoss,
    SimultaneousEndLoss,
)
from examples.protocol import Arm, Case

from .systems import LOSSES, MIXES, Mix, build
from .worlds import INTEGRATIONS, KINDS, Integration, Kind, world

ENDS: dict[Integration, tuple[str, ...]] = {"sequential": ("y",), "join": ("y",), "fork": ("a", "b")}
UPSTREAM: dict[Integration, str] = {"sequential": "encoder", "join": "camera", "fork": "trunk"}
DOWNSTREAM: dict[Integration, str] = {"sequential": "reader", "join": "judge", "fork": "lights"}
RATE, EPOCHS, BATCH, MARGIN = 5e-3, 10, 20, 0.02


def right(probabilities: Tensor, truth: Tensor) -> Tensor:
    """Is the likeliest class the true one."""
    return probabilities.argmax(1) == truth


def distance(numbers: Tensor, truth: Tensor) -> Tensor:
    """Squared error of a sample."""
    return (numbers - truth.to(numbers)).square().mean(1)


def arms(integration: Integration) -> dict[str, Arm]:
    """Every training pattern, whether or not it applies: where it does not it says so itself."""
    from torchjd.aggregation import UPGrad

    end = {edge: LOSSES[integration][edge] for edge in ENDS[integration]}
    down = end if integration != "fork" else {"a": end["a"]}
    patterns = {
        "partial, upstream": PartialEndLoss(UPSTREAM[integration], end),
        "partial, downstream": PartialEndLoss(DOWNSTREAM[integration], down),
        "simultaneous": SimultaneousEndLoss(end),
        "alternating": AlternatingEndLoss(end),
        "alternating over branches": AlternatingEndLoss(end, order="branches"),
        "merged loss, UPGrad": MergedLoss(end, aggregator=UPGrad()),
        "federated merge, 5 rounds": FederatedMerge(end, rounds=5),
    }
    alone = Arm(Individual(LOSSES[integration]), selected_by="own")
    return {"individual": alone, **{name: Arm(pattern) for name, pattern in patterns.items()}}


def case(integration: Integration, mix: Mix, kind: Kind) -> Case:
    """A system with all its arms; no rate is tuned for anybody."""
    ends, inner = ENDS[integration], [edge for edge in LOSSES[integration] if edge not in ENDS[integration]]
    return Case(
        name(integration, mix, kind),
        partial(build, integration, mix, kind),
        lambda seed, labels: world(integration, kind, seed).splits,
        arms(integration),
        tuple(Metric(right, edge, name=f"{edge} right") for edge in ends),
        own={edge: Metric(distance, edge, higher_is_better=False) for edge in inner},
        epochs=EPOCHS, every=EPOCHS, batch_size=BATCH, rates=(RATE,), margin=MARGIN,
    )  # fmt: skip


def name(integration: Integration, mix: Mix, kind: Kind) -> str:
    """The word for a system, which is a name of this module."""
    return "__".join((integration, "_".join(mix.replace("-", "").split(" + ")), kind))


def systems() -> Iterator[tuple[Integration, Mix, Kind]]:
    """All of them, mix by mix, since a process loads a framework once."""
    yield from ((integration, mix, kind) for mix in MIXES for integration in INTEGRATIONS for kind in KINDS)


def __getattr__(word: str) -> Any:
    """The case of that name; a worker process finds it by this word."""
    for found in systems():
        if name(*found) == word:
            return partial(case, *found)
    raise AttributeError(f"no system {word!r}; there are: {', '.join(name(*found) for found in systems())}")
