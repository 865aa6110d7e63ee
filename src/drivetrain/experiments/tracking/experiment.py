"""``Experiment``: runs made to answer one question, recorded with all that ``fit`` knows; versions are restorable."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from drivetrain.errors import StoreError
from drivetrain.evaluation import EvaluationReport
from drivetrain.experiments.store import Store
from drivetrain.experiments.store.naming import system_version
from drivetrain.experiments.tracking.recorder import Recorder
from drivetrain.experiments.tracking.snapshot import restored, store_system
from drivetrain.experiments.tracking.stored import stored_candidates
from drivetrain.experiments.versions.candidates import Candidates
from drivetrain.experiments.versions.version import Evaluation, SystemVersion
from drivetrain.graph import System


class Experiment:
    """Runs that were made to answer one question.

    Args:
        name: the question, or what it is about: ``"race-car"``.
        store: a file or database URL, or a ``Store``; None takes $DRIVETRAIN_STORE, else ``drivetrain.db`` here.
        mlflow: mirror each run into MLflow: True into $MLFLOW_TRACKING_URI, else into the same
            database; a tracking URI elsewhere, False not at all.

    Example:
        >>> from drivetrain import fit  # doctest: +SKIP
        >>> with Experiment("race-car").run(perception) as run:  # doctest: +SKIP
        ...     fit(perception, train, SimultaneousEndLoss(cone_loss), epochs=10, callbacks=[run])
        >>> Experiment("race-car").restore(run.version)  # doctest: +SKIP
    """

    def __init__(self, name: str, store: Store | str | Path | None = None, *, mlflow: bool | str = True) -> None:
        self.name, self.mlflow = name, mlflow
        self.store = store if isinstance(store, Store) else Store(store)

    def run(
        self,
        system: System,
        *,
        name: str | None = None,
        place: str | None = None,
        data: str | None = None,
        validation: str | None = None,
    ) -> Recorder:
        """A callback that records a ``fit`` of the system; as a context it also closes what was left open.

        Args:
            system: what will be trained.
            name: under which it is known; its own name if None.
            place: where its diagram is declared, MODULE:NAME; looked for if None.
            data: what people call the training data; a newer data set of that name makes what learned from it stale.
            validation: the same for the validation data.
        """
        told = {use: called for use, called in (("training", data), ("validation", validation)) if called}
        return Recorder(self.store, self.name, name or system.name, place or place_of(system), self.mlflow, told)

    def register(self, system: System, *, name: str | None = None) -> SystemVersion:
        """The version that a system is now, stored with all its weights; the same tuple is the same version."""
        return store_system(self.store, system, name or system.name, place=place_of(system))

    def record(
        self, system: System, report: EvaluationReport | Mapping[str, float], *, data: str = "",
        name: str | None = None, seconds: float | None = None,
    ) -> SystemVersion:  # fmt: skip
        """Keep what ``evaluate`` answered about a system, under the version that it is now.

        Args:
            system: what was measured.
            report: what ``evaluate`` answered, or values by metric.
            data: the digest or name of the data set.
            name: under which the system is known.
            seconds: what measuring took.
        """
        version = self.register(system, name=name)
        results = _evaluations(report, data, seconds)
        self.store.evaluations.record(version.system, version.pins, results, glue=version.glue)
        return version

    def restore(self, version: SystemVersion | int | str, system: System | None = None) -> System:
        """The system of a version, running: its diagram from the code, its weights from the store.

        Args:
            version: itself, its number or digest, or what it is promoted to; with several systems in the store, the
                version itself or ``"perception:3"``.
            system: put the weights into this one, in place; None imports it from where it was declared.

        Raises:
            UnknownVersionError: there is no such version.
            StoreError: the models of the system do not fit it, or nobody knows where it was declared.
        """
        found = self.version(version, system)
        if system is None:
            system = declared(self.store.systems.place(found.system), found)
        system, changed = restored(self.store, found, system)
        if changed:
            warnings.warn(
                f"{found} runs on other code than it was made with: {', '.join(changed)}; what was measured on it "
                f"may not hold. Its runs say at which commit they were made: drivetrain runs show",
                stacklevel=2,
            )
        return system

    def candidates(self, system: System, slots: Sequence[str] = (), *, also: Sequence[System] = ()) -> Candidates:
        """What the runs left in the store, for ``select``: the versions of a system's models, called by their numbers.

        Args:
            system: as it is declared now; its models take the weights.
            slots: which models may vary; all of which more than one version is stored unless said otherwise.
            also: the same system with other models in its slots, ``perception.replace(camera=wider)``, for the versions
                that were trained of those; what fits none that is handed over is passed over with a warning.

        Raises:
            UnknownNameError: a system has no such component.
            StoreError: nothing is stored that could be combined.

        Example:
            >>> experiment = Experiment("race-car")  # doctest: +SKIP
            >>> select(experiment.candidates(perception), validation, cone_f1, experiment=experiment)  # doctest: +SKIP
        """
        return stored_candidates(system, self.store, slots, also)

    def version(self, version: SystemVersion | int | str, system: System | None = None) -> SystemVersion:
        """A version as people call it."""
        if isinstance(version, SystemVersion):
            return version
        if system is not None and system.name in self.store.systems.names() and str(version).isalnum():
            return self.store.systems.get(system.name, version)
        return system_version(self.store, str(version))


_MAIN = ("__main__", "__mp_main__")  # a script is no module that another process could import


def place_of(system: System) -> str | None:
    """Where a module of the user's own holds a system: ``MODULE:NAME``; None where none does."""
    for module_name, module in list(sys.modules.items()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is system and not name.startswith("_") and module_name not in _MAIN:
                return f"{module_name}:{name}"
    return None


def declared(place: str | None, version: SystemVersion) -> System:
    """The system that stands at a place, ``MODULE:NAME``.

    Raises:
        StoreError: nobody knows the place, or there is no system.
    """
    if place is None:
        raise StoreError(f"where {version.system} is declared was not recorded: hand it over, restore(version, system)")
    module, _, name = place.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise StoreError(f"{version.system} was declared at {place}, which is not there now: {error}") from error
    made = found if isinstance(found, System) else found() if callable(found) else found
    if not isinstance(made, System):
        raise StoreError(f"{version.system} was declared at {place}, which is a {type(made).__name__} now")
    return made


def _evaluations(report: EvaluationReport | Mapping[str, float], data: str, seconds: float | None) -> list[Evaluation]:
    if not isinstance(report, EvaluationReport):
        return [Evaluation(metric, float(value), data=data, seconds=seconds) for metric, value in report.items()]
    found = []
    for name, estimate in report.items():
        measured = report.metrics[name]
        low, high = (estimate.low, estimate.high) if estimate.has_interval else (None, None)
        found.append(Evaluation(
            measured.name, estimate.value, measured.edge, low, high, estimate.units or estimate.n, data,
            measured.higher_is_better, seconds=seconds,
        ))  # fmt: skip
    return found
