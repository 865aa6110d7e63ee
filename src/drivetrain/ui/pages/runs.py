"""Trainings: all of a system, and one of them."""

from __future__ import annotations

from typing import Any

from drivetrain.experiments import Store
from drivetrain.experiments.store.runs import RunRecord
from drivetrain.ui.charts import Point, curves
from drivetrain.ui.wording import count, duration, moment, number

NEWEST = 300  # runs that are listed
STEPS = 400  # of a curve that are drawn


def runs_page(store: Store, system: str) -> dict[str, Any]:
    """The trainings of a system, the newest first."""
    everything = store.runs.all(system=system)[::-1]
    return {
        "system": system,
        "tab": "runs",
        "count": len(everything),
        "runs": [_line(run) for run in everything[:NEWEST]],
    }


def run_page(store: Store, key: str) -> dict[str, Any]:
    """One training: what it was given, what it measured on the way, what it did, how it ended."""
    run = store.runs.get(key)
    report = dict(run.report or {})
    measures = store.runs.measures(run.key, at_most=STEPS)
    names = {each.digest: each.name or f"data {each.digest[:8]}" for each in store.data.all()}
    labels = {each.digest: str(each) for each in store.components.all()}
    loss = {name: measures[name] for name in measures if not name.startswith("validation ")}
    seen = {name.removeprefix("validation "): measures[name] for name in measures if name.startswith("validation ")}
    return {
        "system": run.system, "tab": "runs", "run": run, "line": _line(run), "verdict": report.get("verdict", ""),
        "charts": [
            {"words": words, "figure": curves({n: _points(v) for n, v in some.items()}, "iteration", words),
             "last": {n: number(v[-1][1]) for n, v in some.items() if v}}
            for words, some in (("validation", seen), ("training loss and its terms", loss)) if some
        ],
        "edges": [_edge(each) for each in report.get("edges", {}).values()],
        "models": [
            {"name": name, "updates": report["updates"].get(name, 0), "forward": passes[0], "backward": passes[1]}
            for name, passes in report.get("passes", {}).items()
        ],
        "labels": [
            {"edge": edge, "origin": origin, "use": use, "values": count(values)}
            for edge, origins in report.get("labels", {}).items()
            for origin, uses in origins.items() for use, values in uses.items()
        ],
        "data": [
            {"name": names.get(use.data, use.data[:8]), "use": use.use, "edge": use.edge}
            for use in store.runs.data(run.key)
        ],
        "contexts": [
            {"stage": each.stage + 1, "track": each.track, "pattern": each.pattern,
             "members": [f"{member.slot}: {labels.get(member.component, member.component[:8])} ({member.role})"
                         for member in each.members]}
            for each in store.contexts.all(run=run.key)
        ],
    }  # fmt: skip


def _line(run: RunRecord) -> dict[str, Any]:
    report = run.report or {}
    outputs = report.get("outputs", ())
    ends = [_edge(each) for each in report.get("edges", {}).values() if each.get("edge") in outputs]
    return {
        "key": run.key, "name": run.key[:8], "status": run.status, "pattern": run.pattern, "seed": run.seed,
        "experiment": run.experiment, "started": moment(run.started), "start": run.start, "result": run.result,
        "lasted": duration(run.ended - run.started if run.ended else None), "ends": ends, "error": run.error or "",
    }  # fmt: skip


def _edge(change: dict[str, Any]) -> dict[str, Any]:
    """What became of an edge; better or worse where its interval leaves zero out, as ``fit`` says it."""
    difference = change.get("difference")
    better = None
    if difference and difference.get("low") is not None and not difference["low"] <= 0 <= difference["high"]:
        better = (difference["value"] > 0) == change["higher_is_better"]
    return {
        "edge": change["edge"], "metric": change["metric"], "before": number(change["before"]),
        "after": number(change["after"]), "better": better,
    }  # fmt: skip


def _points(values: list[tuple[int, float]]) -> list[Point]:
    return [Point(step, value, None, None, 1) for step, value in values if value == value]
