"""Claim: merging branches of development takes no more passes, time and storage than MLCask's merge, and less at joins.

MLCask (Luo et al. 2021, ICDE) merges two branches of a pipeline by trying all combinations of the versions that either
made, as a tree: a node is a component version below the versions before it, computed once and kept, its output stored
by content. Its code is not published; this is the method as the paper tells it, run on our systems. No versions are
incompatible here, so its pruning by compatibility has nothing to prune. ``select`` does not store what no other
combination could read.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn

from benchmarks.measure import RESULTS
from benchmarks.paired import interval
from drivetrain import System, component, system
from drivetrain.experiments import Candidates, select
from drivetrain.experiments.selecting.search import Exhaustive, Interactions

ANEW, MLCASK, OURS, SEARCHED = "every pipeline anew", "MLCask's merge", "select, all combinations", "select, searched"
SAMPLES, WIDTH = 256, 64
WIRING = {
    "a chain of four": {"clean": "raw", "embed": "clean", "match": "embed", "rank": "match"},
    "three sensors that join": {"camera": "raw", "lidar": "raw", "radar": "raw"},
    "the LiDAR branch of Apollo": {
        "ground": "raw", "clusters": "ground", "kinds": "clusters", "moves": "clusters", "near": "raw",
        "solids": "kinds moves near",
    },
}  # fmt: skip
VERSIONS = {"a chain of four": 4, "three sensors that join": 5, "the LiDAR branch of Apollo": 3}


class Stage(nn.Module):
    """Mixes what it reads, and takes its time: [n, 64] each -> [n, 64]."""

    def __init__(self, seed: int, seconds: float) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.mixing = nn.Parameter(torch.randn(WIDTH, WIDTH, generator=generator) / WIDTH**0.5)
        self.seconds = seconds
        self.passes = [0]

    def forward(self, *read: Tensor) -> Tensor:
        time.sleep(self.seconds)
        self.passes[0] += 1
        return torch.tanh(sum(read[1:], read[0]) @ self.mixing)


@dataclass(frozen=True)
class Merge:
    """What one method took.

    Attributes:
        seconds: by the clock.
        passes: of a component over the data.
        bytes: that are stored of outputs afterwards.
        best: the value of the best combination.
    """

    seconds: float
    passes: int
    bytes: int
    best: float


class Project:
    """A wiring with versions of each stage, and data."""

    def __init__(self, wiring: dict[str, str], versions: int, seconds: float, seed: int) -> None:
        self.wiring = {name: read.split() for name, read in wiring.items()}
        self.stages = {
            name: [Stage(10_000 * seed + 100 * place + one, seconds) for one in range(versions)]
            for place, name in enumerate(wiring)
        }
        generator = torch.Generator().manual_seed(10_007 + seed)
        self.raw = torch.randn(SAMPLES, WIDTH, generator=generator)
        read = {edge for edges in self.wiring.values() for edge in edges}
        self.ends = [name for name in wiring if name not in read]
        with torch.no_grad():
            self.truth = self.run({name: stages[-1] for name, stages in self.stages.items()})
        self.truth += 0.1 * torch.randn(self.truth.shape, generator=generator)

    def run(self, chosen: dict[str, Stage]) -> Tensor:
        """The system's answer."""
        known = {"raw": self.raw}
        for name, read in self.wiring.items():
            known[name] = chosen[name](*(known[edge] for edge in read))
        return self.joined(known)

    def joined(self, known: dict[str, Tensor]) -> Tensor:
        """What the glue makes of the ends."""
        return torch.stack([known[end] for end in self.ends]).sum(0)

    def value(self, answer: Tensor) -> float:
        """Of an answer, higher being better."""
        return float(closeness(answer, self.truth).mean())

    def taken(self) -> int:
        """Passes so far; counting begins anew."""
        stages = list(itertools.chain(*self.stages.values()))
        total = sum(stage.passes[0] for stage in stages)
        for stage in stages:
            stage.passes[0] = 0
        return total

    def combinations(self) -> Iterator[dict[str, int]]:
        """All of them, the last stage varying fastest."""
        sizes = [range(len(stages)) for stages in self.stages.values()]
        return (dict(zip(self.stages, one, strict=True)) for one in itertools.product(*sizes))


