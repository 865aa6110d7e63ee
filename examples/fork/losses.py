"""What is minimised and what is measured, branch by branch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from drivetrain import Metric

BRANCHES = {"digit": F.cross_entropy, "side": F.cross_entropy}
EVERYTHING = {"clean": F.mse_loss, **BRANCHES}


def right(logits: Tensor, truth: Tensor) -> Tensor:
    """Is the largest logit that of the truth."""
    return logits.argmax(1) == truth


def error(clean: Tensor, truth: Tensor) -> Tensor:
    """Squared error of a picture, averaged over pixels."""
    return (clean - truth).square().mean(1)


ENDS = (Metric(right, "digit", name="digit right"), Metric(right, "side", name="side right"))
SCORES = {"digit": ENDS[0], "side": ENDS[1]}
OWN = {"clean": Metric(error, "clean", name="squared error", higher_is_better=False)}
