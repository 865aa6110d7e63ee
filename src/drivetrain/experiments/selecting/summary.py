"""From evaluated combinations to a report: the best one checked, measured on test data once, and what it may lack."""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import isnan, nan
from typing import Any

from drivetrain.evaluation.evaluate import evaluate
from drivetrain.evaluation.statistics import Difference, Estimate, estimate, paired_difference
from drivetrain.evaluation.tally import Rows
from drivetrain.experiments.selecting.evaluating import Evaluating
from drivetrain.experiments.selecting.objectives import cost_of, costs, pareto
from drivetrain.experiments.selecting.passes import Passes
from drivetrain.experiments.selecting.search import Space
from drivetrain.experiments.selecting.search.regret import regret
from drivetrain.experiments.selecting.selection_report import Regret, SelectionReport, Tried
from drivetrain.experiments.versions.candidates import Candidates, Combination

AGREE = 1e-6  # relative; more than batches of other sizes make of it


def summary(
    evaluating: Evaluating,
    space: Space,
    strategy: str,
    stopped: str,
    objectives: Sequence[str],
    test: Any,
    seed: int,
    begin: float,
) -> SelectionReport:
    """The report of a search."""
    candidates, passes = evaluating.candidates, evaluating.passes
    name, metric = next(iter(passes.metrics.items()))
    sign = 1.0 if metric.higher_is_better else -1.0
    known = {one: values[name] for one, values in evaluating.values.items()}
    value = {one: nan if found is None else found for one, found in known.items()}
    order = sorted(value, key=lambda one: (isnan(value[one]), -sign * value[one] if value[one] == value[one] else 0.0))
    best = order[0]
    by_objective = {one: costs(candidates, one, evaluating.account) for one in objectives}
    priced = {one: {kind: cost_of(candidates, one, prices) for kind, prices in by_objective.items()} for one in order}
    tried = {one: Tried(candidates.labels(one), _values(evaluating, one), priced[one]) for one in order}
    fronts = {
        kind: tuple(tried[one] for one in pareto({one: (-sign * value[one], priced[one][kind]) for one in order}))
        for kind in objectives
    }
    counted = _passes(evaluating)
    rows, remarks = _confirmed(passes, best, value[best], name)
    tested, gain = _tested(candidates, best, passes, test, name, rows, seed)
    return SelectionReport(
        candidates.system.name,
        name,
        metric.higher_is_better,
        candidates.labels(best),
        estimate(rows, seed=seed) if len(rows) else Estimate(value[best], nan, nan, 0, 0),
        tested,
        gain,
        tuple(tried.values()),
        fronts,
        _regret(space, {one: sign * value[one] for one in order if not isnan(value[one])}, seed),
        candidates.count,
        len(order) - evaluating.remembered,
        evaluating.remembered,
        counted,
        time.monotonic() - begin,
        strategy,
        stopped,
        (*remarks, *_drawing(evaluating)),
        candidates,
    )


def _values(evaluating: Evaluating, combination: Combination) -> dict[str, float]:
    return {name: nan if found is None else found for name, found in evaluating.values[combination].items()}


def _passes(evaluating: Evaluating) -> dict[str, float]:
    """How often each slot ran over the whole data, added up over its versions."""
    shards = range(len(evaluating.passes.shards))
    size = sum(group.size for shard in shards for group in evaluating.passes.groups(shard))
    total = dict.fromkeys(evaluating.candidates.slots, 0.0)
    for (slot, _), samples in evaluating.account.samples.items():
        total[slot] += samples / max(1, size)
    return total


def _confirmed(passes: Passes, best: Combination, value: float, name: str) -> tuple[Rows, list[str]]:
    """The best combination run once more with nothing reused: what it says of each sample, and whether it agrees."""
    memo, passes.memo = passes.memo, None
    try:
        with passes.judging():
            tally = passes.tallies(range(len(passes.shards)), best)[name]
    finally:
        passes.memo = memo
    again = tally.value
    if abs(again - value) <= AGREE * max(1.0, abs(value)) or (isnan(again) and isnan(value)):
        return tally.rows, []
    return tally.rows, [
        f"not deterministic: run once more, the best combination has {name} {again:.6g} in place of {value:.6g}, "
        f"though the seeds of torch, numpy and random were pinned. {_culprits(passes, best)}"
    ]


def _culprits(passes: Passes, best: Combination) -> str:
    """Which components answer otherwise when they run a second time on the same values."""
    memo, passes.memo = passes.memo, None
    found = []
    with passes.judging():
        for group in passes.groups(0):
            for step in passes.plan(best, group.wanted):
                if passes.unsteady(step, group, best) and step.node.name not in found:
                    found.append(step.node.name)
    passes.memo = memo
    who = ", ".join(found) or "a component"
    return f"What draws from a generator, a clock or a state of its own: {who}; each counts by its first answer."


def _drawing(evaluating: Evaluating) -> list[str]:
    if not evaluating.account.draws:
        return []
    names: dict[str, list[str]] = {}
    for slot, place in sorted(evaluating.account.draws):
        names.setdefault(slot, []).append(list(evaluating.candidates.versions[slot])[place])
    who = "; ".join(f"{slot} {', '.join(labels)}" for slot, labels in names.items())
    return [f"these versions draw random numbers, whose seeds were pinned: {who}."]


def _tested(
    candidates: Candidates, best: Combination, passes: Passes, test: Any, name: str, rows: Rows, seed: int
) -> tuple[dict[str, Estimate], Difference | None]:
    """The best combination on the test data, and what it gains over the first versions."""
    first = tuple(0 for _ in best)
    metric = passes.metrics[name]
    if test is None:
        if first == best or not len(rows):
            return {}, None
        with passes.judging():
            other = passes.rows(first)[name]
        return {}, paired_difference(rows, other, higher_is_better=metric.higher_is_better, seed=seed)
    by_edge: dict[str, dict[str, Any]] = {}
    for key, one in passes.metrics.items():
        by_edge.setdefault(str(one.edge), {})[key] = one
    asked = {edge: next(iter(several.values())) if len(several) == 1 else several for edge, several in by_edge.items()}
    how: dict[str, Any] = {
        "batch_size": passes.shards.batch_size,
        "unit": passes.unit,
        "seed": seed,
        "show_progress": False,
    }
    judged = evaluate(candidates.build(best), test, asked, **how)
    found = judged.name_of(name if name in judged else str(metric.edge))
    if first == best or not len(judged.rows[found]):
        return dict(judged.estimates), None
    before = evaluate(candidates.build(first), test, asked, **how)
    difference = paired_difference(
        judged.rows[found], before.rows[found], higher_is_better=metric.higher_is_better, seed=seed
    )
    return dict(judged.estimates), difference


def _regret(space: Space, values: dict[Combination, float], seed: int) -> Regret:
    if len(values) == space.count:
        return Regret(0.0, 0.0, "every combination was evaluated on the data of the search.")
    expected, high = regret(space, values, seed)
    if isnan(expected):
        return Regret(nan, nan, "too few evaluations to say anything about the rest.")
    return Regret(
        expected,
        high,
        f"an estimate, not a bound: a model of versions and pairs fitted to {len(values)} values, then drawn from.",
    )
