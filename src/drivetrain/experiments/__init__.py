"""Experiments with systems: versions, lineage, the best combination; and engines for many runs."""

from drivetrain.experiments.candidates import Candidates
from drivetrain.experiments.selection import select

__all__ = ["Candidates", "select"]
