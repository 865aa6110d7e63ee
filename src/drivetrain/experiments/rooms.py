"""The rooms of a store, as those ask them who read in several at once: names, and what has become stale."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from drivetrain.experiments.component_versions import ComponentVersions
from drivetrain.experiments.contexts import Contexts
from drivetrain.experiments.data_sets import DataSets
from drivetrain.experiments.database import Database
from drivetrain.experiments.evaluations import Evaluations
from drivetrain.experiments.runs import Runs
from drivetrain.experiments.system_versions import SystemVersions


@runtime_checkable
class Rooms(Protocol):
    """What a reader of several rooms needs of a store; a ``Store`` has them, and more."""

    database: Database
    components: ComponentVersions
    systems: SystemVersions
    evaluations: Evaluations
    data: DataSets
    runs: Runs
    contexts: Contexts
