"""Experiments with systems: versions, lineage, the best combination; and engines for many runs."""

from drivetrain.experiments.selecting.selection import select
from drivetrain.experiments.store import Store
from drivetrain.experiments.sweeping import Swept, sweep
from drivetrain.experiments.tracking.experiment import Experiment
from drivetrain.experiments.versions.candidates import Candidates

__all__ = ["Candidates", "Experiment", "Store", "Swept", "select", "sweep"]
