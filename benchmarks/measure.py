"""Contestants are timed in turns, so that whatever else the machine does hits all of them; ratios are what counts."""

from __future__ import annotations

import gc
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

RESULTS = Path(os.environ.get("DRIVETRAIN_RESULTS", Path(__file__).parent / "results"))


@dataclass(frozen=True)
class Claim:
    """`contestant` takes at most `limit` times as long as `against`."""

    contestant: str
    against: str
    limit: float


@dataclass(frozen=True)
class Ratio:
    """Median over the rounds of one contestant's time divided by another's in the same round, with a 95 % interval."""

    contestant: str
    against: str
    median: float
    low: float
    high: float
    rounds: int


@dataclass
class Comparison:
    """What was measured: seconds of every contestant in every round, and why the absent ones are absent."""

    title: str
    seconds: Mapping[str, Sequence[float]]
    not_measured: Mapping[str, str] = field(default_factory=dict)

    def ratio(self, contestant: str, against: str) -> Ratio:
        """Of paired rounds; the interval is the bootstrap's of the median (Efron 1979, percentile method)."""
        ratios = np.asarray(self.seconds[contestant]) / np.asarray(self.seconds[against])
        draws = np.random.default_rng(0).choice(ratios, size=(2000, len(ratios)))
        low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
        return Ratio(contestant, against, float(np.median(ratios)), float(low), float(high), len(ratios))


def in_turns(
    contestants: Mapping[str, Callable[[], object]],
    rounds: int,
    calls: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds a call, one value a round: each round times `calls` calls of every contestant, in a new random order."""
    random = np.random.default_rng(0)
    names = list(contestants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        _seconds_per_call(contestants[name], calls, clock)  # warm up: caches, allocators, lazy imports
    gc.collect()
    gc.disable()  # a collection in one contestant's time would be paid for garbage of another
    try:
        for _ in track(range(rounds), "taking turns", transient=True, disable=not sys.stdout.isatty()):
            for index in random.permutation(len(names)):
                seconds[names[index]].append(_seconds_per_call(contestants[names[index]], calls, clock))
    finally:
        gc.enable()
    return seconds


def report(comparison: Comparison, against: str, claims: Sequence[Claim], unit: float = 1.0, name: str = "s") -> bool:
    """Print times (in `unit` seconds, called `name`), ratios and verdicts; write them as JSON; were all claims met?"""
    console = Console()
    table = Table(title=comparison.title, caption="ratios: median of paired rounds, 95 % interval")
    for column in ("contestant", f"median {name}", f"times {against}", "interval"):
        table.add_column(column, justify="left" if column == "contestant" else "right")
    ratios = [comparison.ratio(contestant, against) for contestant in comparison.seconds]
    for ratio in ratios:
        median = float(np.median(comparison.seconds[ratio.contestant])) / unit
        table.add_row(ratio.contestant, f"{median:.2f}", f"{ratio.median:.3f}", f"{ratio.low:.3f} to {ratio.high:.3f}")
    for contestant, reason in comparison.not_measured.items():
        table.add_row(contestant, "not measured", reason, "")
    console.print(table)
    verdicts = [_verdict(claim, comparison, console) for claim in claims]
    _write(comparison, ratios, claims, verdicts)
    return all(verdicts)


def absent_or(contestant: Callable[[], Callable[[], object]], not_measured: dict[str, str], name: str) -> dict:
    """`{name: call}` of a peer, or nothing where it is not installed, and then the reason is noted."""
    try:
        return {name: contestant()}
    except ImportError as error:
        not_measured[name] = f"not installed ({error.name}): make bench"
        return {}


def _seconds_per_call(call: Callable[[], object], calls: int, clock: Callable[[], float]) -> float:
    begin = clock()
    for _ in range(calls):
        call()
    return (clock() - begin) / calls


def _verdict(claim: Claim, comparison: Comparison, console: Console) -> bool:
    if claim.against not in comparison.seconds or claim.contestant not in comparison.seconds:
        console.print(f"not judged: {claim.contestant} against {claim.against}, which was not measured")
        return True
    ratio = comparison.ratio(claim.contestant, claim.against)
    met = ratio.median <= claim.limit
    console.print(
        f"[{'green' if met else 'red'}]{'met' if met else 'MISSED'}[/]: {claim.contestant} takes {ratio.median:.3f} of "
        f"{claim.against} ({ratio.low:.3f} to {ratio.high:.3f}); claimed: at most {claim.limit:.2f}"
    )
    return met


def _write(comparison: Comparison, ratios: Sequence[Ratio], claims: Sequence[Claim], verdicts: Sequence[bool]) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    record = {
        "title": comparison.title,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "median_seconds": {name: float(np.median(values)) for name, values in comparison.seconds.items()},
        "ratios": [asdict(ratio) for ratio in ratios],
        "claims": [{**asdict(claim), "met": met} for claim, met in zip(claims, verdicts, strict=True)],
        "not_measured": dict(comparison.not_measured),
    }
    path = RESULTS / f"{comparison.title.lower().replace(' ', '_').replace(',', '')}.json"
    path.write_text(json.dumps(record, indent=2) + "\n")
