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
from rich.table import Table
from torch import Tensor, nn

from benchmarks.measure import RESULTS
from drivetrain import System, component, system
from drivetrain.experiments import Candidates, select
from drivetrain.experiments.search import Exhaustive, Interactions

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

    def __init__(self, wiring: dict[str, str], versions: int, seconds: float) -> None:
        self.wiring = {name: read.split() for name, read in wiring.items()}
        self.stages = {
            name: [Stage(100 * place + one, seconds) for one in range(versions)] for place, name in enumerate(wiring)
        }
        generator = torch.Generator().manual_seed(7)
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
    found = select(
        candidates,
        data,
        closeness,
        strategy=strategy,
        budget=budget,
        store=folder,
        batch_size=SAMPLES,
        show_progress=False,
    )
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
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    found: dict[str, dict[str, Merge]] = {}
    for name, wiring in WIRING.items():
        found[name] = {}
        for method, merge in METHODS.items():
            project = Project(wiring, 2 if options.quick else VERSIONS[name], 0.001 if options.quick else 0.01)
            project.taken()
            with tempfile.TemporaryDirectory() as folder, torch.no_grad():
                begin = time.perf_counter()
                best = merge(project, Path(folder))
                seconds, files = time.perf_counter() - begin, Path(folder).rglob("*")
                stored = sum(path.stat().st_size for path in files if path.is_file())
            found[name][method] = Merge(seconds, project.taken(), stored, best)
    return 0 if report(found, judged=not options.quick) else 1


def report(found: dict[str, dict[str, Merge]], *, judged: bool) -> bool:
    """Print, judge, write."""
    console, verdicts = Console(width=130), []
    for name, merges in found.items():
        table = Table(title=f"merging: {name}", caption=f"faster, less: than {ANEW}; one run each")
        for column in ("method", "seconds", "faster", "passes", "stored MB", "less", "best value"):
            table.add_column(column, justify="left" if column == "method" else "right")
        first = merges[ANEW]
        for method, one in merges.items():
            table.add_row(
                method, f"{one.seconds:.2f}", f"{first.seconds / one.seconds:.1f}", str(one.passes),
                f"{one.bytes / 1e6:.2f}", f"{first.bytes / one.bytes:.1f}", f"{one.best:.4f}",
            )  # fmt: skip
        console.print(table)
        assert np.isclose(merges[OURS].best, first.best, atol=1e-5), "the merges must find the same best combination"
        verdicts.append((f"{name}: no more time than MLCask's merge", merges[OURS].seconds <= merges[MLCASK].seconds))
        verdicts.append((f"{name}: at most 1.1 of its storage", merges[OURS].bytes <= 1.1 * merges[MLCASK].bytes))
    for words, met in verdicts if judged else []:
        console.print(f"{'met' if met else 'MISSED'}: {words}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    record = {
        "title": "merging", "merges": {n: {m: asdict(one) for m, one in each.items()} for n, each in found.items()},
        "claims": [{"claim": words, "met": met} for words, met in verdicts] if judged else [],
    }  # fmt: skip
    (RESULTS / "merging.json").write_text(json.dumps(record, indent=2) + "\n")
    return not judged or all(met for _, met in verdicts)


def _bytes(value: Tensor) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
