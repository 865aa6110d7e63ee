"""What a study keeps of one repository: a flat row, made in a process of its own that may be stopped."""

from __future__ import annotations

import multiprocessing
import resource
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from drivetrain.errors import DrivetrainError
from drivetrain.mining.files import walk
from drivetrain.mining.findings import Integration, Model, Repository
from drivetrain.mining.libraries import used_as_paper
from drivetrain.mining.model_files import model_files_as_paper
from drivetrain.mining.scan import scan, within
from drivetrain.mining.scan_report import ScanReport
from drivetrain.mining.study_list import Entry, brought

_MEMORY = 6_000_000_000  # bytes that one repository may take
_GRACE = 30.0  # seconds beyond its time after which a process is stopped that does not stop itself
_FETCHING = 900.0  # seconds until a repository has to be here


@dataclass(frozen=True)
class Settings:
    """How every repository of a study is read: the mapping of calls to stages, and the seconds for each."""

    stages: str = "resolved"
    seconds: float = 60.0


def examined(entry: Entry, settings: Settings) -> dict[str, Any]:
    """The row of one repository; whatever happens to it stands in the column ``error``, and nothing is raised.

    It is read in a process of its own: one that crashes, or neither ends nor answers in time, costs itself alone.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["drivetrain.mining.study_row"])  # imported once; each process is then a cheap copy
    answers, answering = context.Pipe(duplex=False)
    process = context.Process(target=_examine, args=(entry, settings, answering), daemon=True)
    process.start()
    answering.close()
    row, notice = _awaited(answers, settings.seconds + _GRACE)
    process.kill()  # it has answered, or it never will
    process.join()
    if row is None:
        return row_of(entry, None, notice)
    return row | {"notices": [*row["notices"], notice]} if notice else row


def row_of(entry: Entry, report: ScanReport | None, error: str = "") -> dict[str, Any]:
    """The row of a report, or of an error; its columns are those of ``study_table.COLUMNS``."""
    row: dict[str, Any] = {"name": entry.name, "where": entry.where, "commit": entry.commit}
    row |= {"stars": entry.stars, "forks": entry.forks, "error": error}
    if report is None:
        return row
    found, facts, tested = report.repository, report.facts, report.facts.tested
    trained = found.training
    return row | {
        "notices": list(found.notices),
        "seconds": found.seconds,
        "files": found.files,
        "lines": found.lines,
        "notebooks": facts.notebooks,
        "libraries": [library.name for library in found.libraries],
        "ml_files": len(found.ml_files),
        "model_files": len(found.model_files),
        "model_formats": sorted({file.format for file in found.model_files}),
        "pointers": len(facts.pointers),
        "downloads": len(facts.downloads),
        "elsewhere": len(facts.elsewhere),
        "models": len(report.models),
        "implementations": sum(not one.part for one in facts.implementations),
        "edges": len(found.wiring.edges),
        "merges": len(found.wiring.merges),
        "patterns": sorted({one.pattern for one in found.integrations}),
        "contexts": [_context(one, found) for one in found.integrations],
        "training_code": trained.code,
        "training_scope": trained.scope,
        "training_patterns": list(trained.patterns),
        "trained_on_outputs": trained.on_outputs,
        "staged": trained.staged,
        "tests": tested.tests,
        "tests_of_models": len(found.tests),
        "ml_lines": tested.ml_lines,
        "ml_lines_tested": tested.ml_touched,
        "other_lines": tested.other_lines,
        "other_lines_tested": tested.other_touched,
        "validations": len(facts.validation),
        **{stage.lower(): count for stage, count in found.stages.items()},
        "languages": [
            {"name": one.name, "files": one.files, "lines": one.lines, "loading": len(one.loading)}
            for one in facts.languages
        ],
    }


def _context(found: Integration, repository: Repository) -> dict[str, Any]:
    """Where a pattern occurs: the libraries and the tasks of its models, and what their outputs go through."""
    models: dict[str, Model] = {model.name: model for model in repository.wiring.models}
    members = [models[name] for name in found.models if name in models]
    inside = {model.name for model in members} | {found.at}
    media = {edge.medium for edge in repository.wiring.edges if {edge.source, edge.target} <= inside}
    return {
        "pattern": found.pattern,
        "models": len(found.models),
        "libraries": sorted({model.library for model in members if model.library}),
        "tasks": sorted({model.task for model in members if model.task}),
        "media": sorted(media),
        "confidence": found.confidence,
    }


def _examine(entry: Entry, settings: Settings, answering: Connection) -> None:
    """Runs in the process of one repository: says that it is here, then what was counted, then everything."""
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    try:
        with brought(entry) as folder:
            answering.send(None)
            moment = time.monotonic() + 0.5 * settings.seconds
            uncounted: dict[str, Any] = {}
            paper, late = within(moment, lambda: _as_paper(folder), uncounted, "everything was counted as in the paper")

            def answer(report: ScanReport) -> None:
                row = row_of(entry, report) | paper
                answering.send(row | {"notices": [*row["notices"], *late]})

            report = scan(folder, stages=settings.stages, seconds=settings.seconds, name=entry.name, early=answer)
            answer(report)
    except DrivetrainError as error:
        answering.send(row_of(entry, None, str(error)))
    except BaseException as error:
        answering.send(row_of(entry, None, f"{type(error).__name__}: {error}"))


def _as_paper(folder: Path) -> dict[str, Any]:
    everything = walk(folder, everything=True)
    libraries = used_as_paper(everything)
    return {
        "paper_libraries": [library.name for library in libraries],
        "paper_ml_files": len({file for library in libraries for file in library.files}),
        "paper_model_files": len(model_files_as_paper(everything)),
    }


def _awaited(answers: Connection, seconds: float) -> tuple[dict[str, Any] | None, str]:
    """The fullest row that came in time, and why it is not the whole one."""
    row: dict[str, Any] | None = None
    try:
        if not answers.poll(_FETCHING):
            return None, f"it was not here after {_FETCHING:g} s"
        first = answers.recv()
        if first is not None:  # it could not be brought here
            return first, ""
        for _ in range(2):
            if not answers.poll(seconds):
                return row, f"stopped after {seconds:g} s: the models were not followed to the end"
            row = answers.recv()
            if row is not None and row["error"]:
                break
    except EOFError:
        return row, "the process ended before it answered: the models were not followed to the end"
    return row, ""
