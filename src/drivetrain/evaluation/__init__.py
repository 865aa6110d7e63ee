"""``evaluate``: a number with an interval, per edge."""

from drivetrain.evaluation.evaluate import EvaluationReport, evaluate
from drivetrain.evaluation.metrics import Metric, metrics_by_edge
from drivetrain.evaluation.statistics import Difference, Estimate, estimate, paired_difference
from drivetrain.evaluation.swapping import Swap, SwapReport, co_adaptation
from drivetrain.evaluation.tally import Rows, Tally

__all__ = [
    "Difference",
    "Estimate",
    "EvaluationReport",
    "Metric",
    "Rows",
    "Swap",
    "SwapReport",
    "Tally",
    "co_adaptation",
    "estimate",
    "evaluate",
    "metrics_by_edge",
    "paired_difference",
]
