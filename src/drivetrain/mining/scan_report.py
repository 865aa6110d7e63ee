"""What ``scan`` answers: the findings as a terminal report, a dict, a drawing, a page, and a sketch of the system."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from drivetrain.graph.drawing import svg, text
from drivetrain.mining.drawing import diagram
from drivetrain.mining.facts import Facts
from drivetrain.mining.findings import FEEDS, MEMORY, Edge, Integration, Model, Place, Repository
from drivetrain.mining.sketch import sketch
from drivetrain.report import Report, plain

_SHOWN = 12  # rows of a table in a terminal; --json has all of them


@dataclass(frozen=True, repr=False)
class ScanReport(Report):
    """What was found in one repository.

    Attributes:
        repository: models, edges, patterns, training, libraries, stored models.
        facts: everything that was counted.
        counting: how libraries and model files were: ``"person"`` or ``"paper"``.
        mapping: of calls to stages: ``"resolved"`` or ``"idowu2024"``.
    """

    repository: Repository
    facts: Facts
    counting: str = "person"
    mapping: str = "resolved"

    def to_dict(self) -> dict[str, Any]:
        """The findings, what was counted, and the measures that ``--fail-if`` knows."""
        return {
            "repository": plain(self.repository),
            "facts": plain(self.facts),
            "counting": self.counting,
            "mapping": self.mapping,
            "measures": self.measures,
        }

    @property
    def measures(self) -> dict[str, int]:
        """The numbers by which a report can be judged, by name."""
        found, facts = self.repository, self.facts
        patterns = {f"pattern {one.pattern}" for one in found.integrations}
        return {
            "files": found.files,
            "lines": found.lines,
            "libraries": len(found.libraries),
            "ml_files": len(found.ml_files),
            "model_files": len(found.model_files),
            "models": len(self.models),
            "edges": len(found.wiring.edges),
            "merges": len(found.wiring.merges),
            "patterns": len(found.integrations),
            "implementations": sum(not one.part for one in facts.implementations),
            "training_files": len(facts.training_files),
            "downloads": len(facts.downloads),
            "tests": facts.tested.tests,
            "tests_of_models": len(found.tests),
            "validations": len(facts.validation),
            "notices": len(found.notices),
            **dict.fromkeys(sorted(patterns), 1),
        }

    @property
    def models(self) -> tuple[Model, ...]:
        """The models that the system itself uses; all of them if it uses none."""
        models = self.repository.wiring.models
        return tuple(model for model in models if model.main) or models

    def svg(self) -> str | None:
        """The found system as one SVG element; None if no model was found."""
        graph = diagram(self.repository.name, self.repository.wiring)
        return None if graph is None else svg(graph)

    def drawing(self) -> str | None:
        """The found system as text for a terminal; None if no model was found."""
        graph = diagram(self.repository.name, self.repository.wiring)
        return None if graph is None else text(graph)

    def sketch(self) -> str:
        """The text of a Python module that declares the found system, every guess marked."""
        return sketch(self.repository)

    def __rich__(self) -> RenderableType:
        found, facts = self.repository, self.facts
        parts: list[RenderableType] = [Text(self._heading(), style="bold"), Text("")]
        parts += [_libraries(self), *_stored(self)]
        if self.models:
            parts += [Text(""), _models(self.models), *_edges(found.wiring.edges)]
        parts += [Text(""), *_patterns(found.integrations, len(self.models)), _training(self), _stages(self)]
        parts += [_tests(self), *_elsewhere(facts)]
        if found.notices:
            parts += [Text(""), *(Text(f"! {notice}", style="yellow") for notice in found.notices)]
        return Group(*parts)

    def _heading(self) -> str:
        found = self.repository
        books = f", {self.facts.notebooks} of them notebooks" if self.facts.notebooks else ""
        return (
            f"{found.name}: {found.lines:,} lines in {found.files} Python files{books}; read in {found.seconds:.1f} s"
        )


def _libraries(report: ScanReport) -> RenderableType:
    libraries = report.repository.libraries
    if not libraries:
        return Text("No machine-learning library is used.")
    how = ", counted as in the paper's data set" if report.counting == "paper" else ""
    table = _table(f"Libraries of {len(report.repository.ml_files)} files{how}", "library", "files", "for instance")
    for library in libraries[:_SHOWN]:
        table.add_row(escape(library.name), str(len(library.files)), escape(library.files[0]))
    return _shortened(table, len(libraries), "libraries")


def _stored(report: ScanReport) -> list[RenderableType]:
    files = report.repository.model_files
    if not files:
        return []
    table = _table("Stored models", "file", "format", "size")
    for file in files[:_SHOWN]:
        pointer = file.path in report.facts.pointers
        table.add_row(escape(file.path), file.format, "on a server (Git LFS)" if pointer else _bytes(file.bytes))
    return [Text(""), _shortened(table, len(files), "stored models")]


def _models(models: tuple[Model, ...]) -> RenderableType:
    table = _table("Models", "model", "made by", "where", "does", "weights")
    for model in models[:_SHOWN]:
        doubt = "" if model.confidence >= 0.5 else " ?"
        table.add_row(model.name + doubt, *map(escape, (model.maker, str(model.place), model.task, model.weights)))
    return _shortened(table, len(models), "models")


def _edges(edges: tuple[Edge, ...]) -> list[RenderableType]:
    if not edges:
        return []
    table = _table("How they meet", "from", "", "to", "where", "through", "sure")
    for edge in edges[:_SHOWN]:
        how = "->" if edge.kind == FEEDS else edge.kind.replace("_", " ")
        medium = () if edge.medium == MEMORY else (edge.medium,)
        through = ", ".join((*medium, *edge.through[:3]))
        where = str(edge.at_target or edge.at_source or "")
        table.add_row(edge.source, how, edge.target, escape(where), escape(through), f"{edge.confidence:.0%}")
    return [Text(""), _shortened(table, len(edges), "edges")]


def _patterns(integrations: tuple[Integration, ...], models: int) -> list[RenderableType]:
    if not integrations:
        several = f"None between {models} models." if models > 1 else "None: there is only one model." if models else ""
        return [Text(f"Integration patterns  {several or 'None: no model was found.'}")]
    table = _table("Integration patterns", "pattern", "models", "at", "evidence")
    for found in integrations[:_SHOWN]:
        evidence = ", ".join(map(str, found.evidence[:3])) + (", ..." if len(found.evidence) > 3 else "")
        table.add_row(found.pattern, escape(", ".join(found.models)), escape(found.at), escape(evidence))
    return [_shortened(table, len(integrations), "patterns")]


def _training(report: ScanReport) -> Text:
    trained = report.repository.training
    if not trained.code:
        return Text("Training              no code that trains")
    how = f" ({', '.join(trained.patterns)})" if trained.patterns else ""
    more = ["in stages"] * trained.staged + ["on the output of other models"] * trained.on_outputs
    places = _places(trained.evidence)
    return Text(f"Training              {trained.scope}{how}{''.join(f', {word}' for word in more)}; {places}")


def _stages(report: ScanReport) -> Text:
    counts = ", ".join(f"{stage} {count}" for stage, count in report.repository.stages.items() if count)
    named = "" if report.mapping == "resolved" else f" ({report.mapping})"
    return Text(f"Files per stage       {counts or 'none'}{named}")


def _tests(report: ScanReport) -> Text:
    tested, of_models = report.facts.tested, report.repository.tests
    if not (tested.tests or of_models):
        return Text("Tests                 none")
    touched = ""
    if tested.tests:
        shares = [
            f"{touched / lines:.0%} of {what}"
            for touched, lines, what in (
                (tested.ml_touched, tested.ml_lines, "ML code"),
                (tested.other_touched, tested.other_lines, "other code"),
            )
            if lines
        ]
        touched = f"; they touch {' and '.join(shares)}" if shares else ""
    places = f" ({_places(of_models)})" if of_models else ""
    return Text(f"Tests                 {tested.tests}, of which {len(of_models)} run a model{places}{touched}")


def _elsewhere(facts: Facts) -> list[Text]:
    said = [
        ("Written here          ", [f"{one.name} ({one.place})" for one in facts.implementations if not one.part]),
        ("Fetched at run time   ", [str(place) for place in facts.downloads]),
        ("Stored elsewhere      ", [str(place) for place in facts.elsewhere]),
        ("Data validated        ", [str(place) for place in facts.validation]),
    ]
    lines = [Text(f"{title}{_listed(places)}") for title, places in said if places]
    for language in facts.languages:
        loads = f", models are loaded in {_places(language.loading)}" if language.loading else ""
        lines.append(
            Text(f"{'Besides Python':<22}{language.name}: {language.lines:,} lines in {language.files} files{loads}")
        )
    return lines


def _places(places: Iterable[Place]) -> str:
    return _listed([str(place) for place in places])


def _listed(words: list[str], shown: int = 3) -> str:
    return ", ".join(words[:shown]) + (f" and {len(words) - shown} more" if len(words) > shown else "")


def _table(title: str, *columns: str) -> Table:
    # The title is kept for the line above the table: as its own title it would be wrapped to the table's width.
    table = Table(caption=title, box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in ("files", "size", "sure") else "left", overflow="fold")
    return table


def _shortened(table: Table, rows: int, what: str) -> RenderableType:
    title, table.caption = Text(str(table.caption), style="bold"), None
    if rows <= _SHOWN:
        return Group(title, table)
    return Group(title, table, Text(f"... and {rows - _SHOWN} more {what}; --json lists all"))


def _bytes(count: int) -> str:
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count} bytes"
