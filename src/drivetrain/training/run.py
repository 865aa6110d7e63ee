"""One run: a call of ``fit`` with all that was given to it, opened and checked."""

from __future__ import annotations

from dataclasses import dataclass, field

from drivetrain.data import Ledger, Opened
from drivetrain.graph import System
from drivetrain.training.base import TrainingPattern
from drivetrain.training.measuring import Gauge
from drivetrain.training.place import Place
from drivetrain.training.protection import Protection
from drivetrain.training.settings import Settings


@dataclass
class Run:
    """What every stage of a training shares.

    Attributes:
        system: what is trained.
        patterns: one per stage.
        data: what it learns from.
        validation: what chooses the weights, where there is any.
        gauge: measures the system before, between and after.
        settings: how it is trained.
        place: where.
        plan: what a checkpoint must agree with.
        ledger: what the labels that were used cost.
        at_home: measures the system on the training data, where that can be read without moving its order.
        protection: what must not become worse.
    """

    system: System
    patterns: tuple[TrainingPattern, ...]
    data: Opened
    validation: Opened | None
    gauge: Gauge
    settings: Settings
    place: Place
    plan: str
    ledger: Ledger = field(default_factory=Ledger)
    at_home: Gauge | None = None
    protection: Protection = field(default_factory=Protection)
