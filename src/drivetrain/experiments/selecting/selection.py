"""``select``: which versions make the best system, without evaluating every combination."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from math import inf, isfinite
from typing import Any

from drivetrain.errors import DeclarationError, listed
from drivetrain.evaluation.metrics import metrics_by_edge
from drivetrain.experiments.selecting.evaluating import Evaluating
from drivetrain.experiments.selecting.executors import engine_of
from drivetrain.experiments.selecting.keeping import kept_in, recorded_by
from drivetrain.experiments.selecting.memo import Memo
from drivetrain.experiments.selecting.objectives import check_objectives
from drivetrain.experiments.selecting.passes import Passes
from drivetrain.experiments.selecting.search import Exhaustive, Space, Strategy
from drivetrain.experiments.selecting.search.base import Search
from drivetrain.experiments.selecting.selection_report import SelectionReport
from drivetrain.experiments.selecting.shards import Shards
from drivetrain.experiments.selecting.summary import summary
from drivetrain.experiments.versions.candidates import Candidates, Combination
from drivetrain.report import Progress, progress

SMALL = 1000  # combinations up to which all are evaluated if nothing else is said
SHARDS = 16


def select(
    candidates: Any,
    data: Any,
    metric: Any,
    *,
    test: Any = None,
    strategy: Any = None,
    start: Mapping[str, str] | Sequence[Mapping[str, str]] = (),
    budget: int | None = None,
    seconds: float | None = None,
    objectives: Sequence[str] = (),
    executor: Any = None,
    store: Any = None,
    experiment: Any = None,
    memory: int = 1 << 30,
    batch_size: int = 64,
    unit: str | None = None,
    seed: int = 0,
    show_progress: bool = True,
) -> SelectionReport:
    """Find the versions that together make the best system.

    What a version makes of some values is computed once, so that versions side by side cost one pass each, however many
    combinations are evaluated, and along a chain only what has changed upstream is computed again.

    Args:
        candidates: a system and the versions of some of its components: ``Candidates(perception, {"camera": [a, b]})``,
            or just the pair.
        data: where to search; as ``evaluate`` takes it. Not the test data.
        metric: what to search for, as ``evaluate`` takes it; of several the first one, the others are told.
        test: data on which the chosen combination, and it alone, is measured at the end.
        strategy: how to search; default: everything where there are at most 1,000 combinations and the budget allows,
            else ``Interactions()``. Others: ``Exhaustive``, ``Random``, ``Coordinate``, ``Optuna``.
        start: a combination to begin with, or several, each a dict of labels by component: what is in use today, or
            the best of each by its own metric. Components that are not named stand at their first version.
        budget: evaluations at most; default: twice the number of versions of all slots, or all where these are few.
        seconds: after this time no further combination is begun.
        objectives: costs to weigh against the metric: ``"size"``, ``"latency"``, or facts of the candidates.
        executor: where to run: default: here, and by worker processes where that pays; a number of processes;
            ``"ray"``, or the address of a Ray cluster; or an engine of your own.
        store: where finished evaluations and outputs are kept, so that a search that was stopped goes on: a folder,
            or an object with ``find`` and ``add``; None keeps nothing.
        experiment: an ``Experiment``, in whose store every evaluated combination becomes a version of the system with
            what was measured on it; a search that was stopped goes on from there, too.
        memory: bytes of outputs that are kept in memory; further ones are kept on disk.
        batch_size: samples that are run at once.
        unit: the field whose values are independent; intervals are over these.
        seed: of the search, of what components draw, and of intervals.
        show_progress: a bar when it takes longer than a moment.

    Raises:
        DeclarationError: something does not fit together; the message says what would have.
        ShapeError: versions of one slot answer in different forms.
        ComponentError: a component failed, or a worker died three times over the same task.
    """
    begin = time.monotonic()
    offered = _offered(candidates)
    metrics = metrics_by_edge(offered.system, metric)
    wanted = check_objectives(offered, objectives)
    space = Space(offered.sizes, offered.links, _start(offered, start))
    chosen, most = _plan(space, strategy, budget)
    deadline = inf if seconds is None else begin + seconds
    journal, folder = kept_in(store)
    recording = recorded_by(experiment, offered, metrics, data, seed)
    records = [one for one in (journal, recording) if one is not None]
    shards = Shards(offered.system, data, metrics, batch_size, unit, SHARDS)
    passes = Passes(offered, shards, metrics, unit, seed, Memo(folder, memory))
    engine = engine_of(executor)
    if engine is not None:
        folder = passes.memo.share() if passes.memo else folder
    evaluating = Evaluating(passes, records, engine, folder, deadline)
    name, first = next(iter(metrics.items()))
    sign = 1.0 if first.higher_is_better else -1.0
    bar: Progress[Any]
    with progress(most, f"selecting versions of {offered.system.name}", shown=show_progress) as bar:
        stopped = _search(evaluating, chosen.search(space, most, seed), name, sign, most, bar)
    report = summary(evaluating, space, type(chosen).__name__, stopped, wanted, test, seed, begin)
    if recording is not None:
        recording.record(report.best, {name: report.value}, data)
        if report.test:
            recording.record(report.best, report.test, test)
    for one in records:
        if hasattr(one, "close"):
            one.close()
    return report


def _search(evaluating: Evaluating, search: Search, name: str, sign: float, most: int, bar: Progress[Any]) -> str:
    """Let the strategy propose until it is done, or the budget or the time is spent; why it ended early."""
    proposed: set[Combination] = set()
    idle = 0
    try:
        wanted = next(search)
        while True:
            wanted = [tuple(map(int, one)) for one in wanted]
            for one in wanted:
                _check(evaluating.candidates, one)
            fresh = [one for one in dict.fromkeys(wanted) if one not in proposed][: most - len(proposed)]
            idle = 0 if fresh else idle + 1
            if idle > 1000:
                return "the strategy proposed nothing new a thousand times in a row."
            evaluating.evaluate(fresh, bar)
            proposed.update(one for one in fresh if one in evaluating.values)
            if evaluating.late:
                return "the time was spent."
            if any(one not in proposed for one in wanted):
                return "the budget was spent." if len(proposed) < evaluating.candidates.count else ""
            wanted = search.send([_told(evaluating, one, name, sign) for one in wanted])
    except StopIteration:
        return ""
    finally:
        search.close()


def _told(evaluating: Evaluating, combination: Combination, name: str, sign: float) -> float:
    """The value as strategies are told it, higher being better; the worst so far where there is none."""
    value = evaluating.values[combination][name]
    if value is not None and isfinite(value):
        return sign * value
    known = [found[name] for found in evaluating.values.values()]
    return min((sign * one for one in known if one is not None and isfinite(one)), default=0.0)


def _plan(space: Space, strategy: Any, budget: int | None) -> tuple[Strategy, int]:
    if budget is not None and budget < 1:
        raise DeclarationError(f"budget={budget}: one evaluation at least")
    small = space.count <= (SMALL if budget is None else budget)
    if strategy is None:
        from drivetrain.experiments.selecting.search.interactions import Interactions

        strategy = Exhaustive() if small else Interactions()
    if not hasattr(strategy, "search") or isinstance(strategy, type):
        raise DeclarationError(
            f"strategy={strategy!r} is none; what fits: Exhaustive(), Interactions(), Random(), Coordinate(), Optuna()"
        )
    most = space.count if isinstance(strategy, Exhaustive) or small else 2 * space.versions
    return strategy, min(most if budget is None else budget, space.count)


def _start(candidates: Candidates, start: Any) -> tuple[Combination, ...]:
    found, first = [], candidates.labels(tuple(0 for _ in candidates.slots))
    for labels in [start] if isinstance(start, Mapping) else start:
        for slot, label in labels.items():
            if label not in candidates.versions.get(slot, ()):
                known = candidates.versions.get(slot)
                raise DeclarationError(
                    f"start: '{slot}' has no version '{label}'; it has: {listed(known)}" if known
                    else f"start: '{slot}' is no slot; slots: {listed(candidates.slots)}"
                )  # fmt: skip
        found.append(candidates.combination({**first, **labels}))
    return tuple(found)


def _check(candidates: Candidates, combination: Combination) -> None:
    if len(combination) != len(candidates.sizes) or not all(
        0 <= place < size for place, size in zip(combination, candidates.sizes, strict=True)
    ):
        raise DeclarationError(
            f"the strategy proposed {combination}; the slots have {listed(candidates.sizes)} versions"
        )


def _offered(given: Any) -> Candidates:
    if isinstance(given, Candidates):
        return given
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], Mapping):
        return Candidates(*given)
    raise DeclarationError(
        f"select takes a system with versions, found {type(given).__name__}; "
        f'write select(Candidates(perception, {{"camera": [first, second]}}), data, metric)'
    )
