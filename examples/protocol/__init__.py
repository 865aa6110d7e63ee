"""The protocol of evidence for any system: arms from one start, equal tuning, one look at the test data, intervals."""

from .by_hand import Budget, ByHand
from .case import Arm, Case, Splits

__all__ = ["Arm", "Budget", "ByHand", "Case", "Splits"]
