"""The verb: read a repository and say which models it holds and how they are integrated, without running any of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from drivetrain.errors import DataError
from drivetrain.mining.alternatives import with_slots
from drivetrain.mining.facts import Facts, facts
from drivetrain.mining.files import File, Listing, read, walk
from drivetrain.mining.findings import Integration, Place, Repository, Source, Training, Wiring
from drivetrain.mining.history import FileStages, counted, ordered
from drivetrain.mining.libraries import used_as_paper
from drivetrain.mining.model_files import model_files_as_paper
from drivetrain.mining.outline import outline
from drivetrain.mining.reading import LARGEST_NOTEBOOK, read_sources, without_collection
from drivetrain.mining.scan_report import ScanReport
from drivetrain.mining.stages import stage_mapping
from drivetrain.mining.tested import is_test
from drivetrain.mining.topology import integrations
from drivetrain.mining.training import training
from drivetrain.mining.wiring import wire

PERSON, PAPER = "person", "paper"


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
    until = started + seconds
    root = Path(path)
    mapping = stage_mapping(stages)
    listing = walk(root)
    with without_collection():
        reading = read_sources(listing, until=started + 0.5 * seconds)
        found = facts(listing, [outline(source) for source in reading.sources], until=started + 0.6 * seconds)
    if stages != "resolved":
        files = [FileStages(file.path, ordered(mapping.stages(data, file.path))) for file, data in _python(listing)]
        by_file = {file.path: file.stages for file in files if file.stages}
        found = replace(found, stages=counted(files), file_stages=by_file)
    libraries, model_files = found.libraries, found.model_files
    if counting == PAPER:
        everything = walk(root, everything=True)
        libraries, model_files = used_as_paper(everything), model_files_as_paper(everything)
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
        notices=(*listing.notices, *reading.notices),
    )
    if early is not None:
        early(ScanReport(repository, found, counting, stages))
    with without_collection():
        repository = _with_models(repository, found, reading.sources, until)
    return ScanReport(replace(repository, seconds=time.monotonic() - started), found, counting, stages)


def _with_models(repository: Repository, found: Facts, sources: tuple[Source, ...], until: float) -> Repository:
    wiring, notices = _followed(sources, until)
    integrated, trained, more = _patterns(wiring, sources)
    return replace(
        repository,
        wiring=wiring,
        integrations=integrated,
        training=trained,
        tests=_tests(found, wiring),
        notices=(*repository.notices, *wiring.notices, *notices, *more),
    )


def _python(listing: Listing) -> list[tuple[File, bytes]]:
    files = listing.having(".py", ".ipynb")
    return [(file, data) for file in files if (data := read(listing, file, LARGEST_NOTEBOOK)) is not None]


def _followed(sources: tuple[Source, ...], until: float) -> tuple[Wiring, tuple[str, ...]]:
    left = until - time.monotonic()
    if left <= 0:
        return Wiring(), ("time ran out before the models were followed; --seconds gives more",)
    try:
        wiring = wire(sources, seconds=left)
    except Exception as error:  # one odd file must not lose the rest of what was found
        return Wiring(), (f"the models could not be followed, which is a fault of ours: {_words(error)}",)
    try:
        return with_slots(wiring, sources), ()
    except Exception as error:
        return wiring, (f"alternatives could not be told apart, which is a fault of ours: {_words(error)}",)


def _patterns(wiring: Wiring, sources: tuple[Source, ...]) -> tuple[tuple[Integration, ...], Training, tuple[str, ...]]:
    try:
        return integrations(wiring, sources), training(wiring, sources), ()
    except Exception as error:
        return (), Training(), (f"the patterns could not be read off, which is a fault of ours: {_words(error)}",)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _tests(found: Facts, wiring: Wiring) -> tuple[Place, ...]:
    """Tests that come to a model by name, and places in tests where the analysis saw one run."""
    seen = [place for model in wiring.models for place in model.uses if is_test(place.file)]
    tested = set(found.tested.of_models)
    files = {place.file for place in tested}
    return tuple(sorted(tested | {place for place in seen if place.file not in files}))
