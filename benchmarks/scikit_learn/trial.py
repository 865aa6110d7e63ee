"""One trial: one arm trains one system on one split, its threshold is chosen on validation, and it is tested once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import torch

from benchmarks.scikit_learn import arms, peers
from benchmarks.scikit_learn.arms import Answer, Task
from benchmarks.scikit_learn.digits import Joined, Restored
from benchmarks.scikit_learn.medicine import Alarm, Order, Units
from benchmarks.scikit_learn.setting import Setting
from benchmarks.scikit_learn.wine import Cultivar
from examples.protocol.store import Row

SETTINGS: dict[str, Setting] = {
    each.name: each for each in (Restored(), Joined(), Cultivar(), Alarm(), Order(), Units())
}
BASELINE = "individual"
END_LOSS: dict[str, Callable[[Task], Answer]] = {
    "partial end-loss": arms.partial, "alternating end-loss": arms.alternating,
}  # fmt: skip
IN_SAMPLE, OUT_OF_BAG = "partial end-loss", "partial end-loss, out of bag"
EQUALS: dict[str, Callable[[Task], Answer]] = {
    "individual, in context": arms.in_context, "individual, best of the refits": arms.refits,
    "individual, settings searched": arms.search,
    "one model": peers.one_model, "stacking": peers.stacking, "gradient boosting": peers.boosting,
}  # fmt: skip
ARMS: dict[str, Callable[[Task], Answer]] = {
    BASELINE: arms.individual,
    **END_LOSS,
    OUT_OF_BAG: arms.partial_unseen,
    **EQUALS,
}


class Job(NamedTuple):
    """Which trial; ``rows`` of the data set are used, all if None."""

    setting: str
    family: str
    arm: str
    tempo: str
    seed: int
    rounds: int
    rows: int | None = None


def applies(setting: Setting, family: str, arm: str) -> bool:
    """Whether an arm means anything here."""
    return {
        OUT_OF_BAG: family == "forest" and setting.regression,
        "alternating end-loss": len(setting.inner) > 1,
        "individual, in context": setting.sequential,
        "individual, best of the refits": family == "forest",  # nothing in the others is drawn at random
        "one model": setting.one_model(family, 0) is not None,
        "stacking": len(setting.inner) > 1,
    }.get(arm, True)


def run(job: Job, test: bool = True) -> Row:
    """Train and judge; a trial that only chooses a tempo does not see the test data."""
    torch.set_num_threads(1)
    setting, begin = SETTINGS[job.setting], time.perf_counter()
    train, validation, unseen = setting.splits(job.seed, job.rows)
    answer = ARMS[job.arm](Task(setting, job.family, job.seed, job.tempo, job.rounds, train, validation))
    seconds = time.perf_counter() - begin
    known = answer(validation)
    threshold = max(setting.thresholds, key=lambda one: setting.score(known, validation, one))
    row = {**job._asdict(), "threshold": threshold, "validation": setting.score(known, validation, threshold)}
    if test:
        values = setting.judge(answer(unseen), unseen[setting.output], threshold)
        row |= {"units": unseen["row"].tolist(), "values": [round(value, 5) for value in values.tolist()]}
    return row | {"seconds": seconds}
