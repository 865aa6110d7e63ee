"""Training patterns, and ``fit``, which trains a system by one of them."""

from drivetrain.training.alternating_end_loss import AlternatingEndLoss
from drivetrain.training.base import State, Track, TrainingPattern
from drivetrain.training.federated_merge import FederatedMerge
from drivetrain.training.fit import fit
from drivetrain.training.fit_report import FitReport
from drivetrain.training.individual import Individual
from drivetrain.training.losses import Loss
from drivetrain.training.merged_loss import MergedLoss
from drivetrain.training.merging import TaskArithmetic
from drivetrain.training.optimizers import EveryIteration
from drivetrain.training.partial_end_loss import PartialEndLoss
from drivetrain.training.simultaneous_end_loss import SimultaneousEndLoss
from drivetrain.training.stages import Stages

__all__ = [
    "AlternatingEndLoss",
    "EveryIteration",
    "FederatedMerge",
    "FitReport",
    "Individual",
    "Loss",
    "MergedLoss",
    "PartialEndLoss",
    "SimultaneousEndLoss",
    "Stages",
    "State",
    "TaskArithmetic",
    "Track",
    "TrainingPattern",
    "fit",
]
