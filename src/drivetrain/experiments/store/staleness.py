"""What of a system version is stale: trained beside versions that stand there no longer, or on data since replaced."""

from __future__ import annotations

from dataclasses import dataclass

from drivetrain.experiments.store.contexts import Context
from drivetrain.experiments.store.rooms import Rooms
from drivetrain.experiments.versions.version import ComponentVersion, DataSet, SystemVersion


@dataclass(frozen=True)
class Stale:
    """Something that no longer fits what it stands beside.

    Attributes:
        what: ``"model"`` or ``"measurement"``.
        slot: of the model; empty for a measurement.
        name: ``"lidar 3"``, ``"f1 on cones"``.
        why: in a sentence.
    """

    what: str
    slot: str
    name: str
    why: str


def stale(store: Rooms, version: SystemVersion) -> list[Stale]:
    """What of a version would have to be trained or measured again to fit what stands there now.

    A model is stale where the last training that made it ran beside other versions than those pinned now, through other
    code between the models, or read a data set that a newer one of the same name has replaced. A measurement is stale
    where that has happened to its data.
    """
    models = {slot: store.components.get(digest) for slot, digest in version.pins.items()}
    found = []
    for slot, model in models.items():
        trainings = store.contexts.all(trained=model.digest)
        if trainings:
            found += [
                Stale("model", slot, str(model), why) for why in _reasons(store, version, slot, models, trainings[-1])
            ]
    for each in store.evaluations.of(version):
        newer = _successor(store, each.data)
        if newer is not None:
            name = f"{each.metric} on {each.edge}" if each.edge else each.metric
            why = f"it was measured on {newer.name} {each.data[:8]}, of which {newer.digest[:8]} is the newest"
            found.append(Stale("measurement", "", name, why))
    return found


def _reasons(
    store: Rooms, version: SystemVersion, slot: str, models: dict[str, ComponentVersion], training: Context
) -> list[str]:
    why = []
    for member in training.members:
        now = version.pins.get(member.slot)
        beside = member.role == "frozen" or (member.role == "trained" and member.slot != slot)
        if training.inputs == "system" and beside and now is not None and now != member.component:
            then = store.components.get(member.component)
            how = "on the frozen answers of" if member.role == "frozen" else "together with"
            why.append(f"it was trained {how} {then}; {models[member.slot]} stands there now")
    if training.inputs == "system" and (changed := _changed_code(store, version, training)):
        why.append(f"it was trained through other code between the models: {', '.join(changed)}")
    for digest, use in training.data:
        newer = _successor(store, digest)
        if newer is not None:
            why.append(
                f"it was trained with {newer.name} {digest[:8]} for {use}, of which {newer.digest[:8]} is the newest"
            )
    return why


def _changed_code(store: Rooms, version: SystemVersion, training: Context) -> list[str]:
    run = store.runs.get(training.run)
    if run.start is None or run.system != version.system:
        return []
    start = store.systems.get(run.system, run.start)
    if start.glue == version.glue:
        return []
    then, now = store.systems.glue(start.glue), store.systems.glue(version.glue)
    return sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name)) or ["unknown"]


def _successor(store: Rooms, digest: str) -> DataSet | None:
    """The newest data set of the same name, where this one is not it; data without a name has no successor."""
    known = {each.digest: each for each in store.data.all()}
    name = known[digest].name if digest in known else ""
    if not name:
        return None
    newest = [each for each in known.values() if each.name == name][-1]
    return newest if newest.digest != digest else None
