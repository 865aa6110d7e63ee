"""Drivetrain: engineer systems of several machine-learning models as one thing."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from drivetrain.components import component
from drivetrain.data import Labels, annotated
from drivetrain.evaluation import Metric, evaluate
from drivetrain.gradients import differentiable, relaxed
from drivetrain.graph import System, system
from drivetrain.training import fit

if TYPE_CHECKING:
    from drivetrain.experiments import Experiment, select
    from drivetrain.mining.scan import scan

__all__ = [
    "Experiment",
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
    "select",
    "system",
]

_LATER = {
    "Experiment": "drivetrain.experiments", "scan": "drivetrain.mining.scan", "select": "drivetrain.experiments",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Some come when they are asked for: who trains a system needs no database and reads no repositories."""
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module 'drivetrain' has no attribute {name!r}")
