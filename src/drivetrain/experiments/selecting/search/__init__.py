"""Strategies for the best combination: which combinations to evaluate next, given what was found."""

from drivetrain.experiments.selecting.search.base import Space, Strategy
from drivetrain.experiments.selecting.search.coordinate import Coordinate
from drivetrain.experiments.selecting.search.exhaustive import Exhaustive
from drivetrain.experiments.selecting.search.interactions import Interactions
from drivetrain.experiments.selecting.search.optuna import Optuna
from drivetrain.experiments.selecting.search.random import Random

__all__ = ["Coordinate", "Exhaustive", "Interactions", "Optuna", "Random", "Space", "Strategy"]
