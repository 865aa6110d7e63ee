"""Settings whose system names a class: one loss, one judge, and one peer for all of them."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from benchmarks.scikit_learn.families import classifier
from benchmarks.scikit_learn.setting import Setting, hits


class Naming(Setting):
    """The output scores classes; judged by the share that is named rightly."""

    def loss(self, prediction: Tensor, truth: Tensor) -> Tensor:
        return F.cross_entropy(prediction, truth)

    def judge(self, prediction: Tensor, truth: Tensor, threshold: float) -> Tensor:
        return hits(prediction, truth)

    def one_model(self, family: str, seed: int) -> Any:
        return classifier(family, seed, {})
