"""What a federated merge did to each branch: on the trunk of its chain, on the merged one, and after a refit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drivetrain.evaluation.change import Change, number
from drivetrain.graph import System
from drivetrain.training.base import TrainingPattern
from drivetrain.training.federated_merge import FederatedMerge
from drivetrain.training.merged_statistics import trunk_of


@dataclass(frozen=True)
class MergedBranch:
    """A branch on both sides of a merge: the one whose weights were kept, else the last one.

    Attributes:
        edge: where the branch ends.
        own: its metric on the trunk that it has learned with.
        merged: on the merged trunk, without a refit.
        refitted: after the stages that followed, where these trained the branch and left the trunk alone; else None.
        kept: whether the weights of a merge were kept, not those from before training, which may validate better.
    """

    edge: str
    own: float
    merged: float
    refitted: float | None = None
    kept: bool = True

    def __str__(self) -> str:
        after = "" if self.refitted is None else f", {number(self.refitted)} after its refit"
        after += "" if self.kept else ", which was not kept"
        return f"{number(self.own)} on the trunk of its chain, {number(self.merged)} on the merged trunk{after}"


def merged_branches(
    system: System,
    patterns: Sequence[TrainingPattern],
    history: Sequence[Mapping[str, Any]],
    kept: Sequence[Mapping[str, int | None]],
    changes: Mapping[str, Change],
) -> dict[str, MergedBranch]:
    """The branches of the last federated merge, by measure; nothing where no validation data measured them."""
    numbers = [place for place, pattern in enumerate(patterns[: len(kept)]) if isinstance(pattern, FederatedMerge)]
    if not numbers:
        return {}
    stage = numbers[-1]
    pattern = patterns[stage]
    assert isinstance(pattern, FederatedMerge)
    epochs = set(kept[stage].values()) - {None}
    merges = [row for row in history if row["stage"] == stage and any(key.startswith("merged ") for key in row)]
    chosen = next((row for row in merges if {row["epoch"]} == epochs), None)
    row = chosen or next(reversed(merges), {})
    trunk = set(trunk_of(system, tuple(pattern.losses)))
    later = {name for chosen in kept[stage + 1 :] for name in chosen}
    found = {}
    for name in (key.removeprefix("merged ") for key in row if key.startswith("merged ")):
        edge = name.split(":")[0].split(".")[0]
        own = {node.name for node in system.plan((edge,))} & set(system.models) - trunk
        refit = chosen is not None and name in changes and later & own and not later & trunk
        refitted = changes[name].after if refit else None
        found[name] = MergedBranch(edge, row[f"unmerged {name}"], row[f"merged {name}"], refitted, chosen is not None)
    return found


def merged_words(found: Mapping[str, MergedBranch]) -> list[str]:
    """The same in a sentence."""
    return [f"The merge: {'; '.join(f'{name} {branch}' for name, branch in found.items())}."] if found else []
