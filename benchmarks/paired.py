"""Contestants train from the same seeds on the same data; what counts is the difference within a seed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.measure import RESULTS


@dataclass(frozen=True)
class Outcome:
    """One training by one contestant from one seed.

    Attributes:
        quality: on test data, by the measure that the table names.
        calls: answers of the program, or of the solver, for one sample, during training.
        seconds: of the training.
        curve: calls so far and quality, after each epoch.
        distinct: how many of the calls asked something new, where that is known.
    """

    quality: float
    calls: int
    seconds: float
    curve: tuple[tuple[int, float], ...] = ()
    distinct: int = 0


@dataclass(frozen=True)
class NoWorse:
    """`ours` is at most `margin` worse than `peer` in mean quality, and asks for no more calls."""

    ours: str
    peer: str
    margin: float


def report(
    title: str, quality: str, outcomes: Mapping[str, Sequence[Outcome]], claims: Sequence[NoWorse],
    against: str, not_measured: Mapping[str, str], *, up: bool = True,
) -> bool:  # fmt: skip
    """Print the table and the verdicts, write them as JSON; were all claims met? `up`: more of it is better."""
    console = Console(width=150)
    seeds = len(outcomes[against])
    table = Table(title=title, caption=f"mean of {seeds} paired seeds; 95 % interval (bootstrap over seeds)")
    distinct = any(run.distinct for runs in outcomes.values() for run in runs)
    columns = ["contestant", quality, "interval", f"minus {against}", "interval", "calls", "distinct", "seconds"]
    for column in columns if distinct else [c for c in columns if c != "distinct"]:
        table.add_column(column, justify="left" if column == "contestant" else "right")
    for name, runs in outcomes.items():
        mean, low, high = interval([run.quality for run in runs])
        gap, gap_low, gap_high = difference(outcomes, name, against)
        different = [f"{np.mean([run.distinct for run in runs]):,.0f}"] if distinct else []
        table.add_row(
            name, f"{mean:.4f}", f"{low:.4f} to {high:.4f}", f"{gap:+.4f}", f"{gap_low:+.4f} to {gap_high:+.4f}",
            f"{np.mean([run.calls for run in runs]):,.0f}", *different, f"{np.mean([run.seconds for run in runs]):.2f}",
        )  # fmt: skip
    for name, reason in not_measured.items():
        table.add_row(name, "not measured", reason)
    console.print(table)
    verdicts = [_verdict(claim, outcomes, console, up) for claim in claims]
    RESULTS.mkdir(parents=True, exist_ok=True)
    record = {
        "title": title, "quality": quality, "not_measured": dict(not_measured),
        "outcomes": {name: [asdict(run) for run in runs] for name, runs in outcomes.items()},
        "claims": [{**asdict(claim), "met": met} for claim, met in zip(claims, verdicts, strict=True)],
    }  # fmt: skip
    Path(RESULTS / f"{title.lower().replace(' ', '_').replace(',', '')}.json").write_text(json.dumps(record, indent=2))
    return all(verdicts)


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and the bootstrap's 95 % interval of it (Efron 1979, percentile method)."""
    array = np.asarray(values)
    means = np.random.default_rng(0).choice(array, size=(4000, len(array))).mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(array.mean()), float(low), float(high)


def difference(outcomes: Mapping[str, Sequence[Outcome]], one: str, other: str) -> tuple[float, float, float]:
    """Of qualities within the seeds: mean and interval."""
    return interval([a.quality - b.quality for a, b in zip(outcomes[one], outcomes[other], strict=True)])


def _verdict(claim: NoWorse, outcomes: Mapping[str, Sequence[Outcome]], console: Console, up: bool) -> bool:
    if claim.peer not in outcomes:
        console.print(f"not judged: {claim.ours} against {claim.peer}, which was not measured")
        return True
    gap, low, high = difference(outcomes, claim.ours, claim.peer)
    calls, theirs = (float(np.mean([run.calls for run in outcomes[name]])) for name in (claim.ours, claim.peer))
    met = (low >= -claim.margin if up else high <= claim.margin) and calls <= theirs
    console.print(
        f"[{'green' if met else 'red'}]{'met' if met else 'MISSED'}[/]: {claim.ours} is {gap:+.4f} ({low:+.4f} to "
        f"{high:+.4f}) beside {claim.peer} (at most {claim.margin} worse claimed), with {calls:,.0f} calls against "
        f"{theirs:,.0f}"
    )
    return met