def closeness(prediction: Tensor, truth: Tensor) -> Tensor:
    """One value a sample."""
    return 1 / (1 + (prediction - truth).abs().mean(1))


def anew(project: Project, folder: Path) -> float:
    """Every pipeline is run, and everything that it makes is archived under it."""
    best = -1.0
    for number, chosen in enumerate(project.combinations()):
        known = {"raw": project.raw}
        for name, read in project.wiring.items():
            known[name] = project.stages[name][chosen[name]](*(known[edge] for edge in read))
            (folder / f"{number}-{name}.pt").write_bytes(_bytes(known[name]))
        best = max(best, project.value(project.joined(known)))
    return best


def mlcask(project: Project, folder: Path) -> float:
    """The tree of versions in pipeline order, depth first: what is computed at a node is kept for all below it."""
    kept: dict[tuple[int, ...], Tensor] = {}
    names, best = list(project.wiring), -1.0
    for chosen in project.combinations():
        known = {"raw": project.raw}
        path: tuple[int, ...] = ()
        for name in names:
            path = (*path, chosen[name])
            if path not in kept:
                kept[path] = project.stages[name][chosen[name]](*(known[edge] for edge in project.wiring[name]))
                content = _bytes(kept[path])
                (folder / hashlib.sha256(content).hexdigest()).write_bytes(content)
            known[name] = kept[path]
        best = max(best, project.value(project.joined(known)))
    return best


def ours(project: Project, folder: Path, strategy: Any, budget: int | None = None) -> float:
    """``select`` with its outputs in a folder."""
    candidates = Candidates(declared(project), project.stages)
    data = {"raw": project.raw, "answer": project.truth}
    how: dict[str, Any] = {"batch_size": SAMPLES, "show_progress": False}
    found = select(candidates, data, closeness, strategy=strategy, budget=budget, store=folder, **how)
    return found.tried[0].values["answer"]


def declared(project: Project) -> System:
    """The wiring as a system."""
    on = {
        name: component(name, project.stages[name][0], f"{', '.join(read)} -> {name}_made".replace("raw_made", "raw"))
        for name, read in ((name, [_edge(edge) for edge in read]) for name, read in project.wiring.items())
    }
    ends = [_edge(end) for end in project.ends]

    @component(f"{', '.join(ends)} -> answer")
    def glue(*made: Tensor) -> Tensor:
        return torch.stack(made).sum(0)

    @system
    def pipeline(raw: Any) -> Any:
        known = {"raw": raw}
        for name, read in project.wiring.items():
            known[name] = on[name](*(known[edge] for edge in read))
        return glue(*(known[end] for end in project.ends))

    return pipeline


def _edge(name: str) -> str:
    return name if name == "raw" else f"{name}_made"


METHODS: dict[str, Callable[[Project, Path], float]] = {
    ANEW: anew,
    MLCASK: mlcask,
    OURS: lambda project, folder: ours(project, folder, Exhaustive()),
    SEARCHED: lambda project, folder: ours(project, folder, Interactions(), 2 * sum(map(len, project.stages.values()))),
}


