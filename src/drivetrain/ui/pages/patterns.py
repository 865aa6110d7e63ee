"""Training patterns compared: what each reached over its runs, and at what cost."""

from __future__ import annotations

from statistics import median
from typing import Any

from drivetrain.experiments import Store
from drivetrain.experiments.store.runs import RunRecord
from drivetrain.ui.charts import clouds, curve, curves, mean_of
from drivetrain.ui.metrics import choices, chosen, goodness
from drivetrain.ui.wording import count, duration, interval

STEPS = 200
COSTS = {"seconds": "seconds", "iterations": "iterations", "labels": "label values read in training"}


def patterns_page(store: Store, system: str, metric: str, cost: str, measure: str) -> dict[str, Any]:
    """Finished runs by pattern.

    Args:
        store: what is shown.
        system: its name.
        metric: by which the versions that they made are judged; empty for the first.
        cost: ``seconds``, ``iterations`` or ``labels``.
        measure: whose curve is drawn; empty for the first on validation data.
    """
    finished = [run for run in store.runs.all(system=system) if run.status == "finished" and run.report]
    among = choices(store, system)
    if not finished or not among:
        return {"system": system, "tab": "patterns", "metrics": [], "rows": []}
    choice = chosen(store, system, among, metric)
    cost = cost if cost in COSTS else "seconds"
    matrix = store.evaluations.matrix(system, choice.metric, edge=choice.edge, data=choice.data)
    value = {row.number: row.value for row in matrix.rows if row.value == row.value}
    by_pattern: dict[str, list[RunRecord]] = {}
    for run in finished:
        by_pattern.setdefault(run.pattern, []).append(run)
    measures = {run.key: store.runs.measures(run.key, at_most=STEPS) for run in finished}
    names = list(dict.fromkeys(name for found in measures.values() for name in found))
    names.sort(key=lambda name: (not name.startswith("validation "), name != "loss per epoch"))
    measure = measure if measure in names else names[0] if names else ""
    rows: list[dict[str, Any]] = []
    for pattern, some in by_pattern.items():
        reached = [value[run.result] for run in some if run.result in value]
        mean, low, high = mean_of(reached) if reached else (float("nan"), None, None)
        rows.append({
            "pattern": pattern, "runs": len(some), "judged": len(reached), "value": interval(mean, low, high),
            "seconds": duration(median(_cost(run, "seconds") for run in some)),
            "iterations": count(round(median(_cost(run, "iterations") for run in some))),
            "labels": count(round(median(_cost(run, "labels") for run in some))),
            "order": goodness(mean, choice) if reached else float("-inf"),
        })  # fmt: skip
    rows.sort(key=lambda row: -row["order"])
    lines = {
        pattern: curve([measures[run.key][measure] for run in some if measure in measures[run.key]])
        for pattern, some in by_pattern.items()
    }
    points = {
        pattern: [(_cost(run, cost), value[run.result], f"run {run.key[:8]}, seed {run.seed}")
                  for run in some if run.result in value]
        for pattern, some in by_pattern.items()
    }  # fmt: skip
    return {
        "system": system, "tab": "patterns", "metrics": among, "choice": choice, "rows": rows, "costs": COSTS,
        "cost": cost, "measures": names, "measure": measure,
        "curves": curves({name: line for name, line in lines.items() if line}, "iteration", measure),
        "clouds": clouds({name: some for name, some in points.items() if some}, COSTS[cost], choice.words),
    }  # fmt: skip


def _cost(run: RunRecord, kind: str) -> float:
    report = run.report or {}
    if kind != "labels":
        return float(report.get(kind) or 0.0)
    return float(sum(
        values for origins in report.get("labels", {}).values() for uses in origins.values()
        for use, values in uses.items() if use == "training"
    ))  # fmt: skip
