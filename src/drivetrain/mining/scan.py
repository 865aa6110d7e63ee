"""The verb: read a repository and say which models it holds and how they are integrated, without running any of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from drivetrain.errors import DataError
from drivetrain.mining.alternatives import with_slots
from drivetrain.mining.facts import Facts, facts
from drivetrain.mining.files import File, Listing, read, walk
from drivetrain.mining.findings import Integration, Library, ModelFile, Place, Repository, Source, Training, Wiring
from drivetrain.mining.history import FileStages, counted, ordered
from drivetrain.mining.libraries import used_as_paper
from drivetrain.mining.limit import OutOfTime, stopped_at
from drivetrain.mining.model_files import model_files_as_paper
from drivetrain.mining.outline import outline
from drivetrain.mining.reading import LARGEST_NOTEBOOK, read_sources, without_collection
from drivetrain.mining.scan_report import ScanReport
from drivetrain.mining.stages import AbstractStageMapping, stage_mapping
from drivetrain.mining.tested import is_test
from drivetrain.mining.topology import integrations
from drivetrain.mining.training import training
from drivetrain.mining.wiring import wire

PERSON, PAPER = "person", "paper"
Answer = TypeVar("Answer")

# Which share of its seconds has passed when each part has to end, so that there is a report in time whatever happens.
_READ, _COUNTED, _FOLLOWED, _CHOSEN = 0.45, 0.55, 0.9, 0.95


def scan(
    path: str | Path,
    *,
    counting: str = PERSON,
    stages: str = "resolved",
    seconds: float = 60.0,
    name: str = "",
    early: Callable[[ScanReport], None] | None = None,
) -> ScanReport:
    """Read a repository and say which models it holds, how they meet, how they are trained and tested.

    Nothing of it is run or imported. What could not be read or followed in time stands in the report's notices.

    Args:
        path: the folder of the repository.
        counting: of libraries and model files: ``"person"`` counts what a person would, ``"paper"`` exactly as the
            data set of Peldszus, Knopp, Sens, Berger (ICSA 2025) does.
        stages: the mapping of calls to stages of development: ``"resolved"``, or ``"idowu2024"`` as published.
        seconds: after which the report is made of what was found until then.
        name: of the repository; that of the folder if empty.
        early: called with what was counted, before the models are followed; for whoever may have to stop that.

    Raises:
        DataError: there is no folder at the path, or no such way of counting or mapping.

    Example:
        >>> print(scan("src/drivetrain/page", seconds=20.0).repository.name)
        page
    """
    if counting not in (PERSON, PAPER):
        raise DataError(f"counting={counting!r} is no way to count; there are: {PERSON}, {PAPER}")
    started = time.monotonic()
    root = Path(path)
    mapping = stage_mapping(stages)
    listing = walk(root)
    reading = read_sources(listing, until=started + _READ * seconds)
    until = started + _COUNTED * seconds
    found, notices = within(
        until,
        lambda: facts(listing, [outline(s) for s in reading.sources], until=until),
        Facts(),
        "everything was counted",
    )
    if stages != "resolved":
        none: list[FileStages] = []
        files, more = within(until, lambda: _staged(listing, mapping), none, "the stages of all files were told")
        notices += more
        by_file = {file.path: file.stages for file in files if file.stages}
        found = replace(found, stages=counted(files), file_stages=by_file)
    libraries, model_files = found.libraries, found.model_files
    if counting == PAPER:
        nothing: tuple[tuple[Library, ...], tuple[ModelFile, ...]] = ((), ())
        (libraries, model_files), more = within(
            until, lambda: _as_paper(root), nothing, "everything was counted as there"
        )
        notices += more
    repository = Repository(
        name=name or root.resolve().name,
        files=len(reading.sources),
        lines=reading.lines,
        libraries=libraries,
        ml_files=tuple(sorted({file for library in libraries for file in library.files})),
        model_files=model_files,
        stages=found.stages,
        tests=found.tested.of_models,
        seconds=time.monotonic() - started,
        notices=(*listing.notices, *reading.notices, *notices),
    )
    if early is not None:
        early(ScanReport(repository, found, counting, stages))
    repository = _with_models(repository, found, reading.sources, started, seconds)
    return ScanReport(replace(repository, seconds=time.monotonic() - started), found, counting, stages)


def within(moment: float, work: Callable[[], Answer], otherwise: Answer, before: str) -> tuple[Answer, tuple[str, ...]]:
    """What some work answers; or, if the time is up before that or it has a fault, something else and a notice."""
    try:
        with without_collection(), stopped_at(moment):
            return work(), ()
    except OutOfTime:
        return otherwise, (f"time ran out before {before}; --seconds gives more",)
    except Exception as error:  # one odd file must not lose the rest of what was found
        return otherwise, (f"a fault of ours came before {before}: {type(error).__name__}: {error}",)


def _with_models(
    repository: Repository, found: Facts, sources: tuple[Source, ...], started: float, seconds: float
) -> Repository:
    left = started + _FOLLOWED * seconds - time.monotonic()
    wiring = Wiring()
    notices: tuple[str, ...] = ("time ran out before the models were followed; --seconds gives more",)
    if left > 0:
        wiring, notices = within(math.inf, lambda: wire(sources, seconds=left), Wiring(), "the models were followed")
    unread: tuple[Integration, ...] = ()
    almost, end = started + _CHOSEN * seconds, started + seconds
    wiring, more = within(almost, lambda: with_slots(wiring, sources), wiring, "alternatives were told apart")
    integrated, some = within(end, lambda: integrations(wiring, sources), unread, "the patterns were read off")
    trained, untold = within(end, lambda: training(wiring, sources), Training(), "training was read off")
    return replace(
        repository,
        wiring=wiring,
        integrations=integrated,
        training=trained,
        tests=_tests(found, wiring),
        notices=(*repository.notices, *wiring.notices, *notices, *more, *some, *untold),
    )


def _staged(listing: Listing, mapping: AbstractStageMapping) -> list[FileStages]:
    return [FileStages(file.path, ordered(mapping.stages(data, file.path))) for file, data in _python(listing)]


def _as_paper(root: Path) -> tuple[tuple[Library, ...], tuple[ModelFile, ...]]:
    everything = walk(root, everything=True)
    return used_as_paper(everything), model_files_as_paper(everything)


def _python(listing: Listing) -> list[tuple[File, bytes]]:
    files = listing.having(".py", ".ipynb")
    return [(file, data) for file in files if (data := read(listing, file, LARGEST_NOTEBOOK)) is not None]


def _tests(found: Facts, wiring: Wiring) -> tuple[Place, ...]:
    """Tests that come to a model by name, and places in tests where the analysis saw one run."""
    seen = [place for model in wiring.models for place in model.uses if is_test(place.file)]
    tested = set(found.tested.of_models)
    files = {place.file for place in tested}
    return tuple(sorted(tested | {place for place in seen if place.file not in files}))
