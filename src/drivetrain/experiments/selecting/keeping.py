"""Where finished evaluations and outputs are kept, as a user says it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.errors import DeclarationError
from drivetrain.evaluation.metrics import Metric
from drivetrain.experiments.selecting.journal import Journal, Records
from drivetrain.experiments.versions.candidates import Candidates

if TYPE_CHECKING:
    from drivetrain.experiments.selecting.recording import Recording


def kept_in(store: Any) -> tuple[Records | None, Path | None]:
    """The records and the folder of outputs that an option names.

    Args:
        store: None; a folder; or records of the user's own, with ``find`` and ``add``.

    Raises:
        DeclarationError: it is none of these.
    """
    if store is None:
        return None, None
    if isinstance(store, str | Path):
        folder = Path(store)
        if folder.is_file():
            raise DeclarationError(
                f"store={str(store)!r} is a file; name a folder. A database belongs to an experiment: "
                f"experiment=Experiment('NAME', store={str(store)!r})"
            )
        return Journal(folder / "evaluations.jsonl"), folder / "outputs"
    if hasattr(store, "find") and hasattr(store, "add"):
        return store, None
    raise DeclarationError(
        f"store={store!r}: what fits: a folder, or records with find(key) and add(key, labels, values)"
    )


def recorded_by(
    experiment: Any, candidates: Candidates, metrics: Mapping[str, Metric], data: Any, seed: int
) -> Recording | None:
    """The records in the store of an experiment, if one is named.

    Raises:
        DeclarationError: it is something else.
    """
    if experiment is None:
        return None
    from drivetrain.experiments.selecting.recording import Recording
    from drivetrain.experiments.tracking.experiment import Experiment

    if not isinstance(experiment, Experiment):
        raise DeclarationError(
            f"experiment={experiment!r} is a {type(experiment).__name__}; "
            f"write experiment=Experiment({candidates.system.name!r})"
        )
    return Recording(experiment, candidates, metrics, data, seed)
