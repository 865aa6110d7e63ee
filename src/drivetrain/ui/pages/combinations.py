"""Versions against each other: a grid of two slots, and every combination in a table; what was not tried is seen."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from drivetrain.experiments import Store
from drivetrain.experiments.store.coverage import Coverage
from drivetrain.experiments.store.matrix import Row
from drivetrain.experiments.versions.version import ComponentVersion
from drivetrain.ui.metrics import Choice, choices, chosen, goodness
from drivetrain.ui.wording import count, interval, number

PAGE = 100  # combinations on one page of the table
WIDEST = 30  # versions of a slot along one side of the grid
UNTRIED = 12  # combinations that are named


def combinations_page(store: Store, system: str, asked: Mapping[str, str]) -> dict[str, Any]:
    """The combinations of a system under one metric.

    Args:
        store: what is shown.
        system: its name.
        asked: ``metric``, ``across`` and ``down`` (slots), ``page``, and ``in.SLOT`` for combinations with a version.
    """
    slots = store.systems.slots(system)
    among = choices(store, system)
    if not among:
        return {"system": system, "tab": "matrix", "metrics": [], "versions": len(store.systems.numbers(system))}
    choice = chosen(store, system, among, asked.get("metric", ""))
    covered = store.evaluations.coverage(system, choice.metric, edge=choice.edge, data=choice.data)
    known = {each.digest: each for each in store.components.all()}
    names = {digest: str(each) for digest, each in known.items()}
    order = sorted(covered.candidates, key=lambda slot: -len(covered.candidates[slot]))
    across = asked.get("across", "") if asked.get("across", "") in slots else order[0]
    down = asked.get("down", "") if asked.get("down", "") in slots else next((s for s in order if s != across), across)
    only = {key[3:]: value for key, value in asked.items() if key.startswith("in.") and key[3:] in slots and value}
    places = {slot: place for place, slot in enumerate(covered.matrix.slots)}
    rows = [row for row in covered.matrix.rows if all(row.pins[places[slot]] == pin for slot, pin in only.items())]
    measured = [row for row in rows if not math.isnan(row.value)]
    ranked = sorted(measured, key=lambda row: -goodness(row.value, choice))
    ranked += [row for row in rows if math.isnan(row.value)]
    pages = max(1, -(-len(ranked) // PAGE))
    page = min(max(1, int(asked.get("page", "1") or 1) if asked.get("page", "1").isdigit() else 1), pages)
    varying = [slot for slot in covered.matrix.slots if len(covered.candidates[slot]) > 1]
    return {
        "system": system, "tab": "matrix", "metrics": among, "choice": choice, "slots": list(slots),
        "across": across, "down": down, "only": {slot: names.get(pin, pin[:8]) for slot, pin in only.items()},
        "asked_only": only, "tried": count(covered.tried), "possible": count(covered.possible),
        "share": covered.tried / covered.possible if covered.possible else 0.0,
        "grid": _grid(covered, choice, across, down, known) if across != down else None,
        "varying": varying, "fixed": [
            {"slot": slot, "version": names.get(found[0], found[0][:8])}
            for slot, found in covered.candidates.items() if len(found) == 1
        ],
        "rows": [_told(row, places, varying, names) for row in ranked[(page - 1) * PAGE : page * PAGE]],
        "best": ranked[0].number if measured else None, "page": page, "pages": pages, "count": len(ranked),
        "untried": _untried(store, system, choice, covered, names),
        "avoided": [
            {"pins": {slot: names.get(pin, pin[:8]) for slot, pin in each.pins.items()}, "why": each.why}
            for each in covered.avoided
        ],
    }  # fmt: skip


def _told(row: Row, places: Mapping[str, int], varying: Sequence[str], names: Mapping[str, str]) -> dict[str, Any]:
    pins = [names.get(row.pins[places[slot]], "–") for slot in varying]
    return {"number": row.number, "value": interval(row.value, row.low, row.high), "n": row.n, "pins": pins,
            "measured": not math.isnan(row.value)}  # fmt: skip


def _grid(
    covered: Coverage, choice: Choice, across: str, down: str, known: Mapping[str, ComponentVersion]
) -> dict[str, Any]:
    """The best value of every pair of versions of two slots, whatever stands in the others."""
    matrix = covered.matrix
    x, y = matrix.slots.index(across), matrix.slots.index(down)
    best: dict[tuple[str, str], Row] = {}
    tried: dict[tuple[str, str], int] = {}
    for row in matrix.rows:
        if math.isnan(row.value):
            continue
        pair = row.pins[y], row.pins[x]
        tried[pair] = tried.get(pair, 0) + 1
        if pair not in best or goodness(row.value, choice) > goodness(best[pair].value, choice):
            best[pair] = row
    values = sorted(goodness(row.value, choice) for row in best.values())
    lowest, highest = (values[0], values[-1]) if values else (0.0, 0.0)
    top = max(best.values(), key=lambda row: goodness(row.value, choice)).number if best else None
    columns, lines = (
        sorted(covered.candidates[slot], key=lambda one: (known[one].name, known[one].number))[:WIDEST]
        for slot in (across, down)
    )
    refused = [each for each in covered.avoided if set(each.pins) <= {across, down}]

    def cell(line: str, column: str) -> dict[str, Any]:
        row = best.get((line, column))
        why = next((each.why for each in refused if each.covers({across: column, down: line})), "")
        if row is None:
            return {"look": "avoided" if why else "untried", "why": why, "column": column, "line": line}
        span = highest - lowest
        heat = (goodness(row.value, choice) - lowest) / span if span else 1.0
        return {"look": "best" if row.number == top else "tried", "value": number(row.value), "heat": round(heat, 3),
                "tried": tried[line, column], "column": column, "line": line}  # fmt: skip

    return {
        "columns": [{"digest": each, "name": str(known[each])} for each in columns],
        "rows": [{"digest": line, "name": str(known[line]), "cells": [cell(line, each) for each in columns]}
                 for line in lines],
        "hidden": len(covered.candidates[across]) - len(columns) + len(covered.candidates[down]) - len(lines),
        "others": max(0, len(matrix.slots) - 2),
    }  # fmt: skip


def _untried(
    store: Store, system: str, choice: Choice, covered: Coverage, names: Mapping[str, str]
) -> list[dict[str, str]]:
    """The first combinations that nobody has tried, with the newest code between the models."""
    if covered.tried >= covered.possible:
        return []
    untried = store.evaluations.untried(
        system, covered.candidates, choice.metric, edge=choice.edge, data=choice.data,
        glue=store.systems.newest(system).glue,
    )  # fmt: skip
    return [
        {slot: names.get(pin, pin[:8]) for slot, pin in each.items()} for each in itertools.islice(untried, UNTRIED)
    ]
