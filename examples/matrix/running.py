"""Runs what is missing of the matrix: trial by trial over processes, each stored as soon as it ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from drivetrain.errors import DrivetrainError
from drivetrain.report import progress
from examples.protocol.case import load
from examples.protocol.running import answers
from examples.protocol.store import Row, Store
from examples.protocol.trial import Job, run

from .cases import RATE


class Trial(NamedTuple):
    """One arm of one system, from one seed."""

    system: str
    arm: str
    seed: int
    epochs: int


def run_missing(trials: Sequence[Trial], store: Store, *, workers: int, deadline: float | None) -> int:
    """Run trials that have no row yet; answers how many were left out because the deadline was over."""
    done = {identity(row) for row in store.rows()}
    missing = [trial for trial in trials if trial not in done]
    ended = 0
    title = f"the matrix: {len(trials)} trials, {len(trials) - len(missing)} before"
    for row in progress(answers(trial_row, missing, workers, deadline), title, total=len(missing)):
        store.append(row)
        ended += 1
    return len(missing) - ended


def identity(row: Row) -> Trial:
    """Which trial a row is of."""
    return Trial(row["system"], row["arm"], row["seed"], row["epochs"])


def trial_row(trial: Trial) -> Row:
    """Train, test once; of a pattern that does not apply its own words why."""
    row: Row = trial._asdict()
    reference = f"examples.matrix.cases:{trial.system}"
    try:
        case = load(reference)
        case.arms[trial.arm].pattern.tracks(case.build(trial.seed))
        found = run(reference, Job(trial.seed, trial.arm, RATE, trial.epochs))
    except DrivetrainError as reason:
        return {**row, "refused": f"{type(reason).__name__}: {reason}"}
    above, below = (sum(part[place] for part in found["test"]["end"]) for place in (1, 2))
    kept = ("updates", "iterations", "labels", "trial seconds", "verdict")
    return {**row, "end": above / below, **{name: found[name] for name in kept}}


def trials(systems: Iterable[str], arms: Iterable[str], seeds: int, epochs: int) -> list[Trial]:
    """All trials, seed by seed, so that a run that was cut short has whole seeds; a system's arms follow each other."""
    systems, arms = list(systems), list(arms)
    return [Trial(system, arm, seed, epochs) for seed in range(seeds) for system in systems for arm in arms]
