"""Experiments with systems: versions, lineage, the best combination; and engines for many runs."""

from drivetrain.experiments.candidates import Candidates
from drivetrain.experiments.experiment import Experiment
from drivetrain.experiments.selection import select
from drivetrain.experiments.store import Store
from drivetrain.experiments.sweeping import Swept, sweep

__all__ = ["Candidates", "Experiment", "Store", "Swept", "select", "sweep"]
