"""The facts of a repository that need no following of values: what is implemented, stored, tested and validated."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from drivetrain.mining.files import Listing
from drivetrain.mining.findings import Library, ModelFile, Place
from drivetrain.mining.implementations import Implementation, implementations
from drivetrain.mining.libraries import own_modules, used
from drivetrain.mining.model_files import is_pointer, model_files
from drivetrain.mining.other_languages import OtherLanguage, other_languages
from drivetrain.mining.outline import Call, Outline
from drivetrain.mining.stages import STAGES, ResolvedNames, resolved_mapping
from drivetrain.mining.storage import downloads, stored_elsewhere
from drivetrain.mining.tested import Tested, is_test, tested
from drivetrain.mining.validation import validation


@dataclass(frozen=True)
class Facts:
    """What was counted in a repository.

    Attributes:
        libraries: ML libraries and the files that use them.
        model_files: stored models.
        pointers: those of them of which only the address is stored (Git LFS).
        notebooks: how many hold Python.
        implementations: models that are written in the repository.
        training_files: files that train, tests left out.
        stages: stage of development -> number of files.
        file_stages: file -> its stages.
        downloads: calls that fetch a trained model at run time.
        elsewhere: lines that say where a model is stored.
        validation: where data is validated.
        tested: tests and what they touch.
        languages: other languages than Python.
    """

    libraries: tuple[Library, ...] = ()
    model_files: tuple[ModelFile, ...] = ()
    pointers: tuple[str, ...] = ()
    notebooks: int = 0
    implementations: tuple[Implementation, ...] = ()
    training_files: tuple[str, ...] = ()
    stages: dict[str, int] = field(default_factory=dict)
    file_stages: dict[str, tuple[str, ...]] = field(default_factory=dict)
    downloads: tuple[Place, ...] = ()
    elsewhere: tuple[Place, ...] = ()
    validation: tuple[Place, ...] = ()
    tested: Tested = field(default_factory=Tested)
    languages: tuple[OtherLanguage, ...] = ()

    @property
    def ml_files(self) -> tuple[str, ...]:
        """Files that use any ML library."""
        return tuple(sorted({path for library in self.libraries for path in library.files}))


def facts(listing: Listing, outlines: Sequence[Outline], *, until: float = math.inf) -> Facts:
    """Count everything.

    Args:
        listing: of the files.
        outlines: of the Python files and notebooks that could be read.
        until: the time of ``time.monotonic()`` at which to leave out what is left.
    """
    libraries = used(outlines, own_modules(listing))
    ml_files = {path for library in libraries for path in library.files}
    mapping = resolved_mapping()
    file_stages = {read.path: _ordered(mapping.of(read)) for read in outlines}
    stored = model_files(listing)
    written = implementations(outlines)
    return Facts(
        libraries=libraries,
        model_files=stored,
        pointers=tuple(file.path for file in stored if is_pointer(listing, file)),
        notebooks=sum(bool(read.source.cells) for read in outlines),
        implementations=written,
        training_files=tuple(p for p, found in file_stages.items() if "Training" in found and not is_test(p)),
        stages=_counted(file_stages),
        file_stages={path: found for path, found in file_stages.items() if found},
        downloads=downloads(outlines),
        elsewhere=stored_elsewhere(listing),
        validation=validation(outlines, ml_files),
        tested=tested(outlines, ml_files, _model_calls(outlines, mapping, {one.name for one in written})),
        languages=other_languages(listing, until=until),
    )


def _model_calls(outlines: Sequence[Outline], mapping: ResolvedNames, written: set[str]) -> list[tuple[str, Call]]:
    """Calls that make a model of the repository's own, train or run one."""
    wanted = [mapping.by_stage[stage] for stage in ("Training", "Prediction")]
    return [
        (read.path, call)
        for read in outlines
        for call in read.calls
        if call.last in written or any(names.match(call.name) for names in wanted)
    ]


def _ordered(stages: frozenset[str]) -> tuple[str, ...]:
    return tuple(stage for stage in STAGES if stage in stages)


def _counted(file_stages: dict[str, tuple[str, ...]]) -> dict[str, int]:
    counts = Counter(stage for stages in file_stages.values() for stage in stages)
    return {stage: counts[stage] for stage in STAGES}
