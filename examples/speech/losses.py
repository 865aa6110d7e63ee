"""What is minimised and what is measured: speech by window, voices by speaker, and the answer."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from drivetrain import Metric


def speech_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Binary cross entropy over windows [batch, windows]."""
    return F.binary_cross_entropy_with_logits(logits, truth)


def voice_loss(voice: Tensor, speaker: Tensor) -> Tensor:
    """Each voice should be nearer to the mean of its own speaker's others than to those of other speakers.

    GE2E's softmax over centroids, own voice left out of its own (Wan et al. 2018, eq. 6 and 8), at a fixed scale of 10.
    voice: unit vectors [batch, 256]; speaker: [batch].
    """
    members = F.one_hot(speaker).to(voice)
    sums, counts = members.T @ voice, members.sum(0)
    scores = 10 * voice @ F.normalize(sums, dim=1).T
    alone = F.normalize(sums[speaker] - voice, dim=1)
    scores = torch.where(members.bool(), 10 * (voice * alone).sum(1, keepdim=True), scores)
    scores = scores.masked_fill(counts == 0, -1e4)
    return F.cross_entropy(scores, speaker)


def answer_loss(answer: dict[str, Tensor], truth: dict[str, Tensor]) -> dict[str, Tensor]:
    """The end loss in two terms: the digit and the speaker."""
    return {name: F.cross_entropy(answer[name], truth[name]) for name in ("digit", "speaker")}


def both_right(answer: dict[str, Tensor], truth: dict[str, Tensor]) -> Tensor:
    """Is the digit right, and the speaker too."""
    return digit_right(answer, truth) & speaker_right(answer, truth)


def digit_right(answer: dict[str, Tensor], truth: dict[str, Tensor]) -> Tensor:
    """Is the digit right."""
    return answer["digit"].argmax(1) == truth["digit"]


def speaker_right(answer: dict[str, Tensor], truth: dict[str, Tensor]) -> Tensor:
    """Is the speaker right."""
    return answer["speaker"].argmax(1) == truth["speaker"]


def speech_f1(logits: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """F1 over windows."""
    found, true = logits > 0, truth > 0.5
    return 2 * (found & true).sum(1), found.sum(1) + true.sum(1)


def nearest_is_same(voice: Tensor, speaker: Tensor) -> Tensor:
    """Does the nearest other voice of the batch belong to the same speaker."""
    likeness = voice @ voice.T
    likeness.fill_diagonal_(-1)
    return speaker[likeness.argmax(1)] == speaker


END = Metric(both_right, "answer", name="digit and speaker right")
SCORES = {"digit": Metric(digit_right, "answer"), "speaker": Metric(speaker_right, "answer")}
OWN = {
    "speech": Metric(speech_f1, "speech", name="F1 of windows"),
    "voice": Metric(nearest_is_same, "voice", name="nearest is same speaker"),
}
