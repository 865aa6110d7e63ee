"""``drivetrain runs show``: everything that is known of a run, a system version, a model or a data set."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from drivetrain.cli.runs.opening import AsJson, Place, moment, number, opened, say
from drivetrain.experiments.store import Store
from drivetrain.experiments.store.runs import RunRecord
from drivetrain.experiments.store.staleness import stale
from drivetrain.experiments.versions.version import ComponentVersion, DataSet, SystemVersion
from drivetrain.report import plain


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A run, a system version, a model or a data set.")],
    store: Place = None,
    as_json: AsJson = False,
) -> None:
    """Show everything that is known of a run, a system version, a model or a data set.

    Example:  drivetrain runs show last
              drivetrain runs show perception:3
              drivetrain runs show camera:2
    """
    asked = opened(store)
    found = asked.find(name)
    facts, tables = _TOLD[type(found)](asked, found)
    say(facts, as_json, Group(_pairs(str(found) if not isinstance(found, DataSet) else found.name, facts), *tables))


def _run(store: Store, run: RunRecord) -> tuple[dict[str, Any], list[RenderableType]]:
    report = dict(run.report or {})
    curves = {name: values[-1][1] for name, values in store.runs.measures(run.key).items()}
    data = [{"use": use.use, "edge": use.edge, "data": _data_name(store, use.data)} for use in store.runs.data(run.key)]
    contexts = [_context(store, each) for each in store.contexts.all(run=run.key)]
    facts = plain(run) | {"report": report, "data": data, "contexts": contexts, "last values": curves}
    edges = Table(title="what training did", title_justify="left")
    for column in ("edge", "metric", "before", "after"):
        edges.add_column(column, justify="right" if column in ("before", "after") else "left")
    for change in (report.get("edges") or {}).values():
        edges.add_row(change["edge"], change["metric"], number(change["before"]), number(change["after"]))
    members = Table(title="who was trained in whose context", title_justify="left")
    for column in ("stage", "models read", "slot", "role", "model"):
        members.add_column(column)
    for each in contexts:
        reads = "the truth" if each["inputs"] == "truth" else "what the others answer"
        for member in each["members"]:
            members.add_row(
                f"{each['stage'] + 1}, {each['pattern']}", reads, member["slot"], member["role"], member["model"]
            )
    tables: list[RenderableType] = [edges] if report.get("edges") else []
    tables += [members] if contexts else []
    tables += [Text(str(report["verdict"]))] if report.get("verdict") else []
    return facts, tables


def _system(store: Store, version: SystemVersion) -> tuple[dict[str, Any], list[RenderableType]]:
    models = {slot: store.components.get(digest) for slot, digest in version.pins.items()}
    measured, old = store.evaluations.of(version), stale(store, version)
    aliases = [alias for alias, number in store.promotions.current(version.system).items() if number == version.number]
    facts = plain(version) | {
        "promoted to": aliases, "models": plain(models), "measured": plain(measured), "stale": plain(old),
    }  # fmt: skip
    pins = Table()
    for column in ("slot", "model", "parameters", "bytes", "made by"):
        pins.add_column(column, justify="right" if column in ("parameters", "bytes") else "left")
    for slot, model in models.items():
        made = f"run {model.run[:8]}" if model.run else "-"
        pins.add_row(slot, str(model), f"{model.parameters:,}", f"{model.bytes:,}", made)
    values = Table(title="measured", title_justify="left")
    for column in ("edge", "metric", "value (95 %)", "n", "data", "when (UTC)"):
        values.add_column(column, justify="right" if column in ("value (95 %)", "n") else "left")
    for each in measured:
        values.add_row(
            each.edge or "(system)", each.metric, f"{number(each.value, each.low, each.high)} {each.unit}".strip(),
            str(each.n or "-"), _data_name(store, each.data) if each.data else "-", moment(each.created),
        )  # fmt: skip
    tables: list[RenderableType] = [pins]
    tables += [values] if measured else ["nothing was measured on it yet"]
    tables += [Text(f"stale: {each.name}: {each.why}") for each in old]
    return facts, tables


def _model(store: Store, version: ComponentVersion) -> tuple[dict[str, Any], list[RenderableType]]:
    partners = [
        {
            "slot": member.slot,
            "role": role,
            "model": str(store.components.get(member.component)),
            "run": context.run[:8],
        }
        for context, member, role in store.contexts.partners(version.digest)
    ]
    pinned = [thing.label for thing in store.lineage.downstream(version).of_kind("system")]
    table = Table(title="trained in the context of", title_justify="left")
    for column in ("slot", "role", "model", "run"):
        table.add_column(column)
    for each in partners:
        table.add_row(each["slot"], each["role"], each["model"], each["run"])
    return plain(version) | {"context": partners, "went into": pinned}, [table] if partners else []


def _data(store: Store, data: DataSet) -> tuple[dict[str, Any], list[RenderableType]]:
    relations = [
        {"data": _data_name(store, each.data), "relation": each.relation, "other": _data_name(store, each.other)}
        | dict(each.facts)
        for each in store.data.relations(data.digest)
    ]
    made = [thing.label for thing in store.lineage.downstream(data).of_kind("component")]
    return plain(data) | {"relations": relations, "went into": made}, []


_TOLD: dict[type, Any] = {RunRecord: _run, SystemVersion: _system, ComponentVersion: _model, DataSet: _data}
_TABLED = ("report", "contexts", "models", "measured", "stale", "context", "pins", "environment", "last values")


def _pairs(title: str, facts: dict[str, Any]) -> Table:
    """What is no table of its own, a line each."""
    table = Table(show_header=False, box=None, title=title, title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if name not in _TABLED and value not in (None, [], {}, ""):
            told = moment(value) if name in ("started", "ended", "created") else _said(value)
            table.add_row(name.replace("_", " "), Text(told))
    return table


def _said(value: Any) -> str:
    if isinstance(value, dict):
        told = {name: part for name, part in value.items() if part not in (None, "", [], {})}
        return ", ".join(f"{name}: {_said(part)}" for name, part in told.items())
    if isinstance(value, list):
        return "; ".join(_said(part) for part in value)
    return str(value)


def _context(store: Store, context: Any) -> dict[str, Any]:
    members = [
        {
            "slot": each.slot,
            "role": each.role,
            "model": str(store.components.get(each.component)),
            "digest": each.component,
        }
        for each in context.members
    ]
    told: dict[str, Any] = plain(context)
    return told | {"members": members}


def _data_name(store: Store, digest: str) -> str:
    names = {each.digest: each.name for each in store.data.all()}
    return names.get(digest) or digest[:8]
