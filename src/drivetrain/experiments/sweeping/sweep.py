"""``sweep``: hyper-parameters of several models, searched towards a requirement on the system."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from math import isnan
from pathlib import Path
from typing import Any

from drivetrain.components import component
from drivetrain.errors import DeclarationError, listed
from drivetrain.evaluation.evaluate import evaluate
from drivetrain.evaluation.metrics import Metric, metrics_by_edge
from drivetrain.experiments.selecting.memo import Memo
from drivetrain.experiments.sweeping.partners import Partners
from drivetrain.experiments.sweeping.runs import Line, Runs
from drivetrain.experiments.sweeping.spaces import Swept, distributions, engine
from drivetrain.experiments.sweeping.sweep_report import SweepReport, TrainingRun
from drivetrain.graph import Component, System
from drivetrain.report import Progress, progress


def sweep(
    system: System,
    data: Any,
    metric: Any,
    models: Mapping[str, Any],
    *,
    runs: int,
    until: float | None = None,
    test: Any = None,
    store: str | Path | None = None,
    experiment: Any = None,
    batch_size: int = 64,
    unit: str | None = None,
    seed: int = 0,
    show_progress: bool = True,
) -> SweepReport:
    """Search the hyper-parameters of several models towards what the *system* shall do.

    One model is trained at a time. What a new version is worth is the best that any system reaches in which it stands
    together with versions that are there already; that costs no training, and outputs that are known are not computed
    again. So each model is judged by what it does for the system, and every training counts for all combinations.

    Args:
        system: the system; what stands in the slots of ``models`` is replaced.
        data: where systems are compared, as ``evaluate`` takes it. Not the test data.
        metric: what is required, as ``evaluate`` takes it; of several the first one.
        models: by component what is swept of it, a ``Swept``; they take turns.
        runs: training runs at most, of all models together.
        until: end as soon as the metric is this good on ``data``.
        test: data on which the best system, and it alone, is measured at the end.
        store: a folder where finished training runs are kept, so that a sweep that was stopped goes on.
        experiment: an ``Experiment``, in whose store the best system is recorded.
        batch_size: samples that are run at once.
        unit: the field whose values are independent; intervals are over these.
        seed: of Optuna's TPE, of training runs, and of intervals.
        show_progress: a bar when it takes longer than a moment.

    Raises:
        DeclarationError: something does not fit together; the message says what would have.
        DrivetrainError: Optuna is not installed.
    """
    begin = time.monotonic()
    _check(system, models, runs)
    (name, first), *_ = metrics_by_edge(system, metric).items()
    spaces = {model: distributions(model, swept) for model, swept in models.items()}
    studies = {model: _study(seed + place) for place, model in enumerate(models)}
    partners = Partners(system, data, {name: first}, Memo(), batch_size, unit, seed)
    kept = Runs(Path(store) if store is not None else None, partners.key)
    done: list[TrainingRun] = []
    order, remembered = list(models), 0
    told: list[tuple[str, dict[str, Any], Any]] = []
    bar: Progress[Any]
    with progress(runs, f"sweeping {system.name}", shown=show_progress) as bar:
        while len(done) < runs and not (done and _good(done[-1].best, until, first)):
            model = order[len(done) % len(order)]
            line = kept.next(model)
            if line is not None:
                parameters, trial, remembered = line.parameters, None, remembered + 1
                made = kept.restored(line, _component(system, model, models[model], parameters))
                seconds = line.seconds
            else:
                trial = studies[model].ask(spaces[model])
                parameters, start = dict(trial.params), time.monotonic()
                made = _trained(partners.best_system(), model, models[model], parameters, seed + len(done))
                seconds = time.monotonic() - start
            label = partners.add(model, made)
            told.append((model, parameters, trial))
            complete = len(done) + 1 >= len(order)
            value = partners.value_with(model, label) if complete else float("nan")
            for waiting in told if complete else []:  # the first ones wait until every model is there
                _tell(studies[waiting[0]], spaces[waiting[0]], waiting[1], waiting[2], partners.told(value))
            told = [] if complete else told
            best = partners.value if complete else float("nan")
            done.append(TrainingRun(model, label, parameters, value, best, seconds))
            if line is None:
                kept.add(Line(model, parameters, seconds), made)
            bar.advance(note="" if isnan(best) else f"best {first.name} {best:.4g}")
    found = partners.best_system()
    report = SweepReport(
        system.name, name, until, len(done) if _good(done[-1].best, until, first) else None,
        {model: _parameters(done, model, label) for model, label in partners.best.items()}, partners.value,
        _tested(found, test, metric, batch_size, unit, seed), tuple(done), remembered, partners.evaluations,
        time.monotonic() - begin, found,
    )  # fmt: skip
    if experiment is not None:
        experiment.record(found, evaluate(found, data, metric, batch_size=batch_size, unit=unit, show_progress=False))
    return report


def _good(value: float, until: float | None, metric: Metric) -> bool:
    if until is None or isnan(value):
        return False
    return value >= until if metric.higher_is_better else value <= until


def _study(seed: int) -> Any:
    optuna = engine()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))


def _tell(study: Any, space: dict[str, Any], parameters: dict[str, Any], trial: Any, value: float) -> None:
    if trial is not None:
        study.tell(trial, value)
        return
    study.add_trial(engine().trial.create_trial(params=parameters, distributions=space, value=value))


def _component(system: System, model: str, swept: Swept, parameters: dict[str, Any]) -> Component:
    place, thing = system.component(model), swept.build(**parameters)
    return thing if isinstance(thing, Component) else component(place.name, thing, str(place.signature))


def _trained(best: System, model: str, swept: Swept, parameters: dict[str, Any], seed: int) -> Component:
    made = _component(best, model, swept, parameters)
    if swept.train is None:
        return made
    there = copy.deepcopy(best.replace(**{model: made}))
    swept.train(there, seed, **parameters)
    return there.component(model)


def _tested(
    system: System, test: Any, metric: Any, batch_size: int, unit: str | None, seed: int
) -> dict[str, Any]:  # fmt: skip
    if test is None:
        return {}
    found = evaluate(system, test, metric, batch_size=batch_size, unit=unit, seed=seed, show_progress=False)
    return dict(found.estimates)


def _parameters(done: list[TrainingRun], model: str, label: str) -> dict[str, Any]:
    return next((run.parameters for run in done if run.model == model and run.label == label), {})


def _check(system: System, models: Mapping[str, Any], runs: int) -> None:
    if not models:
        raise DeclarationError(f'sweep: no models are given; write {{"NAME": Swept(...)}} of: {listed(system.models)}')
    for model, swept in models.items():
        system.component(model)
        if not isinstance(swept, Swept):
            raise DeclarationError(
                f"sweep: {model} is given a {type(swept).__name__}; write Swept(space, build=..., train=...)"
            )
    if runs < len(models):
        raise DeclarationError(
            f"runs={runs}: each of the {len(models)} models has to be trained once: {listed(models)}"
        )
