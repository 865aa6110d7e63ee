"""The comparison from one end to the other: tune, run what is missing, read all rows, say what they say, write it."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console

from examples.protocol.store import Store

from .arms import ARMS, at
from .running import jobs_of, run_all
from .store import identity
from .trial import Sizes
from .tuning import Tuning


@dataclass(frozen=True)
class Settings:
    """What is compared: how many seeds, which shares of the data, how large a trial, how much may be tuned."""

    seeds: int = 20
    shares: tuple[float, ...] = (0.05, 0.2, 0.5, 1.0)
    sizes: Sizes = field(default_factory=Sizes)
    tuning: Tuning = field(default_factory=Tuning)

    def command(self) -> str:
        """The words that run it, or go on with it."""
        shares = ",".join(f"{share:g}" for share in self.shares)
        return (
            f"python -m examples.race_car.comparison --seeds {self.seeds} --fractions {shares} "
            f"--scenes {self.sizes.scenes} --epochs {self.sizes.epochs}"
        )


def main(
    settings: Settings,
    out: Path,
    *,
    workers: int = 2,
    minutes: float | None = None,
    publish: Path | None = None,
) -> None:
    """Run the comparison, print its tables, and leave `rows.jsonl`, `tables.json` and `RESULTS.md` in `out`."""
    from .results import markdown
    from .summary import words
    from .tables import tables
    from .trials import complete

    console, begin = Console(highlight=False), time.monotonic()
    if not console.is_terminal:
        console.width = 150  # a file has no width; tables want some
    deadline = None if minutes is None else begin + 60 * minutes
    store, tuning, sizes = Store(out / "rows.jsonl"), settings.tuning.jobs(), asdict(settings.sizes)
    console.print(
        f"{len(ARMS)} arms x {settings.seeds} seeds on all data, {len(at(0))} of them on {len(settings.shares) - 1} "
        f"parts of it too, on {workers} processes, after {len(tuning)} trials that tune the learning rates: about an "
        f"hour on two idle cores in the full form. Finished rows are in {store.path}.",
        markup=False,
    )
    if run_all(tuning, settings.sizes, store, "tuning", workers=workers, deadline=deadline, test=False):
        console.print("The learning rates are not tuned yet; the same command goes on.")
        return
    rates = settings.tuning.chosen(store.rows(sizes=sizes))
    jobs = jobs_of(settings.seeds, settings.shares, rates)
    left = run_all(jobs, settings.sizes, store, "comparing", workers=workers, deadline=deadline)
    asked = set(jobs)
    rows = complete([row for row in store.rows(sizes=sizes) if identity(row) in asked])
    if not rows:
        console.print("No seed is complete yet; the same command goes on.")
        return
    found = tables(rows)
    for table in found:
        console.print(table.rich(), "\n")
    for sentence in words(rows):
        console.print(f"- {sentence}", markup=False)
    if left:
        console.print(f"{left} trials are still to run; the same command goes on.", markup=False)
    (out / "tables.json").write_text(json.dumps([asdict(table) for table in found], indent=1), encoding="utf-8")
    text = markdown(settings.command(), rows, found, words(rows), settings.tuning, left)
    for path in (out / "RESULTS.md", publish):
        if path is not None:
            path.write_text(text, encoding="utf-8")
    console.print(f"{time.monotonic() - begin:.0f} s; tables are in {out / 'RESULTS.md'}", markup=False)
