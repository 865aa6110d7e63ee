"""The comparison of the listener: how it is trained, chosen and judged."""

from __future__ import annotations

from typing import Any

import torch

from drivetrain import System
from drivetrain.training import AlternatingEndLoss, Individual, PartialEndLoss, SimultaneousEndLoss, Stages
from examples.protocol import Arm, Case, Splits

from .clips import clips
from .losses import END, OWN, SCORES, answer_loss, both_right, speech_loss, voice_loss
from .pretrained import missing
from .recordings import louder, recordings
from .segment import segment
from .system import build

THRESHOLDS = (0.3, 0.5, 0.7)
ALONE = (
    Individual({"speech": speech_loss, "voice": voice_loss}),
    Individual({"answer": answer_loss}, inputs="system"),  # no truth of a voice exists that could stand in for it
)
END_LOSS = {
    "partial: detector": PartialEndLoss("detector", answer_loss),
    "partial: encoder": PartialEndLoss("encoder", answer_loss),
    "simultaneous": SimultaneousEndLoss(answer_loss),
    "alternating": AlternatingEndLoss(answer_loss),
}
ARMS = {
    "individual": Arm(Stages(*ALONE), selected_by="own"),
    "individual, selected by system": Arm(Stages(*ALONE)),
    "partial: reader": Arm(PartialEndLoss("reader", answer_loss)),
    "simultaneous": Arm(END_LOSS["simultaneous"]),
    "alternating": Arm(END_LOSS["alternating"]),
    **{f"individual, then {name}": Arm(Stages(*ALONE, pattern)) for name, pattern in END_LOSS.items()},
}


def data(seed: int, labels: str) -> Splits:
    """The recordings of a seed."""
    return Splits(*recordings(seed))


@torch.no_grad()
def tune(system: System, validation: Any) -> tuple[System, dict[str, float]]:
    """The detector's threshold that validation likes best; the models before it run once."""
    rows, modes = validation.data, {name: module.training for name, module in system.named_modules()}
    system.eval()
    speech = system.component("detector")(rows["recording"])
    best: tuple[System, dict[str, float], float] = (system, {}, -1.0)
    for threshold in THRESHOLDS:
        found = system.replace(segment=segment(threshold)).eval()
        utterance = found.component("segment")(speech, rows["recording"])
        answer = found.component("reader")(found.component("encoder")(utterance))
        value = float(both_right(answer, rows["answer"]).float().mean())
        best = (found, {"threshold": threshold}, value) if value > best[2] else best
    for name, module in system.named_modules():
        module.training = modes[name]
    return best[0], best[1]


def speech() -> Case:
    """The case, with a head that says what was really read."""
    said = [clips()[1]] + [f"Weights of {name} are not installed: that model starts at random." for name in missing()]
    said.append(
        "Six speakers, the same in training and test, are the independent units; that is few, and says nothing of "
        "new ones. Labels projected from the end labels do not apply: digit and speaker do not tell when one spoke. "
        "A voice has no truth that could stand in for it, so the reader learns in context in every arm."
    )
    return Case(
        "listener", build, data, ARMS, END, SCORES, OWN, unit="speaker", tune=tune,
        corruptions={"more hiss": louder}, epochs=12, every=3, rates=(1e-3, 3e-3), about=" ".join(said),
    )  # fmt: skip
