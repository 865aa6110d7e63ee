"""``python -m examples.matrix``: run every cell of the matrix, or what is missing of it, and write its page."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from examples.protocol.store import Store

from .cases import EPOCHS, arms, name, systems
from .cells import BASELINE, LOSS, NONE, WIN, words
from .pages import about, in_words, markdown, matrix, page
from .running import run_missing, trials
from .systems import MIXES
from .worlds import INTEGRATIONS, KINDS, Kind

COLOURS = {WIN: "green", LOSS: "red", NONE: "dim"}


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Worlds and starts a system; a cell pairs three systems.")] = 7,
    workers: Annotated[int, typer.Option(min=1, help="Processes, one thread each.")] = 2,
    minutes: Annotated[float | None, typer.Option(help="Begin no more trials after so long; resume later.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of rows and page; finished rows are kept.")] = Path("report/matrix"),
    publish: Annotated[Path | None, typer.Option(help="Also write the tables to this Markdown file.")] = None,
    only: Annotated[str, typer.Option(help="Systems whose name holds this word, such as 'join' or 'keras'.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="One system a cell, 2 seeds, 2 epochs: it runs.")] = False,
) -> None:
    """Train every small system by every pattern, and tell where which one wins, loses, or does not apply."""
    begin, console = time.monotonic(), Console(highlight=False)
    if not console.is_terminal:
        console.width = 200
    seeds, epochs = (2, 2) if quick else (seeds, EPOCHS)
    kinds: tuple[Kind, ...] = ("exact",) if quick else KINDS
    chosen = [found for found in systems() if found[2] in kinds and only.lower() in name(*found).lower()]
    if not chosen:
        raise SystemExit(f"--only {only}: no system is called so; there are: {', '.join(name(*s) for s in systems())}")
    patterns = list(arms("fork"))
    store = Store(out / "rows.jsonl")
    asked = trials([name(*found) for found in chosen], patterns, seeds, epochs)
    deadline = None if minutes is None else begin + 60 * minutes
    left = run_missing(asked, store, workers=workers, deadline=deadline)
    wanted = set(asked)
    rows = [row for row in store.rows() if (row["system"], row["arm"], row["seed"], row["epochs"]) in wanted]
    found = matrix(rows, patterns, kinds)
    detailed = {} if quick else {kind: matrix(rows, patterns, [kind]) for kind in kinds}
    shown = Table("integration", "mix", *patterns)
    for integration in INTEGRATIONS:
        for mix in MIXES:
            cells = [(found[integration, mix, arm], arm) for arm in patterns]
            coloured = [
                f"[{COLOURS.get(each.outcome, 'default') if arm != BASELINE else 'default'}]{words(each, arm)}"
                for each, arm in ((each, arm) for each, arm in cells)
            ]
            shown.add_row(integration, mix, *(cell.replace(" [", " \\[") for cell in coloured))
    console.print(shown)
    for sentence in in_words(found, patterns):
        console.print(f"- {sentence}", markup=False)
    command = "python -m examples.matrix" + (" --quick" if quick else f" --seeds {seeds}")
    introduction = about(command + (f" --only {only}" if only else ""), seeds, epochs, kinds)
    written = markdown(found, patterns, introduction, detailed, left)
    for path in (out / "RESULTS.md", publish):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(written, encoding="utf-8")
    html = page(found, patterns, introduction, detailed).write(out / "index.html")
    late = f"{left} trials are still to run; the same command goes on. " if left else ""
    console.print(f"{late}{time.monotonic() - begin:.0f} s; the page is {html}", markup=False)


if __name__ == "__main__":
    typer.run(main)
