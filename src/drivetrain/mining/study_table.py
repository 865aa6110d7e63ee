"""The results of a study as one Parquet file, and the journal from which an interrupted one goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from drivetrain.errors import DataError
from drivetrain.graph.weights import write_whole
from drivetrain.mining.stages import STAGES

Row = dict[str, Any]

# Column -> its kind; `where` and `commit` together name a row.
COLUMNS = {
    **dict.fromkeys(("name", "where", "commit", "error", "training_scope"), "text"),
    **dict.fromkeys(("stars", "forks", "files", "lines", "notebooks", "ml_files", "model_files", "pointers"), "count"),
    **dict.fromkeys(("downloads", "elsewhere", "models", "implementations", "edges", "merges", "validations"), "count"),
    **dict.fromkeys(("tests", "tests_of_models", "ml_lines", "ml_lines_tested"), "count"),
    **dict.fromkeys(("other_lines", "other_lines_tested", "paper_ml_files", "paper_model_files"), "count"),
    **dict.fromkeys((stage.lower() for stage in STAGES), "count"),
    **dict.fromkeys(("notices", "libraries", "model_formats", "patterns"), "texts"),
    **dict.fromkeys(("training_patterns", "paper_libraries"), "texts"),
    **dict.fromkeys(("training_code", "trained_on_outputs", "staged"), "truth"),
    "seconds": "number",
    "contexts": "contexts",
    "languages": "languages",
}


def write_table(path: Path, rows: Iterable[Row]) -> None:
    """Write rows as Parquet, at once or not at all."""
    arrow, parquet = _arrow()
    listed = [{column: row.get(column) for column in COLUMNS} for row in rows]
    sink = arrow.BufferOutputStream()
    parquet.write_table(arrow.Table.from_pylist(listed, schema=_schema(arrow)), sink, compression="zstd")
    write_whole(path, sink.getvalue().to_pybytes())


def read_table(path: Path) -> list[Row]:
    """The rows of a study.

    Raises:
        DataError: the file is not there, or is no result of a study.
    """
    arrow, parquet = _arrow()
    try:
        rows: list[Row] = parquet.read_table(path).to_pylist()
    except (OSError, arrow.ArrowInvalid) as error:
        raise DataError(f"{path} is no result of a study: {error}") from None
    if rows and not {"where", "commit", "patterns"} <= set(rows[0]):
        raise DataError(f"{path} is no result of a study; its columns: {', '.join(rows[0])}")
    return rows


class Journal:
    """Rows as they come in, one line of JSON each, beside the table that is written in the end."""

    def __init__(self, table: Path) -> None:
        self.path = table.with_name(f"{table.name}.journal")

    def rows(self) -> list[Row]:
        """What was written so far; a line that was cut off is as if it had not been begun."""
        found = []
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    found.append(json.loads(line))
                except ValueError:
                    continue
        return [row for row in found if isinstance(row, dict) and "where" in row]

    def add(self, row: Row) -> None:
        """Write a row so that it outlives this process."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write("\n" * self._cut_off() + json.dumps(row) + "\n")

    def close(self) -> None:
        """Everything is in the table."""
        self.path.unlink(missing_ok=True)

    def _cut_off(self) -> bool:
        if not self.path.exists() or not self.path.stat().st_size:
            return False
        with self.path.open("rb") as file:
            file.seek(-1, 2)
            return file.read() != b"\n"


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise DataError("a study is written as Parquet by pyarrow: pip install 'drivetrain[scan]'") from None
    return pa, parquet


def _schema(arrow: Any) -> Any:
    texts = arrow.list_(arrow.string())
    context = {"pattern": arrow.string(), "models": arrow.int64(), "libraries": texts, "tasks": texts, "media": texts}
    language = {"name": arrow.string(), "files": arrow.int64(), "lines": arrow.int64(), "loading": arrow.int64()}
    kinds = {
        "text": arrow.string(),
        "count": arrow.int64(),
        "number": arrow.float64(),
        "truth": arrow.bool_(),
        "texts": texts,
        "contexts": arrow.list_(arrow.struct(list((context | {"confidence": arrow.float64()}).items()))),
        "languages": arrow.list_(arrow.struct(list(language.items()))),
    }
    return arrow.schema([(column, kinds[kind]) for column, kind in COLUMNS.items()])