def main(arguments: list[str] | None = None) -> int:
    """Merge, print, write; 0 when the claims hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two versions and passes of 1 ms, which judge nothing")
    parser.add_argument("--seeds", type=int, default=20, help="projects of each wiring: models, data and truth (20)")
    parser.add_argument(
        "--ms", type=float, default=2.0, help="what a pass takes; the longer, the more passes weigh (2)"
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no seed later than this (60)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    deadline = time.monotonic() + 60 * options.minutes
    found: dict[str, dict[str, list[Merge]]] = {name: {method: [] for method in METHODS} for name in WIRING}
    for seed in track(range(2 if options.quick else options.seeds), "merging", console=Console(stderr=True)):
        if seed and time.monotonic() > deadline:
            break
        for name, method in np.random.default_rng(seed).permutation(list(itertools.product(WIRING, METHODS))).tolist():
            versions, ms = (2, 1.0) if options.quick else (VERSIONS[name], options.ms)
            found[name][method].append(measured(Project(WIRING[name], versions, ms / 1000, seed), METHODS[method]))
    return 0 if report(found, options.ms, judged=not options.quick) else 1


def measured(project: Project, merge: Callable[[Project, Path], float]) -> Merge:
    """What a method takes to merge a project."""
    project.taken()
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        begin = time.perf_counter()
        best = merge(project, Path(folder))
        seconds, files = time.perf_counter() - begin, Path(folder).rglob("*")
        stored = sum(path.stat().st_size for path in files if path.is_file())
    return Merge(seconds, project.taken(), stored, best)


def report(found: dict[str, dict[str, list[Merge]]], ms: float, *, judged: bool) -> bool:
    """Print, judge, write."""
    console, verdicts = Console(width=130), []
    for name, merges in found.items():
        seeds = len(merges[ANEW])
        words = (
            f"mean of {seeds} seed{'s' * (seeds > 1)}, passes of {ms:g} ms; faster, less: than {ANEW}, with the 95 % "
        )
        table = Table(title=f"merging: {name}", caption=f"{words}interval of the mean ratio (bootstrap over seeds)")
        for column in ("method", "seconds", "faster", "passes", "stored MB", "less", "best value"):
            table.add_column(column, justify="left" if column == "method" else "right")
        for method, runs in merges.items():
            faster, less = (_ratio(merges[ANEW], runs, what) for what in ("seconds", "bytes"))
            table.add_row(
                method, f"{np.mean([one.seconds for one in runs]):.2f}", "{:.1f} [{:.1f}, {:.1f}]".format(*faster),
                f"{np.mean([one.passes for one in runs]):.0f}", f"{np.mean([one.bytes for one in runs]) / 1e6:.2f}",
                "{:.1f} [{:.1f}, {:.1f}]".format(*less), f"{np.mean([one.best for one in runs]):.4f}",
            )  # fmt: skip
        console.print(table)
        for one, other in zip(merges[OURS], merges[ANEW], strict=True):
            assert np.isclose(one.best, other.best, atol=1e-5), "the merges must find the same best combination"
        for what, limit, claim in (
            ("seconds", 1.0, "no more time than"),
            ("bytes", 1.1, "at most 1.1 of the storage of"),
        ):
            ratio = _ratio(merges[OURS], merges[MLCASK], what)
            told = "{:.2f} [{:.2f}, {:.2f}]".format(*ratio)
            verdicts.append((f"{name}: {claim} {MLCASK}, the interval included: {told}", ratio[2] <= limit))
    for words, met in verdicts if judged else []:
        console.print(f"{'met' if met else 'MISSED'}: {words}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    record = {
        "title": "merging", "ms": ms,
        "merges": {n: {m: [asdict(one) for one in runs] for m, runs in each.items()} for n, each in found.items()},
        "claims": [{"claim": words, "met": met} for words, met in verdicts] if judged else [],
    }  # fmt: skip
    (RESULTS / "merging.json").write_text(json.dumps(record, indent=2) + "\n")
    return not judged or all(met for _, met in verdicts)


def _ratio(above: list[Merge], below: list[Merge], what: str) -> tuple[float, float, float]:
    """Of pairs of the same seed: mean and interval."""
    return interval([getattr(one, what) / getattr(other, what) for one, other in zip(above, below, strict=True)])


def _bytes(value: Tensor) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
