"""What a study answers: the paper's statistics over many repositories, each share with its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from scipy.stats import binomtest

from drivetrain.mining.stages import STAGES
from drivetrain.report import Report

Row = dict[str, Any]
_POPULARITY = ((0, 9), (10, 99), (100, 999), (1000, None))  # stars
_MOST = 15  # rows of a table of libraries or formats


@dataclass(frozen=True)
class StudyTable:
    """One table of the statistics, for a terminal or a page."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True, repr=False)
class StudyReport(Report):
    """The rows of a study and what they say together.

    A share stands with its 95 % interval (Wilson's): where it would lie were other repositories of the same kind drawn.

    Attributes:
        rows: one per repository, as in the Parquet file.
        table: the path of that file.
    """

    rows: tuple[Row, ...]
    table: str = ""

    @property
    def read(self) -> tuple[Row, ...]:
        """The rows of repositories that could be read."""
        return tuple(row for row in self.rows if not row.get("error"))

    def popular(self, minimum_stars: int) -> StudyReport:
        """The study of those repositories alone that at least so many people marked."""
        return StudyReport(tuple(row for row in self.rows if (row.get("stars") or 0) >= minimum_stars), self.table)

    def tables(self) -> tuple[StudyTable, ...]:
        """The statistics; those that nothing can be said about are left out."""
        made = (_overview, _libraries, _stored, _models, _patterns, _contexts, _training, _tests, _stages)
        tables = [make(self.read) for make in made] + [_popularity(self.read), _languages(self.read)]
        return tuple(table for table in tables if table.rows)

    def __rich__(self) -> RenderableType:
        failed = [row for row in self.rows if row.get("error")]
        parts: list[RenderableType] = [Text(f"{len(self.rows)} repositories, {len(self.read)} of them read", "bold")]
        parts += [Text(f"! {row['name']}: {row['error']}", style="yellow") for row in failed[:5]]
        parts += [Text(f"! and {len(failed) - 5} more that could not be read", style="yellow")] * (len(failed) > 5)
        for table in self.tables():
            drawn = Table(box=None, pad_edge=False)
            for i, header in enumerate(table.headers):
                drawn.add_column(header, justify="left" if i == 0 else "right")
            for row in table.rows:
                drawn.add_row(*map(escape, row))
            parts += [Text(""), Text(table.title, style="bold"), drawn]
        if self.table:
            parts += [Text(""), Text(f"every row is in {self.table}")]
        return Group(*parts)

    def to_dict(self) -> dict[str, Any]:
        """The rows and the tables."""
        tables = [{"title": one.title, "headers": one.headers, "rows": one.rows} for one in self.tables()]
        return {"rows": list(self.rows), "tables": tables, "table": self.table}


def share(count: int, of: int) -> str:
    """A share with its interval: ``40 % [35, 45]``; Wilson 1927 by scipy."""
    if not of:
        return ""
    low, high = binomtest(count, of).proportion_ci(0.95, method="wilson")
    return f"{100 * count / of:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def _shares(
    title: str, what: str, rows: tuple[Row, ...], lines: Iterable[tuple[str, Callable[[Row], Any]]]
) -> StudyTable:
    counted = [(name, sum(bool(holds(row)) for row in rows)) for name, holds in lines]
    cells = tuple((name, str(count), share(count, len(rows))) for name, count in counted) if rows else ()
    return StudyTable(title, (what, "repositories", "share"), cells, f"of {len(rows)} repositories")


def _counts(title: str, what: str, rows: tuple[Row, ...], found: Callable[[Row], Iterable[str]]) -> StudyTable:
    counts = Counter(name for row in rows for name in set(found(row)))
    cells = tuple((name, str(count), share(count, len(rows))) for name, count in counts.most_common(_MOST))
    return StudyTable(title, (what, "repositories", "share"), cells, f"of {len(rows)} repositories")


def _overview(rows: tuple[Row, ...]) -> StudyTable:
    lines: list[tuple[str, Callable[[Row], Any]]] = [
        ("read in part, with a notice", lambda row: row["notices"]),
        ("use an ML library", lambda row: row["libraries"]),
        ("use more than one", lambda row: len(row["libraries"]) > 1),
        ("use more than one of the paper's three", lambda row: len(row.get("paper_libraries") or ()) > 1),
        ("hold notebooks", lambda row: row["notebooks"]),
    ]
    return _shares("Repositories", "which", rows, lines)


def _libraries(rows: tuple[Row, ...]) -> StudyTable:
    return _counts("Libraries", "library", rows, lambda row: row["libraries"])


def _stored(rows: tuple[Row, ...]) -> StudyTable:
    formats = _counts("", "", rows, lambda row: row["model_formats"]).rows
    lines: list[tuple[str, Callable[[Row], Any]]] = [
        ("store a model", lambda row: row["model_files"]),
        ("store one as the paper counts (.h5 .pb .pt .pth)", lambda row: row.get("paper_model_files")),
        ("keep one on a server for large files", lambda row: row["pointers"]),
        ("fetch one while they run", lambda row: row["downloads"]),
        ("say where one is stored elsewhere", lambda row: row["elsewhere"]),
        ("none of these", lambda row: not (row["model_files"] or row["downloads"] or row["elsewhere"])),
    ]
    table = _shares("Where trained models are", "which", rows, lines)
    more = tuple((f"format {name}", count, part) for name, count, part in formats)
    return StudyTable(table.title, table.headers, (*table.rows, *more), table.caption)


