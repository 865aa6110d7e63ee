"""The tables of a comparison, for the terminal, Markdown and JSON alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isnan

from rich.box import SIMPLE_HEAD
from rich.table import Table as RichTable
from rich.text import Text

from drivetrain.evaluation import Estimate

from .results import FEWEST, Results, median


@dataclass(frozen=True)
class Table:
    """A table as words."""

    title: str
    header: tuple[str, ...]
    rows: list[list[str]]
    note: str = ""

    def rich(self) -> RichTable:
        """For the terminal."""
        table = RichTable(*self.header, title=self.title, caption=self.note, box=SIMPLE_HEAD)
        table.title_justify = table.caption_justify = "left"
        for row in self.rows:
            table.add_row(*map(Text, row))
        return table

    def markdown(self) -> str:
        """For a file."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"## {self.title}\n\n{body}\n\n{self.note}\n"


def tables(results: Results) -> list[Table]:
    """Quality, pairs with the baseline, cost to target, what became of the inner edges."""
    found = [_quality(results), _pairs(results), _cost(results)]
    found += [_also(results)] if results.case.also else []
    return [*found, _own(results)] if results.case.own else found


def words(results: Results) -> list[str]:
    """One sentence an arm: its difference, the verdict, its labels."""
    base = results.case.baseline
    return [
        f"{arm}: {results.against_baseline(arm).text(signed=True)} against {base}: {results.verdict(arm)}; "
        f"{results.labels(arm):.0f} label values against {results.labels(base):.0f}."
        for arm in results.case.arms
        if arm != base
    ]


def _quality(results: Results) -> Table:
    scores = results.scores()
    header = ("arm", *(_called(results, score) for score in scores))
    body = [[arm, *(text(results.estimate(arm, score)) for score in scores)] for arm in results.case.arms]
    pair = results.estimate(results.case.baseline)
    over = f"{pair.units} units ({results.case.unit})" if results.case.unit else f"{len(results.seeds)} seeds"
    return Table("Quality of the system", header, body, f"Test data, {len(results.seeds)} seeds; [95 %] over {over}.")


def _pairs(results: Results) -> Table:
    scores = [score for score in results.scores() if score.startswith("end")]
    parts = ("difference", "verdict")
    header = ("arm", *(f"{_called(results, score)}: {part}" for score in scores for part in parts))
    body = []
    for arm in results.case.arms:
        pairs = [(results.against_baseline(arm, s).text(signed=True), results.verdict(arm, s)) for s in scores]
        if arm != results.case.baseline:
            body.append([arm, *(cell for pair in pairs for cell in pair)])
    title = f"Against {results.case.baseline}, paired; margin {results.case.margin}, stated beforehand"
    return Table(title, header, body, f"No verdict under {FEWEST} independent units.")


def _cost(results: Results) -> Table:
    models = list(dict.fromkeys(model for arm in results.case.arms for model in results.of(arm)[0]["updates"]))
    body = []
    for arm in results.case.arms:
        iterations = results.to_target(arm, lambda point: point["iterations"])
        seconds = results.to_target(arm, lambda point: point["seconds"])
        row = results.of(arm)[0]
        updates = ", ".join(f"{model} {row['updates'].get(model, 0)}" for model in models)
        passes = ", ".join(f"{model} {forward}/{backward}" for model, (forward, backward) in row["passes"].items())
        reached = f"{sum(cost < inf for cost in iterations)} of {len(iterations)}"
        labels = (f"{results.labels(arm):.0f}", f"{row['labels']['validation']}")
        body.append([arm, reached, _median(iterations), _median(seconds), updates, passes, *labels, f"{row['rate']:g}"])
    header = (
        "arm", "reached", "iterations to target", "seconds to target", "updates in all", "passes forward/backward",
        "training label values", "on validation", "rate",
    )  # fmt: skip
    note = (
        f"Target of a seed: the baseline's end metric on validation less {results.case.margin}. Median over all seeds, "
        "never counted as infinite, with the interval of order statistics. Processor seconds, one thread."
    )
    return Table("Cost to target", header, body, note)


def _own(results: Results) -> Table:
    edges = list(results.case.own)
    body = [[arm, *(text(results.own(arm, edge)) for edge in edges)] for arm in results.case.arms]
    header = ("arm", *(f"{edge}: {results.case.own[edge].name}" for edge in edges))
    note = "Validation, mean over seeds. Low values beside a good system: the models rely on each other."
    return Table("What became of the inner edges", header, body, note)


def _also(results: Results) -> Table:
    base = results.case.baseline
    names = list(results.of(base)[0]["also"])
    body = [
        [arm, *(cell for name in names for cell in (text(results.also(arm, name)), _more(results, arm, name)))]
        for arm in results.case.arms
    ]
    header = ("arm", *(cell for name in names for cell in (name, f"{name}: against {base}")))
    return Table("Also measured", header, body, "Mean over seeds with [95 %]; differences are paired by seed.")


def _more(results: Results, arm: str, name: str) -> str:
    return "" if arm == results.case.baseline else results.also_against_baseline(arm, name).text(signed=True)


def text(found: Estimate) -> str:
    """A number and its interval, or a dash."""
    return "-" if isnan(found.value) else found.text()


def _called(results: Results, score: str) -> str:
    return score.replace("end", results.case.end_name, 1) if score.startswith("end") else score


def _median(values: Sequence[float]) -> str:
    middle, low, high = median(values)
    return _price(middle) if isnan(low) else f"{_price(middle)} [{_price(low)}, {_price(high)}]"


def _price(value: float) -> str:
    return "never" if value == inf else f"{value:.0f}" if value >= 10 else f"{value:.1f}"
