"""Experiments with systems: versions, lineage, the best combination; and engines for many runs."""

from drivetrain.experiments.candidates import Candidates
from drivetrain.experiments.experiment import Experiment
from drivetrain.experiments.selection import select
from drivetrain.experiments.store import Store

__all__ = ["Candidates", "Experiment", "Store", "select"]
