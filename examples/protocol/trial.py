"""One trial: one arm, one seed, one learning rate; trained, its thresholds tuned, tested once; answers a row."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from drivetrain import Metric, System, evaluate, fit
from drivetrain.evaluation import EvaluationReport, Rows
from drivetrain.training import FitReport, State

from .by_hand import Budget, ByHand, Trained, train_by_hand
from .case import Case, Splits, load
from .store import Row


class Job(NamedTuple):
    """Which trial: the seed of weights, data and reading order, the arm, Adam's rate; and how long it may train."""

    seed: int
    arm: str
    rate: float
    epochs: int


def run(reference: str, job: Job, *, test: bool = True) -> Row:
    """Train one arm; everything that the tables need, as plain values.

    A trial that only tunes the learning rate (``test`` is false) does not see the test data.
    """
    torch.set_num_threads(1)
    case, begin = load(reference), time.perf_counter()
    train, validation, unseen = case.data(job.seed, case.arms[job.arm].labels)
    system, curve = case.build(job.seed), _Curve(case, validation)
    report = _trained(case, job, system, train, validation, curve)
    tuned, thresholds = (system, {}) if case.tune is None else case.tune(system, validation)
    row = {
        **job._asdict(), "case": case.name, "thresholds": thresholds, "curve": curve.points, "verdict": report.verdict,
        "validation": _end(case, tuned, validation),
        "own": _scores(case, system, validation, case.own),
        "iterations": report.iterations, "updates": dict(report.updates), "seconds": curve.seconds,
        "passes": {model: list(count) for model, count in report.passes.items()},
        "labels": {use: report.labels.total(use=use) for use in ("training", "validation")},
    }  # fmt: skip
    if test:
        row |= {"test": _tested(case, tuned, unseen, job.seed)}
        if case.also is not None:
            row |= {"also": case.also(tuned, Splits(train, validation, unseen), job.seed)}
    return row | {"trial seconds": time.perf_counter() - begin}


def _trained(case: Case, job: Job, system: System, train: Any, validation: Any, curve: _Curve) -> FitReport | Trained:
    arm = case.arms[job.arm]
    chosen = arm.selected_by != "nobody"
    if isinstance(arm.pattern, ByHand):
        sign = 1 if case.ends[0].higher_is_better else -1
        judge = (lambda now: sign * _end(case, now.eval(), validation)) if chosen else None
        budget = Budget(int(arm.epochs(job.epochs)), case.batch_size, job.rate, job.seed)  # type: ignore[arg-type]
        return train_by_hand(
            system, train, arm.pattern, budget, tuple(str(end.edge) for end in case.ends), judge, curve
        )
    choosing = {f"choosing {place}": metric for place, metric in enumerate(case.choosing)} or _ends(case)
    metrics = by_edge({**(case.own if arm.selected_by == "own" else {}), **choosing})
    return fit(
        system, train, arm.pattern, epochs=arm.epochs(job.epochs), batch_size=case.batch_size,
        optimizer=lambda weights: torch.optim.Adam(weights, lr=job.rate), validation=validation if chosen else None,
        metric=metrics if chosen else None, seed=job.seed, callbacks=[curve],
    )  # fmt: skip


def by_edge(metrics: Mapping[str, Metric]) -> dict[str, dict[str, Metric]]:
    """Metrics by edge, then by name, as ``evaluate`` takes several."""
    grouped: dict[str, dict[str, Metric]] = {}
    for name, metric in metrics.items():
        grouped.setdefault(str(metric.edge), {})[name] = metric
    return grouped


def kept(rows: Rows) -> list[list[Any]]:
    """Sums by independent unit, as a file of JSON keeps them: unit, numerator, denominator."""
    sums: dict[str, list[float]] = {}
    for unit, above, below in zip(rows.units, rows.numerators, rows.denominators, strict=True):
        found = sums.setdefault(str(unit), [0.0, 0.0])
        found[0] += float(above)
        found[1] += float(below)
    return [[unit, *found] for unit, found in sums.items()]


def _tested(case: Case, system: System, test: Any, seed: int) -> dict[str, list[list[Any]]]:
    """The one look at the test data: clean by every metric, damaged by that of the end."""
    found = {"end": _end_rows(case, system, test), **_rows(case, system, test, case.scores)}
    for name, corrupt in case.corruptions.items():
        found[f"end, {name}"] = _end_rows(case, system, corrupt(test, seed))
    return {name: kept(rows) for name, rows in found.items()}


def _ends(case: Case) -> dict[str, Metric]:
    return {f"end {place}": metric for place, metric in enumerate(case.ends)}


def _end_rows(case: Case, system: System, data: Any) -> Rows:
    return Rows.joined(_rows(case, system, data, _ends(case)).values())


def _end(case: Case, system: System, data: Any) -> float:
    report = evaluate(system, data, by_edge(_ends(case)), show_progress=False)
    return Rows.joined(report.rows.values()).value


def _rows(case: Case, system: System, data: Any, metrics: Mapping[str, Metric]) -> dict[str, Rows]:
    if not metrics:
        return {}
    report = evaluate(system, data, by_edge(metrics), unit=case.unit, show_progress=False)
    return {name: report.rows[_name(report, str(metric.edge), name)] for name, metric in metrics.items()}


def _scores(case: Case, system: System, data: Any, metrics: Mapping[str, Metric]) -> dict[str, float]:
    if not metrics:
        return {}
    report = evaluate(system, data, by_edge(metrics), show_progress=False)
    return {name: report[_name(report, str(metric.edge), name)].value for name, metric in metrics.items()}


def _name(report: EvaluationReport, edge: str, name: str) -> str:
    return f"{edge}.{name}" if f"{edge}.{name}" in report.estimates else edge


class _Curve:
    """A callback that notes every few epochs what was paid so far and what it brought; its own time is left out."""

    def __init__(self, case: Case, validation: Any) -> None:
        self.case, self.validation = case, validation
        self.points: list[Row] = []
        self._paused = 0.0
        self._begin = time.process_time()

    @property
    def seconds(self) -> float:
        """Processor time since the beginning, one thread."""
        return time.process_time() - self._begin - self._paused

    def __call__(self, state: State) -> None:
        if len(state.history) % self.case.every:
            return
        seconds, begin = self.seconds, time.process_time()
        tuned = state.system if self.case.tune is None else self.case.tune(state.system, self.validation)[0]
        end = _end(self.case, tuned, self.validation)
        self.points.append(
            {"iterations": state.iteration, "seconds": seconds, "end": end, "updates": dict(state.updates)}
        )
        self._paused += time.process_time() - begin
