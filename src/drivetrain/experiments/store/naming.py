"""What people call things: ``last``, ``perception:3``, ``perception:production``, ``camera:2``, a name, a digest."""

from __future__ import annotations

from collections.abc import Callable

from drivetrain.errors import UnknownVersionError, listed
from drivetrain.experiments.store.rooms import Rooms
from drivetrain.experiments.store.runs import RunRecord
from drivetrain.experiments.versions.version import ComponentVersion, DataSet, SystemVersion

Named = SystemVersion | ComponentVersion | RunRecord | DataSet

HOW = "a run: last, 3f9a21; a system version: perception:3, perception:production; a model: camera:2; a data set: NAME"


def named(store: Rooms, name: str) -> Named:
    """The thing of that name: a system version before a model, a model before a data set, a data set before a run.

    A system alone means its newest version. ``system:``, ``model:``, ``data:`` and ``run:`` before a name say which
    kind is meant.

    Raises:
        UnknownVersionError: there is none; the message says what could be named.
    """
    kind, _, rest = name.partition(":")
    if kind in _KINDS and rest:
        return _KINDS[kind](store, rest)
    for find in _KINDS.values():
        try:
            return find(store, name)
        except UnknownVersionError:
            continue
    systems = store.systems.names()
    if _parted(name)[0] in systems:
        system_version(store, name)  # it says which versions there are
    raise UnknownVersionError(
        f"nothing is called '{name}' in {store.database.place}; what can be named: {HOW}. "
        f"Systems: {listed(systems, 'none yet')}"
    )


def system_version(store: Rooms, name: str) -> SystemVersion:
    """A version as ``perception:3`` names it; with one system in the store the number alone is enough.

    Raises:
        UnknownVersionError: there is no such system or version; the message says what there is.
    """
    systems = store.systems.names()
    if name in systems:
        return store.systems.newest(name)
    word, version = _parted(name)
    if not word and len(systems) == 1:
        word = systems[0]
    if word in systems:
        return store.systems.get(word, version)
    if len(version) >= 6:
        found = [each for system in systems for each in _begun(store, system, version)]
        if len(found) == 1 and not word:
            return found[0]
    raise UnknownVersionError(
        f"no system version '{name}' in {store.database.place}; write one of: "
        f"{listed((f'{each}:1' for each in systems), 'nothing yet, the store holds no system')}"
    )


def _begun(store: Rooms, system: str, digest: str) -> list[SystemVersion]:
    try:
        found = store.systems.get(system, digest)
    except UnknownVersionError:
        return []
    return [found] if found.digest.startswith(digest) else []


def _model(store: Rooms, name: str) -> ComponentVersion:
    return store.components.get(name)


def _data(store: Rooms, name: str) -> DataSet:
    return store.data.get(name)


def _run(store: Rooms, name: str) -> RunRecord:
    return store.runs.get(name)


_KINDS: dict[str, Callable[[Rooms, str], Named]] = {
    "system": system_version,
    "model": _model,
    "data": _data,
    "run": _run,
}


def _parted(name: str) -> tuple[str, str]:
    """``perception:3`` in two; a component's name may hold a dot, never a colon."""
    for separator in (":", "@", " "):
        word, found, version = name.rpartition(separator)
        if found:
            return word.strip(), version.strip()
    return "", name
