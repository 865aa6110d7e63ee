"""The models of a repository and how they meet: from the sources to a ``Wiring``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from drivetrain.mining.dataflow.interpreter import analyse
from drivetrain.mining.findings import FEEDBACK, FEEDS, Edge, Fitting, Merge, Model, Source, Wiring
from drivetrain.mining.limit import OutOfTime, stopped_at
from drivetrain.mining.models import Kept, keep

_FOLLOWING = 0.9  # of the seconds are for following values; the rest is for sorting what was found


def wire(sources: Sequence[Source], *, seconds: float = 60.0) -> Wiring:
    """Analyse the sources without running them; after ``seconds`` what was found so far is answered, with a notice."""
    started = time.monotonic()
    machine, complete = analyse(sources, _FOLLOWING * seconds)
    notices = () if complete else (f"stopped after {seconds:g} s: models and edges are those found until then",)
    lines = sum(source.lines for source in sources)
    try:
        with stopped_at(started + seconds):
            kept = keep(machine.facts)
            return Wiring(tuple(kept.models), _edges(kept), _merges(kept), _fittings(kept), lines, notices)
    except OutOfTime:
        return Wiring(lines=lines, notices=(f"stopped after {seconds:g} s, before what was found could be sorted",))


def models_and_edges(sources: Sequence[Source]) -> tuple[tuple[Model, ...], tuple[Edge, ...]]:
    """The models and the edges between them."""
    wiring = wire(sources)
    return wiring.models, wiring.edges


def _names(tokens: Iterable[object], kept: Kept) -> tuple[str, ...]:
    found = (kept.name_of[token] for token in tokens if token in kept.name_of)  # type: ignore[index]
    return tuple(dict.fromkeys(found))


def _edges(kept: Kept) -> tuple[Edge, ...]:
    found: dict[tuple[str, str, str, str], Edge] = {}
    for (source, target, kind, medium), seen in kept.facts.edges.items():
        if source not in kept.name_of or target not in kept.name_of:
            continue
        one, other = kept.name_of[source], kept.name_of[target]
        if one == other:
            continue
        edge = Edge(one, other, kind, medium, seen.at_source, seen.at_target, tuple(seen.via), seen.confidence)
        old = found.get((one, other, kind, medium))
        if old is None or old.confidence < edge.confidence:
            found[(one, other, kind, medium)] = edge
    forward = {(edge.source, edge.target) for edge in found.values() if edge.kind == FEEDS}
    edges = [edge for edge in found.values() if edge.kind != FEEDBACK or (edge.source, edge.target) not in forward]
    return _without_cycles(edges)


def _without_cycles(edges: list[Edge]) -> tuple[Edge, ...]:
    """Of the edges that feed, those that close a circle with edges seen before them go back rather than on."""
    after: dict[str, set[str]] = {}
    answer = []
    for edge in edges:
        if edge.kind == FEEDS:
            if edge.source in _reached(edge.target, after):
                edge = replace(edge, kind=FEEDBACK)
            else:
                after.setdefault(edge.source, set()).add(edge.target)
        answer.append(edge)
    return tuple(answer)


def _reached(start: str, after: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    queue = [start]
    while queue:
        one = queue.pop()
        if one not in seen:
            seen.add(one)
            queue.extend(after.get(one, ()))
    return seen


def _merges(kept: Kept) -> tuple[Merge, ...]:
    found = []
    for place, meeting in sorted(kept.facts.meetings.items()):
        models = _names(meeting.models, kept)
        if len(models) > 1:
            found.append(Merge(place, models, _names(meeting.into, kept), meeting.what, meeting.confidence))
    return tuple(found)


def _fittings(kept: Kept) -> tuple[Fitting, ...]:
    found = []
    for place, change in sorted(kept.facts.changes.items()):
        found.append(
            Fitting(
                place,
                change.how,
                _names(change.models, kept),
                _names(change.through, kept),
                _names(change.data_from, kept),
                max(1, len(change.drivers)),
            )
        )
    return tuple(found)
