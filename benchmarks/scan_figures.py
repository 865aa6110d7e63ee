"""How many rows of two published data sets a scan counts again: libraries and model files, and stages of development.

    python -m benchmarks.scan_figures --repositories CLONES --tables FOLDER --dictionary idowu_API-dictionary.csv

``FOLDER`` holds ``practice_libraries.csv`` (repository, commit, libraries, files that use them, model files) and
``practice_stages.csv`` (commit, changed files for each stage), rows of the published tables; a repository lies at
``CLONES/owner+name`` with its history. A row whose repository is absent is told, and counts for nothing.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections import Counter
from pathlib import Path

from drivetrain.errors import DataError
from drivetrain.mining.files import walk
from drivetrain.mining.git import is_repository, write_commit
from drivetrain.mining.history import commit_stages
from drivetrain.mining.libraries import used_as_paper
from drivetrain.mining.model_files import model_files_as_paper
from drivetrain.mining.stages import STAGES, published

Row = dict[str, str]
# What is counted -> the least share of rows that must be the same.
MUST = {"library set": 1.0, "model files": 1.0, "files that use a library": 0.98, "stages of a commit": 0.99}


def main() -> int:
    """Count again, compare, print; 1 if a share is too small."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repositories", type=Path, required=True, help="folder of clones, owner+name each")
    options.add_argument("--tables", type=Path, required=True, help="folder of the two tables")
    options.add_argument("--dictionary", type=Path, required=True, help="the published mapping of calls to stages")
    chosen = options.parse_args()
    try:
        same, compared = libraries(rows(chosen.tables / "practice_libraries.csv"), chosen.repositories)
        more, others = stages(rows(chosen.tables / "practice_stages.csv"), chosen.repositories, chosen.dictionary)
    except (OSError, DataError) as fault:
        options.error(str(fault))
    same, compared = same + more, compared + others
    reached = True
    for name, must in MUST.items():
        share = same[name] / compared[name] if compared[name] else None
        reached &= share is not None and share >= must
        shown = "none" if share is None else f"{share:.3f}"
        print(f"{name:26s} must {must:.2f}  found {shown}  {same[name]} of {compared[name]} rows")
    return 0 if reached else 1


def rows(path: Path) -> list[Row]:
    """The rows of a table."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def libraries(table: list[Row], clones: Path) -> tuple[Counter[str], Counter[str]]:
    """How many rows are the same, and how many were compared, by what was counted."""
    same, compared = Counter[str](), Counter[str]()
    for row in table:
        if (clone := _clone(clones, row["full_name"])) is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            write_commit(clone, row["commit"], Path(folder))
            listing = walk(Path(folder), everything=True)
            found = used_as_paper(listing)
            files = {path for library in found for path in library.files}
            counts = {
                "library set": ("|".join(library.name for library in found), row["ml_libraries"]),
                "files that use a library": (str(len(files)), row["ml_files"]),
                "model files": (str(len(model_files_as_paper(listing))), row["model_files"]),
            }
        for name, (counted, published_as) in counts.items():
            compared[name] += 1
            same[name] += counted == published_as
            if counted != published_as:
                print(f"{row['full_name']}: {name} {counted}, published {published_as}")
    return same, compared


def stages(table: list[Row], clones: Path, dictionary: Path) -> tuple[Counter[str], Counter[str]]:
    """The same for the commits whose stages were published."""
    mapping = published(dictionary)
    same, compared = Counter[str](), Counter[str]()
    for name in sorted({row["full_name"] for row in table}):
        if (clone := _clone(clones, name)) is None:
            continue
        of_it = [row for row in table if row["full_name"] == name]
        for row, found in zip(of_it, commit_stages(clone, mapping, [row["commit"] for row in of_it]), strict=True):
            compared["stages of a commit"] += 1
            same["stages of a commit"] += found.counts == {stage: int(row[stage]) for stage in STAGES}
    return same, compared


def _clone(clones: Path, name: str) -> Path | None:
    folder = clones / name.replace("/", "+")
    found = next((path for path in (folder / "repo", folder) if is_repository(path)), None)
    if found is None:
        print(f"{name}: no repository at {folder}")
    return found


if __name__ == "__main__":
    sys.exit(main())
