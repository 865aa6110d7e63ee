"""Whether the scan bears repositories that nobody prepared for it: no crash, nothing of them run, a report in time.

Each repository is read in a process of its own, with a hook of the interpreter that notes every import from the
repository, every program that is started (but git), every connection and everything that is unpickled; then its report
is printed, drawn, sketched and turned into a dict. A folder may be a checkout or a repository of git, of which the
newest commit is read. What was done already stands in ``--out`` and is not done again.

    python -m benchmarks.scan_crashes checkouts/* --out crashes.jsonl
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SLACK = 5.0  # seconds over the limit that a report may come late: the folder is listed and the report printed
MOST = 3.0  # times the limit, after which a process is stopped by force, which counts as a crash


def read_one(folder: Path, seconds: float) -> dict[str, Any]:
    """Everything that the verb does with one repository, and what the interpreter was seen to do meanwhile."""
    from drivetrain.mining.scan import scan
    from drivetrain.mining.study_list import Entry, brought

    with brought(Entry(folder.name, str(folder))) as files:
        run = _watched(files.resolve())
        started = time.perf_counter()
        report = scan(files, seconds=seconds, name=folder.name)
        took = time.perf_counter() - started
        report.to_dict()
        str(report)
        if report.models:
            report.svg()
            report.sketch()
        found = report.repository
        return {
            "files": found.files,
            "lines": found.lines,
            "models": len(report.models),
            "seconds": round(took, 2),
            "faults": [notice for notice in found.notices if "fault of ours" in notice],
            "stopped": [notice for notice in found.notices if "time ran out" in notice or "stopped after" in notice],
            "run": run,
        }


def _watched(folder: Path) -> list[str]:
    """The list to which the interpreter adds whatever would run something of the folder."""
    seen: list[str] = []
    inside = f"{folder}/"

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event == "import" and any(str(one).startswith(inside) for one in given[1:2]):
            seen.append(f"import {given[0]}")
        elif event == "exec" and str(getattr(given[0], "co_filename", "")).startswith(inside):
            seen.append(f"exec {given[0].co_filename}")
        elif event == "subprocess.Popen" and Path(str(given[0])).name != "git":
            seen.append(f"start {given[0]}")
        elif event in ("os.system", "os.exec", "os.posix_spawn", "socket.connect", "pickle.find_class"):
            seen.append(f"{event} {given[:1]}")

    sys.addaudithook(hook)
    return seen


def examined(folder: Path, seconds: float) -> dict[str, Any]:
    """One repository in a process of its own; ``crash`` says how that ended, and is empty if it ended well."""
    command = [sys.executable, "-X", "faulthandler", "-m", "benchmarks.scan_crashes", "--one", str(folder)]
    try:
        run = subprocess.run(
            [*command, "--seconds", str(seconds)], capture_output=True, text=True, timeout=MOST * seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return {"crash": f"still running after {MOST * seconds:g} s"}
    if run.returncode:
        return {"crash": f"exit {run.returncode}: {run.stderr.strip()[-400:]}"}
    return {"crash": ""} | dict(json.loads(run.stdout))


def main() -> int:
    """Read all, count, and exit with 1 if any crashed, was run, or came late."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folders", nargs="*", type=Path, help="checkouts, or repositories of git")
    options.add_argument("--out", type=Path, default=Path("scan_crashes.jsonl"), help="a line for each [%(default)s]")
    options.add_argument("--seconds", type=float, default=60.0, help="limit of one scan [%(default)g]")
    options.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.one:
        print(json.dumps(read_one(chosen.one, chosen.seconds)))
        return 0
    if not chosen.folders:
        options.error("no folder was given")
    lines = chosen.out.read_text().splitlines() if chosen.out.exists() else []
    done: dict[str, dict[str, Any]] = {row["folder"]: row for row in map(json.loads, lines)}
    with chosen.out.open("a") as out:
        for count, folder in enumerate(chosen.folders, start=1):
            if str(folder) not in done:
                row = {"folder": str(folder), **examined(folder, chosen.seconds)}
                done[str(folder)] = row
                out.write(json.dumps(row) + "\n")
                out.flush()
                print(
                    f"{count}/{len(chosen.folders)} {folder.name} {row.get('seconds', '')} {row['crash']}", flush=True
                )
    return told([done[str(folder)] for folder in chosen.folders], chosen.seconds)


def told(rows: list[dict[str, Any]], seconds: float) -> int:
    """Print what came of all of them."""
    well = [row for row in rows if not row["crash"]]
    crashed = [f"{row['folder']}: {row['crash']}" for row in rows if row["crash"]]
    faults = [f"{row['folder']}: {fault}" for row in well for fault in row["faults"]]
    run = [f"{row['folder']}: {what}" for row in well for what in row["run"]]
    late = [f"{row['folder']}: {row['seconds']} s" for row in well if row["seconds"] > seconds + SLACK]
    stopped = [row for row in well if row["stopped"]]
    slowest = max(well, key=lambda row: row["seconds"], default={"seconds": 0.0, "folder": ""})
    print(f"{len(rows)} repositories, {sum(row['files'] for row in well)} Python files and notebooks,", end=" ")
    print(f"{sum(row['lines'] for row in well)} lines, {sum(row['models'] for row in well)} models")
    for name, bad in (("crashed", crashed), ("faults told", faults), ("code executed", run), ("late", late)):
        print(f"{name:16s}{len(bad)}", *(f"\n  {one}" for one in bad))
    print(f"{'partial':16s}{len(stopped)} (a notice says so; limit {seconds:g} s)")
    print(f"{'slowest':16s}{slowest['seconds']} s ({Path(slowest['folder']).name})")
    return int(bool(crashed or faults or run or late))


if __name__ == "__main__":
    sys.exit(main())
