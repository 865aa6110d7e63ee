"""Where finished evaluations and outputs are kept, as a user says it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivetrain.errors import DeclarationError
from drivetrain.evaluation.metrics import Metric
from drivetrain.experiments.candidates import Candidates
from drivetrain.experiments.journal import Journal, Records


def kept_in(store: Any, candidates: Candidates, metrics: Mapping[str, Metric]) -> tuple[Records | None, Path | None]:
    """The records and the folder of outputs that an option names.

    Args:
        store: None; a folder; or records of the user's own, with ``find`` and ``add``.
        candidates: what is selected from.
        metrics: what is measured.

    Raises:
        DeclarationError: it is none of these.
    """
    if store is None:
        return None, None
    if isinstance(store, str | Path):
        folder = Path(store)
        if folder.is_file():
            raise DeclarationError(f"store={str(store)!r} is a file; name a folder")
        return Journal(folder / "evaluations.jsonl"), folder / "outputs"
    if hasattr(store, "find") and hasattr(store, "add"):
        return store, None
    raise DeclarationError(
        f"store={store!r}: what fits: a folder, or records with find(key) and add(key, labels, values)"
    )
