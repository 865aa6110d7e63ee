"""Measures every claim, one script after another; exits with 1 when one is missed."""

from __future__ import annotations

import subprocess
import sys

SCRIPTS = [
    "calling_a_system",
    "epochs_of_the_race_car",
    "sum_of_digits",
    "decisions",
    "estimators",
    "select_speed",
    "recording",
    "tracking",
    "killing_the_writer",
    "sweep_runs",
    "search",
    "merging",
]


def main() -> int:
    """Each script runs in a process of its own, so that none inherits the caches of another."""
    missed = []
    for script in SCRIPTS:
        print(f"\n== benchmarks.{script}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{script}", *sys.argv[1:]], check=False).returncode:
            missed.append(script)
    print("\nmissed: " + ", ".join(missed) if missed else "\nall claims met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
