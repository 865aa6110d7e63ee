"""``drivetrain runs restore``, ``promote``, ``avoid`` and ``delete``: what changes which version is used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drivetrain.cli.references import load_system
from drivetrain.cli.runs.opening import AsJson, Place, opened, say
from drivetrain.errors import StoreError, UnknownVersionError, listed
from drivetrain.experiments.store.naming import system_version
from drivetrain.experiments.tracking.experiment import Experiment
from drivetrain.experiments.versions.version import ComponentVersion, SystemVersion

Version = Annotated[str, typer.Argument(metavar="SYSTEM:VERSION", help="Such as perception:3.")]


def restore(
    version: Version,
    save: Annotated[Path, typer.Option(metavar="FILE", help="Write its weights there.")],
    system: Annotated[
        str | None, typer.Option(metavar="MODULE:SYSTEM", help="Where it is declared, if that was not recorded.")
    ] = None,
    store: Place = None,
    as_json: AsJson = False,
) -> None:
    """Bring a version back: put its weights into the system as it is declared now, check that they fit, and write them.

    Code that differs from what the version was made with is named. In Python: Experiment("race-car").restore(3).

    Example:  drivetrain runs restore perception:production --save car.safetensors
              drivetrain evaluate cars:perception --weights car.safetensors --data cars:test --metric cars:cone_f1
    """
    asked = opened(store)
    found = system_version(asked, version)
    place = system or asked.systems.place(found.system)
    if place is None:
        raise StoreError(f"where {found.system} is declared was not recorded; say it: --system MODULE:SYSTEM")
    restored = Experiment("restore", asked, mlflow=False).restore(found, load_system(place))
    restored.save(save)
    facts = {
        "system": found.system,
        "version": found.number,
        "digest": found.digest,
        "declared": place,
        "weights": save,
    }
    say(facts, as_json, f"{found} is back: its weights are in {save}\ndrivetrain evaluate {place} --weights {save} ...")


def promote(
    version: Version,
    to: Annotated[str, typer.Option(metavar="ALIAS", help="What it is from now on.")] = "production",
    why: Annotated[str, typer.Option(help="For those who ask later.")] = "",
    store: Place = None,
    as_json: AsJson = False,
) -> None:
    """Let an alias name this version, all of its models at once. A version that could not be restored is refused.

    Example:  drivetrain runs promote perception:7 --to production --why "better at night"
    """
    asked = opened(store)
    found = system_version(asked, version)
    before = asked.promotions.current(found.system).get(to)
    promoted = asked.promotions.promote(found, to, why)
    was = f"; it was {found.system} {before}" if before is not None and before != found.number else ""
    facts = promoted._asdict() | {"before": before}
    say(facts, as_json, f"{to} of {found.system} is version {found.number} now{was}")


def avoid(
    system: Annotated[str, typer.Argument(metavar="SYSTEM", help="Its name.")],
    combination: Annotated[list[str], typer.Argument(metavar="SLOT=MODEL...", help="camera=camera:2 lidar=lidar:1")],
    why: Annotated[str, typer.Option(help="For those who wonder later.")],
    store: Place = None,
    as_json: AsJson = False,
) -> None:
    """Do not run this one again. Naming only some slots means every combination with those.

    Example:  drivetrain runs avoid perception camera=camera:2 lidar=lidar:1 --why "flickers in rain"
    """
    asked = opened(store)
    pinned = {}
    for pair in combination:
        slot, equals, name = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"'{pair}': write SLOT=MODEL, such as camera=camera:2")
        pinned[slot] = asked.components.get(name)
    asked.evaluations.avoid(system, {slot: each.digest for slot, each in pinned.items()}, why)
    told = {slot: str(each) for slot, each in pinned.items()}
    words = listed(f"{each} in {slot}" for slot, each in told.items())
    say({"system": system, "avoided": told, "why": why}, as_json, f"{system} is not to be run with {words}: {why}")


def delete(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A system version or a model version.")],
    store: Place = None,
    as_json: AsJson = False,
) -> None:
    """Delete a version. What a system pins, what is promoted and what others were trained beside is refused, by name.

    Example:  drivetrain runs delete camera:2
    """
    asked = opened(store)
    found = asked.find(name)
    if isinstance(found, SystemVersion):
        asked.systems.delete(found)
    elif isinstance(found, ComponentVersion):
        asked.components.delete(found)
    else:
        raise UnknownVersionError(f"{name} is {found}; what can be deleted: versions of systems and of models")
    freed = asked.contents.sweep()
    say({"deleted": str(found), "freed bytes": freed}, as_json, f"{found} is deleted, {freed:,} bytes are free")
