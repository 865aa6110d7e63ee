"""Claim: a bridge to another framework costs less than half a millisecond a call above the framework's own call.

Run with the environment that has the frameworks: `.venv-full/bin/python -m benchmarks.bridges`. Each is measured
in a process of its own; its own compiled call and ours take turns. What counts is the difference within a round.

Tesseract (in process, its `apply` and `vector_jacobian_product`) takes its turns around the very same JAX function. It
asks for older packages than MLflow, so it runs in an environment of its own, whose interpreter `--tesseract` names:
`python -m venv peer && peer/bin/pip install "tesseract-core[runtime]" jax`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.bridges.contestants import FRAMEWORKS
from benchmarks.bridges.turns import OURS, OWN, TESSERACT, measured
from benchmarks.measure import RESULTS

LIMIT = 0.5e-3  # seconds


def main(arguments: list[str] | None = None) -> int:
    """Measure every framework, print, write; 0 when the claim holds for all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the rounds")
    parser.add_argument(
        "--tesseract", metavar="PYTHON", default="", help="an interpreter that has tesseract-core[runtime]"
    )
    parser.add_argument("--only", choices=list(FRAMEWORKS), help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.only:
        peer = asked.tesseract if asked.only == "jax" else ""
        print(json.dumps(measured(FRAMEWORKS[asked.only], 40 if asked.quick else 200, peer)))
        return 0
    table = Table(title="What a bridge costs a call, above the framework's own", caption=CAPTION)
    for column in ("framework", "call", "own ms", "drivetrain above it, ms", "tesseract above it, ms"):
        table.add_column(column, justify="left" if column in ("framework", "call") else "right")
    found, missed = {}, []
    for name in FRAMEWORKS:
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.bridges", "--only", name]
        command += ["--tesseract", asked.tesseract]
        run = subprocess.run([*command, "--quick"] if asked.quick else command, capture_output=True, text=True)
        if run.returncode:
            table.add_row(name, "not measured", run.stderr.strip().splitlines()[-1][:80], "", "")
            missed.append(f"{name}: not measured")
            continue
        found[name] = json.loads(run.stdout.splitlines()[-1])
        for call, seconds in found[name].items():
            cost = above(seconds, OURS)
            peer = told(above(seconds, TESSERACT)) if TESSERACT in seconds else "-"
            table.add_row(name, call, f"{1e3 * float(np.median(seconds[OWN])):.3f}", told(cost), peer)
            if cost[0] > LIMIT:
                missed.append(f"{name}, {call}")
    console = Console(width=120)
    console.print(table)
    verdict = f"[red]MISSED[/]: {'; '.join(missed)}" if missed else "[green]met[/]"
    console.print(f"{verdict}; claimed: at most {1e3 * LIMIT:.1f} ms above the framework's own call")
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "bridges.json").write_text(json.dumps({"limit": LIMIT, "seconds": found, "missed": missed}))
    return 1 if missed else 0


CAPTION = "medians of paired rounds [95 % by bootstrap]; 32 rows, 16 numbers to 8, float32, one thread"


def above(seconds: dict[str, list[float]], who: str) -> tuple[float, float, float]:
    """The median over rounds of what somebody takes more than the framework itself, with the bootstrap's interval."""
    more = np.asarray(seconds[who]) - np.asarray(seconds[OWN])
    draws = np.median(np.random.default_rng(0).choice(more, size=(2000, len(more))), axis=1)
    return float(np.median(more)), *(float(end) for end in np.quantile(draws, [0.025, 0.975]))


def told(cost: tuple[float, float, float]) -> str:
    """Milliseconds with their interval."""
    return f"{1e3 * cost[0]:.3f} [{1e3 * cost[1]:.3f}, {1e3 * cost[2]:.3f}]"


if __name__ == "__main__":
    sys.exit(main())
