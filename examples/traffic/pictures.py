"""Street pictures with lights and signs: what is read, what is kept apart, and what is known of each."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drivetrain.errors import DataError

from .drawn import drawn
from .folders import read_folder
from .near import far_from, places
from .picture import Picture

DATA, HELD_OUT = "DRIVETRAIN_TRAFFIC", "DRIVETRAIN_TRAFFIC_HELD_OUT"  # variables that worker processes see, too


class Collection(NamedTuple):
    """Pictures to train, choose and test on; test pictures of one place share a number."""

    train: list[Picture]
    valid: list[Picture]
    test: list[Picture]
    places: npt.NDArray[np.int64]
    about: str


def collection() -> Collection:
    """The pictures of ``$DRIVETRAIN_TRAFFIC``, else of ``$DRIVETRAIN_DATA/traffic_scenes``, else of
    ``../shared/data/traffic_scenes`` beside the repository, else drawn ones; tested on ``$DRIVETRAIN_TRAFFIC_HELD_OUT``
    where that is set. ``folders.py`` says what a folder looks like.

    Raises:
        DataError: a folder was named and is not one of street pictures; or nothing is left to train or test on.
    """
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    usual = Path(os.environ.get("DRIVETRAIN_DATA", beside)) / "traffic_scenes"
    named = os.environ.get(DATA)
    folder = named or (str(usual) if usual.is_dir() else None)
    return _collected(folder, os.environ.get(HELD_OUT) or None)


@lru_cache(maxsize=1)
def _collected(folder: str | None, held_out: str | None) -> Collection:
    found, said = (drawn(), "Drawn pictures, no streets.") if folder is None else read_folder(Path(folder))
    if folder is not None:  # of the few pictures with both families, all are tested on
        found = [p._replace(split="test") if len(p.boxes) == 2 and p.split != "test" else p for p in found]
    if held_out is not None:
        tested, more = read_folder(Path(held_out))
        found = [p for p in found if p.split != "test"] + [p._replace(split="test") for p in tested]
        said = f"{said} Tested on other pictures, held out: {more}"
    parts = {split: [p for p in found if p.split == split] for split in ("train", "valid", "test")}
    gone = 0
    for split, others in (("valid", ("test",)), ("train", ("valid", "test"))):
        kept = far_from(parts[split], [p for other in others for p in parts[other]]) if folder else parts[split]
        gone += len(parts[split]) - len(kept)
        parts[split] = kept
    for split, pictures in parts.items():
        for family in ("lights", "signs"):
            if not any(family in p.boxes for p in pictures):
                asked = held_out if held_out and split == "test" else folder
                raise DataError(
                    f"{asked}: no {split} picture has {family} labelled; {len(pictures)} {split} pictures were found. "
                    "A folder to train on has train, valid and test, each with both families; one to test on alone is "
                    "given by --held-out"
                )
    return Collection(*parts.values(), places(parts["test"]), _about(parts, said, gone))


def _about(parts: dict[str, list[Picture]], said: str, gone: int) -> str:
    counts = ", ".join(
        f"{split} {len(pictures)} ({', '.join(f'{_boxes(pictures, f)} {f}' for f in ('lights', 'signs'))})"
        for split, pictures in parts.items()
    )
    both = sum(len(p.boxes) == 2 for p in parts["test"])
    return (
        f"{said} Pictures: {counts}. {gone} near-duplicates of tested or validated pictures were taken out. {both} "
        "test pictures have both families labelled; elsewhere the other family is unlabelled, not empty, and is "
        "neither trained nor scored."
    )


def _boxes(pictures: list[Picture], family: str) -> int:
    return sum(len(p.boxes.get(family, ())) for p in pictures)
