"""Candidates out of a store: every version that ever stood in a slot, put into the system as it is declared now."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence

from drivetrain.errors import MisfitError, StoreError, listed
from drivetrain.experiments.store import Store
from drivetrain.experiments.tracking.snapshot import code_of, load_weights
from drivetrain.experiments.versions.candidates import Candidates
from drivetrain.experiments.versions.version import ComponentVersion
from drivetrain.graph import Component, System


def stored_candidates(
    system: System, store: Store, slots: Sequence[str] = (), also: Sequence[System] = ()
) -> Candidates:
    """The versions of a system's models in a store as candidates, called by their numbers: ``"1"``, ``"2"``.

    Versions of which only a fingerprint was kept (a model before its training) are passed over; those that fit no model
    that is handed over, too, with a warning that names them.

    Args:
        system: as it is declared now; its models take the weights.
        store: where runs, or earlier selections, left versions under the system's name.
        slots: which models may vary; all of which more than one version is stored unless said otherwise.
        also: the same system with other models in its slots, for the versions that were trained of those.

    Raises:
        UnknownNameError: a system has no such component.
        StoreError: nothing is stored that could be combined.
    """
    for slot in slots:
        system.component(slot)
    places = {slot: [each.component(slot) for each in (system, *also)] for slot in slots or system.models}
    kept = {slot: _versions(system, store, slot, offered) for slot, offered in places.items()}
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


def _versions(system: System, store: Store, slot: str, places: Sequence[Component]) -> dict[str, Component]:
    codes = [code_of(place) for place in places]
    made, passed, edited = {}, [], []
    for version in store.components.in_slot(system.name, slot):
        if version.weights is None:
            continue
        content = store.components.weights(version)
        own = [place for place, code in zip(places, codes, strict=True) if code == version.code]
        model = _filled(own or places, content, version)
        if model is None:
            passed.append(str(version))
            continue
        if not own:
            edited.append(str(version))
        made[str(version.number) if version.name == slot else str(version)] = model
    if edited:
        warnings.warn(
            f"{listed(edited)} in slot '{slot}' ran on other code than the model that was handed over, and may answer "
            f"otherwise in it",
            stacklevel=4,
        )
    if passed:
        warnings.warn(
            f"passed over, because it fits no model in slot '{slot}' that was handed over: {listed(passed)}; hand over "
            f"the system that it was trained in, too: candidates(system, also=[other])",
            stacklevel=4,
        )
    return made


def _filled(places: Sequence[Component], content: bytes, version: ComponentVersion) -> Component | None:
    """A copy of the first of these models that the weights fit."""
    for place in places:
        model = copy.deepcopy(place)
        try:
            load_weights(model, content, version)
        except MisfitError:
            continue
        return model
    return None
