"""The comparison on the fork: how it is trained, chosen and judged."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from drivetrain import System, evaluate
from drivetrain.data import Annotated
from drivetrain.training import AlternatingEndLoss, FederatedMerge, MergedLoss, PartialEndLoss
from examples.protocol import Arm, Case, Splits

from .losses import scene_loss
from .metrics import CHOOSING, LIGHTS, RECALL, SIGNS, right_at_place
from .pictures import collection
from .samples import Sample, Scenes, alone, judged, together
from .start import EPOCHS, build, individually
from .system import light_reporter, over, sign_reporter, soft_lights, soft_signs

THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6)
BRANCHES = {"lights": scene_loss, "signs": scene_loss}
END = "end"  # the word for data with end labels


def arms() -> dict[str, Arm]:
    """Every pattern for forks beside more individual training, from one start, at equal readings of the data."""
    from torchjd.aggregation import UPGrad

    end = {
        "partial: detector": PartialEndLoss("detector", BRANCHES),
        "partial: lamp": PartialEndLoss("lamp", {"lights": scene_loss}),
        "partial: plate": PartialEndLoss("plate", {"signs": scene_loss}),
        "merged loss": MergedLoss(BRANCHES),
        "merged loss, UPGrad": MergedLoss(BRANCHES, aggregator=UPGrad()),
        "alternating over models": AlternatingEndLoss(BRANCHES),
        "alternating over branches": AlternatingEndLoss(BRANCHES, order="branches"),
        "federated merge": FederatedMerge(BRANCHES, rounds=2),
    }
    return {
        "individual": Arm(individually(), selected_by="own"),
        "individual, selected by system": Arm(individually()),
        "individual, detector for recall": Arm(individually(recall=4.0)),
        **{name: Arm(pattern, labels=END) for name, pattern in end.items()},
    }


def data(seed: int, labels: str) -> Splits:
    """Training data by each model's truth or with end labels alone; validation and test with all that was labelled."""
    found = collection()
    train = together(found.train) if labels == END else alone(found.train, seed)
    return Splits(train, judged(found.valid), Scenes(found.test, found.places.tolist()))


@torch.no_grad()
def tune(system: System, validation: Annotated) -> tuple[System, dict[str, float]]:
    """The threshold of each branch that validation likes best; the models before it run once."""
    scenes: Scenes = validation.data
    modes = {name: module.training for name, module in system.named_modules()}
    system.eval()
    soft: dict[str, list[Tensor]] = {"lights": [], "signs": []}
    for first in range(0, len(scenes), 32):
        rows = [scenes[place] for place in range(first, min(first + 32, len(scenes)))]
        picture = torch.stack([row["picture"] for row in rows])
        spots, lamps, plates = system.component("crop")(system.component("detector")(picture), picture)
        soft["lights"] += soft_lights(spots, system.component("lamp")(lamps))
        soft["signs"] += soft_signs(spots, system.component("plate")(plates))
    for name, module in system.named_modules():
        module.training = modes[name]
    best = {family: _best(torch.stack(found), scenes, family) for family, found in soft.items()}
    tuned = system.replace(light_report=light_reporter(best["lights"]), sign_report=sign_reporter(best["signs"]))
    return tuned, best


def _best(soft: Tensor, scenes: Scenes, family: str) -> float:
    having = [place for place, picture in enumerate(scenes.pictures) if family in picture.boxes]
    truth = [torch.from_numpy(scenes.pictures[place].boxes[family]) for place in having]

    def score(threshold: float) -> float:
        right, number = right_at_place(over(soft[having], threshold), truth)
        return float(right.sum() / number.sum().clamp(min=1))

    return max(THRESHOLDS, key=score)


def fork() -> Case:
    """The case; its end metric is the F1 over both branches together."""
    about = (
        f"{collection().about} Test pictures that look alike are one place, and places are the independent units. "
        f"Every arm goes on from the same fork, whose models were trained individually for {EPOCHS} readings of the "
        "data; their labels are not counted again. Each seed has such a fork of its own. Epochs are chosen on "
        "validation by the F1 pooled over several thresholds, since the reports' thresholds are only tuned "
        "afterwards. Inner truths are no other labels than those of the "
        "end: a box with a class is where to look and what to read, so that individual training with labels projected "
        "from the end is individual training. With fixed weights merged loss is simultaneous training. Readers have no "
        "metric of their own: selected by own means the detector by its recall and the rest as the others. Gaps are of "
        "training pictures less validation pictures, each in its metric."
    )
    return Case(
        "street", build, data, arms(), (LIGHTS, SIGNS), {"lights": LIGHTS, "signs": SIGNS, RECALL.name: RECALL},
        {"map": RECALL}, unit="place", tune=tune, also=gaps,
        corruptions={"dusk": dusk, "pictures with both": with_both},
        epochs=8, batch_size=16, rates=(3e-4,), about=about, choosing=CHOOSING,
    )  # fmt: skip


class Dusk(Scenes):
    """The same pictures with a third of the light, and noise."""

    def __init__(self, scenes: Scenes, seed: int) -> None:
        super().__init__(scenes.pictures, scenes.places)
        self.seed = seed

    def __getitem__(self, index: int) -> Sample:
        row = super().__getitem__(index)
        drawing = torch.Generator().manual_seed(self.seed * 100_003 + index)
        dim = row["picture"].float() / 3 + 8 * torch.randn(row["picture"].shape, generator=drawing)
        return {**row, "picture": dim.clamp(0, 255).to(torch.uint8)}


def gaps(system: System, splits: Splits, seed: int) -> dict[str, float]:
    """How much better trunk and branches are on two hundred training pictures, as they are, than on validation."""
    pictures = collection().train
    order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed))[:200]
    seen = Scenes([pictures[place] for place in order.tolist()])
    metrics = {metric.edge: metric for metric in (RECALL, LIGHTS, SIGNS)}
    home, away = (evaluate(system, part, metrics, show_progress=False) for part in (seen, splits.validation))
    return {f"gap of {edge}": home[str(edge)].value - away[str(edge)].value for edge in metrics}


def dusk(test: Any, seed: int) -> Scenes:
    """The corruption."""
    return Dusk(test, seed)


def with_both(test: Any, seed: int) -> Scenes:
    """Only those pictures in which both families are labelled, so that the origin does not tell the branch."""
    kept = [place for place, picture in enumerate(test.pictures) if len(picture.boxes) == 2]
    return Scenes([test.pictures[place] for place in kept], [test.places[place] for place in kept])
