"""Drivetrain: engineer systems of several machine-learning models as one thing."""

from typing import TYPE_CHECKING, Any

from drivetrain.components import component
from drivetrain.data import Labels, annotated
from drivetrain.evaluation import Metric, evaluate
from drivetrain.gradients import differentiable, relaxed
from drivetrain.graph import System, system
from drivetrain.training import fit

if TYPE_CHECKING:
    from drivetrain.mining.scan import scan

__all__ = [
    "Labels",
    "Metric",
    "System",
    "annotated",
    "component",
    "differentiable",
    "evaluate",
    "fit",
    "relaxed",
    "scan",
    "system",
]


def __getattr__(name: str) -> Any:
    """``scan`` comes when it is asked for: who trains a system reads no repositories."""
    if name == "scan":
        from drivetrain.mining.scan import scan

        return scan
    raise AttributeError(f"module 'drivetrain' has no attribute {name!r}")
