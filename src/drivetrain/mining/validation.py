"""Where data is checked before a model sees it: by a library made for that, or by an assertion about its content."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from drivetrain.mining.findings import Place
from drivetrain.mining.libraries import knowledge
from drivetrain.mining.outline import Outline
from drivetrain.mining.tested import is_test
from drivetrain.mining.trees import walk

_ABOUT_DATA = frozenset(
    {"isnull", "isna", "notnull", "notna", "isnan", "isfinite", "shape", "dtype", "dtypes", "columns", "ndim", "unique"}
)


def validation(outlines: Iterable[Outline], ml_files: Iterable[str]) -> tuple[Place, ...]:
    """Calls that validate data, and assertions about data in files that use an ML library; tests are left out."""
    ml = frozenset(ml_files)
    names = knowledge().names("validation")
    found: set[Place] = set()
    for read in outlines:
        if is_test(read.path):
            continue
        found |= {read.source.place(call.line) for call in read.calls if names.match(call.name)}
        if read.path in ml:
            found |= {read.source.place(check.lineno) for _, check in read.asserts if _is_about_data(check.test)}
    return tuple(sorted(found, key=lambda place: (place.file, place.cell or 0, place.line)))


def _is_about_data(test: ast.expr) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr in _ABOUT_DATA for node in walk(test))
