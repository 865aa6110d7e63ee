"""The verb for many: scan every repository of a list, in parallel, and keep what was found as one table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from drivetrain.errors import DataError
from drivetrain.mining.study_list import Entry, read_list
from drivetrain.mining.study_report import StudyReport
from drivetrain.mining.study_row import Settings, examined
from drivetrain.mining.study_table import Journal, Row, read_table, write_table
from drivetrain.report import progress

Engine = Callable[[Callable[[Entry], Row], Sequence[Entry]], Iterator[Row]]
"""Runs a function over entries and answers what it answers, in any order; ``over_cores`` is the one for one machine."""


def study(
    repositories: str | Path | Sequence[Entry],
    out: str | Path,
    *,
    stages: str = "resolved",
    seconds: float = 60.0,
    run: Engine | None = None,
    minimum_stars: int = 0,
) -> StudyReport:
    """Scan many repositories; what was done already, by an earlier call that was stopped, is not done again.

    Args:
        repositories: a CSV file whose column ``path``, ``url`` or ``full_name`` says where they are, with columns
            ``commit`` and ``stars`` if wanted; or entries.
        out: the Parquet file to write; rows that it holds already are kept.
        stages: the mapping of calls to stages of development.
        seconds: for one repository.
        run: the engine; every core of this machine if None.
        minimum_stars: repositories that fewer people marked are left out.

    Raises:
        DataError: the list or the file cannot be used. A repository that cannot be read is a row with an ``error``.
    """
    table = Path(out)
    entries = read_list(repositories) if isinstance(repositories, str | Path) else tuple(repositories)
    entries = tuple(entry for entry in entries if (entry.stars or 0) >= minimum_stars)
    if not entries:
        raise DataError(f"no repository is left to study; minimum_stars={minimum_stars}")
    journal = Journal(table)
    done = {_key(row): row for row in [*(read_table(table) if table.exists() else []), *journal.rows()]}
    left = [entry for entry in entries if (entry.where, entry.commit) not in done]
    settings = Settings(stages, seconds)
    engine = run or over_cores()
    try:
        rows = engine(_Task(settings), left)
        for row in progress(rows, f"scanning {len(left)} repositories", total=len(left)):
            journal.add(row)
            done[_key(row)] = row
    finally:  # also when it is interrupted: what there is can be used
        write_table(table, done.values())
    journal.close()
    wanted = {(entry.where, entry.commit) for entry in entries}
    return StudyReport(tuple(row for key, row in done.items() if key in wanted), str(table))


def over_cores(workers: int = 0) -> Engine:
    """The engine of one machine: as many repositories at once as there are cores, each in a process of its own."""

    def run(function: Callable[[Entry], Row], entries: Sequence[Entry]) -> Iterator[Row]:
        with ThreadPoolExecutor(workers or os.cpu_count() or 1) as threads:  # each waits for a process
            waiting = [threads.submit(function, entry) for entry in entries]
            try:
                for done in as_completed(waiting):
                    yield done.result()
            finally:
                for left in waiting:
                    left.cancel()

    return run


class _Task:
    """Examines an entry; a class, because engines over machines have to send it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __call__(self, entry: Entry) -> Row:
        return examined(entry, self.settings)


def _key(row: Row) -> tuple[str, str]:
    return str(row["where"]), str(row["commit"] or "")
