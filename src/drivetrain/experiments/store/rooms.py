"""The rooms of a store, as those ask them who read in several at once: names, and what has become stale."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from drivetrain.experiments.store.component_versions import ComponentVersions
from drivetrain.experiments.store.contexts import Contexts
from drivetrain.experiments.store.data_sets import DataSets
from drivetrain.experiments.store.database import Database
from drivetrain.experiments.store.evaluations import Evaluations
from drivetrain.experiments.store.runs import Runs
from drivetrain.experiments.store.system_versions import SystemVersions


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
