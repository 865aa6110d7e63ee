"""Candidates out of a store: every version that ever stood in a slot, put into the system as it is declared now."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from drivetrain.errors import StoreError, listed
from drivetrain.experiments.store import Store
from drivetrain.experiments.tracking.snapshot import load_weights
from drivetrain.experiments.versions.candidates import Candidates
from drivetrain.graph import Component, System


def stored_candidates(system: System, store: Store, slots: Sequence[str] = ()) -> Candidates:
    """The versions of a system's models in a store as candidates, called by their numbers: ``"1"``, ``"2"``.

    Versions of which only a fingerprint was kept (a model before its training) are passed over.

    Args:
        system: as it is declared now; its models take the weights.
        store: where runs, or earlier selections, left versions under the system's name.
        slots: which models may vary; all of which more than one version is stored unless said otherwise.

    Raises:
        UnknownNameError: the system has no such component.
        StoreError: nothing is stored that could be combined, or a version does not fit the code as it is now.
    """
    for slot in slots:
        system.component(slot)
    kept = {slot: _versions(system, store, slot) for slot in slots or system.models}
    found = {slot: versions for slot, versions in kept.items() if versions and (slots or len(versions) > 1)}
    if empty := [slot for slot in slots if slot not in found]:
        raise StoreError(f"no version of {listed(empty)} with its weights is in {store.database.place}; {_HOW}")
    if not found:
        counts = ", ".join(f"{slot} {len(versions)}" for slot, versions in kept.items())
        raise StoreError(
            f"no model of '{system.name}' has two versions in {store.database.place} (found: {counts}); {_HOW}"
        )
    return Candidates(system, found)


_HOW = "train some and record them: fit(..., callbacks=[run]) with Experiment(NAME).run(system) as run"


def _versions(system: System, store: Store, slot: str) -> dict[str, Component]:
    place = system.component(slot)
    made = {}
    for version in store.components.in_slot(system.name, slot):
        if version.weights is None:
            continue
        model = copy.deepcopy(place)
        load_weights(model, store.components.weights(version), version)
        made[str(version.number) if version.name == slot else str(version)] = model
    return made