def _models(rows: tuple[Row, ...]) -> StudyTable:
    lines: list[tuple[str, Callable[[Row], Any]]] = [
        *((f"{n} model{'s' * (n != 1)}", lambda row, n=n: row["models"] == n) for n in range(5)),
        ("5 to 9 models", lambda row: 5 <= row["models"] < 10),
        ("10 models or more", lambda row: row["models"] >= 10),
        ("implement a model", lambda row: row["implementations"]),
    ]
    return _shares("Models per system", "which hold", rows, lines)


def _patterns(rows: tuple[Row, ...]) -> StudyTable:
    several = tuple(row for row in rows if row["models"] > 1)
    table = _counts("Integration patterns", "pattern", several, lambda row: row["patterns"])
    alone = sum(not row["patterns"] for row in several)
    none = (("none", str(alone), share(alone, len(several))),) if several else ()
    return StudyTable(table.title, table.headers, (*table.rows, *none), f"of {len(several)} with more than one model")


def _contexts(rows: tuple[Row, ...]) -> StudyTable:
    by_pattern: dict[str, list[Row]] = {}
    for row in rows:
        for context in row["contexts"] or ():
            by_pattern.setdefault(context["pattern"], []).append(context)
    cells = []
    for pattern, found in sorted(by_pattern.items(), key=lambda item: -len(item[1])):
        sizes = [context["models"] for context in found]
        common = [_most_common(context[kind] or () for context in found) for kind in ("libraries", "tasks", "media")]
        cells.append((pattern, str(len(found)), f"{median(sizes):g}", *common))
    headers = ("pattern", "found", "models (median)", "libraries", "tasks", "handed over by")
    return StudyTable("The context of each pattern", headers, tuple(cells))


def _training(rows: tuple[Row, ...]) -> StudyTable:
    scopes = sorted({row["training_scope"] for row in rows if row["training_scope"] not in (None, "none")})
    patterns = sorted({pattern for row in rows for pattern in row["training_patterns"] or ()})
    lines: list[tuple[str, Callable[[Row], Any]]] = [
        ("hold training code", lambda row: row["training_code"]),
        ("use models, and train them elsewhere", lambda row: row["models"] and not row["training_code"]),
        *((f"scope: {scope}", lambda row, s=scope: row["training_scope"] == s) for scope in scopes),
        *((f"pattern: {name}", lambda row, n=name: n in (row["training_patterns"] or ())) for name in patterns),
        ("train on the output of another model", lambda row: row["trained_on_outputs"]),
        ("validate their data", lambda row: row["validations"]),
    ]
    return _shares("Training", "which", rows, lines)


def _tests(rows: tuple[Row, ...]) -> StudyTable:
    lines: list[tuple[str, Callable[[Row], Any]]] = [
        ("hold tests", lambda row: row["tests"]),
        ("hold tests that run a model", lambda row: row["tests_of_models"]),
    ]
    table = _shares("Tests", "which", rows, lines)
    cells = list(table.rows)
    tested = [row for row in rows if row["tests"]]
    for what, touched, lines_of in (
        ("ML code", "ml_lines_tested", "ml_lines"),
        ("other code", "other_lines_tested", "other_lines"),
    ):
        parts = [row[touched] / row[lines_of] for row in tested if row[lines_of]]
        if parts:
            cells.append(
                (f"{what} that tests touch, median where there are any", str(len(parts)), f"{median(parts):.0%}")
            )
    return StudyTable(table.title, table.headers, tuple(cells), table.caption)


def _stages(rows: tuple[Row, ...]) -> StudyTable:
    lines = ((stage, lambda row, s=stage: row[s.lower()]) for stage in STAGES)
    return _shares("Stages of development", "stage", rows, lines)


def _popularity(rows: tuple[Row, ...]) -> StudyTable:
    cells = []
    for low, high in _POPULARITY:
        some = [
            r for r in rows if r["stars"] is not None and low <= r["stars"] and (high is None or r["stars"] <= high)
        ]
        if some:
            cells.append(
                (
                    f"{low} or more" if high is None else f"{low} to {high}",
                    str(len(some)),
                    share(sum(row["models"] > 1 for row in some), len(some)),
                    share(sum(bool(row["model_files"]) for row in some), len(some)),
                    share(sum(bool(row["tests_of_models"]) for row in some), len(some)),
                )
            )
    headers = ("stars", "repositories", "several models", "store a model", "test a model")
    return StudyTable("By popularity", headers, tuple(cells))


def _languages(rows: tuple[Row, ...]) -> StudyTable:
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        for language in row["languages"] or ():
            by_name.setdefault(language["name"], []).append(language)
    cells = [
        (
            name,
            str(len(found)),
            f"{sum(one['lines'] for one in found):,}",
            str(sum(one["loading"] > 0 for one in found)),
        )
        for name, found in sorted(by_name.items(), key=lambda item: -len(item[1]))
    ]
    return StudyTable("Besides Python", ("language", "repositories", "lines", "load a model"), tuple(cells))


def _most_common(lists: Iterable[Iterable[str]], shown: int = 3) -> str:
    counts = Counter(name for one in lists for name in one)
    return ", ".join(f"{name} ({count})" for name, count in counts.most_common(shown))
