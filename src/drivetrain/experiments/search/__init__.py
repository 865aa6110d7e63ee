"""Strategies for the best combination: which combinations to evaluate next, given what was found."""

from drivetrain.experiments.search.base import Space, Strategy
from drivetrain.experiments.search.coordinate import Coordinate
from drivetrain.experiments.search.exhaustive import Exhaustive
from drivetrain.experiments.search.interactions import Interactions
from drivetrain.experiments.search.optuna import Optuna
from drivetrain.experiments.search.random import Random

__all__ = ["Coordinate", "Exhaustive", "Interactions", "Optuna", "Random", "Space", "Strategy"]
