"""Reads a Jupyter notebook as one Python source that still knows its cells; magics and shell lines are left out."""

from __future__ import annotations

import json
import re
import textwrap
from typing import Any

from drivetrain.mining.findings import Source
from drivetrain.mining.parsing import parsed, repaired

# Cells that begin with one of these hold Python; with any other `%%name` they hold something else.
_PYTHON_CELLS = ("%%time", "%%timeit", "%%capture", "%%prun", "%%memit", "%%python", "%%python3", "%%pypy", "%%local")

_MAGIC_LINE = re.compile(r"^(\s*)([%!?]|[\w.]+\?{1,2}\s*$).*$")
_MAGIC_VALUE = re.compile(r"^(\s*[\w., ]+=\s*)[%!].*$")


def parse_notebook(data: bytes, path: str) -> Source | None:
    """The code cells of a notebook, one after another; None if it is no notebook, or not one of Python.

    Where a cell stands is kept in ``Source.cells``; ``Source.place`` turns a line into cell and line.
    """
    cells = python_cells(data)
    if cells is None:
        return None
    texts = [without_magics(cell) for cell in cells]
    firsts, line = [], 1
    for text in texts:
        firsts.append(line)
        line += text.count("\n") + 1
    tree = parsed("\n".join(texts))
    damaged = tree is None
    if tree is None:
        texts = [text if parsed(text) is not None else repaired(text) for text in texts]
        tree = parsed("\n".join(texts))
    if tree is None or not tree.body:
        return None
    return Source(path, tree, max(line - 1, 0), tuple(firsts), damaged)


def script(data: bytes) -> str | None:
    """A notebook converted as nbconvert does: a cell of a magic (``%%time``) holds no Python. None if it is none."""
    cells = python_cells(data)
    if cells is None:
        return None
    return "\n".join("" if cell.lstrip().startswith("%%") else without_magics(cell) for cell in cells)


def python_cells(data: bytes) -> list[str] | None:
    """The text of every code cell, magics included; None if this is no notebook, or its language is not Python."""
    try:
        notebook = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(notebook, dict):
        return None
    if not _language(notebook).startswith(("python", "ipython", "pyspark", "sage")):
        return None
    cells = _list(notebook.get("cells"))
    for sheet in _list(notebook.get("worksheets")):  # notebooks of before 2015
        cells = [*cells, *_list(sheet.get("cells"))] if isinstance(sheet, dict) else cells
    code = [cell for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    return [_text(cell.get("source", cell.get("input", ""))) for cell in code]


def without_magics(cell: str) -> str:
    """The Python of a cell, line for line: what IPython alone understands becomes an empty statement."""
    if cell.lstrip("\n").startswith((" ", "\t")):  # IPython, too, takes back what a whole cell is indented by
        cell = textwrap.dedent(cell)
    lines = cell.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), 0)
    if lines[first].startswith("%%") and not lines[first].startswith(_PYTHON_CELLS):
        return "\n" * (len(lines) - 1)
    continued = False
    for i, line in enumerate(lines):
        if continued:
            continued = line.rstrip().endswith("\\")
            lines[i] = ""
        elif magic := _MAGIC_LINE.match(line):
            continued = line.rstrip().endswith("\\")
            lines[i] = f"{magic[1]}pass"
        elif value := _MAGIC_VALUE.match(line):
            lines[i] = f"{value[1]}None"
    return "\n".join(lines)


def _language(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    for holder, key in (("language_info", "name"), ("kernelspec", "language"), ("kernelspec", "name")):
        said = metadata.get(holder)
        if isinstance(said, dict) and isinstance(said.get(key), str):
            return str(said[key]).lower()
    return "python"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(source: Any) -> str:
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    return str(source).replace("\r\n", "\n").replace("\r", "\n").replace("\0", " ")
