"""Gradients for glue code that has none: relaxations by hand, and estimators that need nothing from the user."""

from drivetrain.gradients.automatic import Automatic
from drivetrain.gradients.base import AbstractEstimator, Call, DifferentiableComponent
from drivetrain.gradients.differentiable import differentiable
from drivetrain.gradients.expected import Expected
from drivetrain.gradients.finite_differences import FiniteDifferences
from drivetrain.gradients.gradient_report import GradientReport, gradient_report
from drivetrain.gradients.imle import IMLE
from drivetrain.gradients.noticed import Noticed
from drivetrain.gradients.perturbed import Perturbed
from drivetrain.gradients.relaxed import RelaxedComponent, relaxed
from drivetrain.gradients.score_function import ScoreFunction
from drivetrain.gradients.spsa import SPSA
from drivetrain.gradients.straight_through import StraightThrough
from drivetrain.gradients.surrogate import Surrogate

__all__ = [
    "IMLE",
    "SPSA",
    "AbstractEstimator",
    "Automatic",
    "Call",
    "DifferentiableComponent",
    "Expected",
    "FiniteDifferences",
    "GradientReport",
    "Noticed",
    "Perturbed",
    "RelaxedComponent",
    "ScoreFunction",
    "StraightThrough",
    "Surrogate",
    "differentiable",
    "gradient_report",
    "relaxed",
]
