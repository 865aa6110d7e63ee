"""Hyper-parameters of several models, searched towards what the system shall do."""

from drivetrain.experiments.sweeping.spaces import Swept
from drivetrain.experiments.sweeping.sweep import sweep
from drivetrain.experiments.sweeping.sweep_report import SweepReport

__all__ = ["SweepReport", "Swept", "sweep"]
