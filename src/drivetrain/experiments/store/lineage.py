"""What came from what, through data, code, models, trainings and systems, up and downstream: one recursive query.

A link says that its target was made from its source. Data is read by a training, which makes model versions; models
that were frozen in it, or that it started from, went into it; a system version is made of the models in its slots and
of the code between them; what was measured is made of a system version and data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from drivetrain.errors import UnknownVersionError
from drivetrain.experiments.store.database import Database
from drivetrain.experiments.store.lineage_queries import ALL, DOWNSTREAM, ID_OF, LABELS, UPSTREAM
from drivetrain.experiments.store.runs import RunRecord
from drivetrain.experiments.versions.version import ComponentVersion, DataSet, SystemVersion
from drivetrain.report import Report

Direction = Literal["upstream", "downstream", "both"]
SHOWN = 12  # things below one thing, when printed
NOUNS = {
    "code": "of code", "component": "of models", "data": "of data", "evaluation": "measured", "system": "of systems",
    "training": "of training",
}  # fmt: skip
DEEP = 8  # steps from what was asked about, when printed


@dataclass(frozen=True)
class Thing:
    """Something that was made, or that things were made from.

    Attributes:
        id: its name within a lineage: ``"component:12"``.
        kind: ``"data"``, ``"code"``, ``"training"``, ``"component"``, ``"system"`` or ``"evaluation"``.
        label: for people: ``"camera 3"``, ``"run 3f9a21c4, partial end-loss"``.
        key: by which the store knows it: a digest, or the key of a run.
        created: seconds since 1970, UTC; None where nobody knows.
    """

    id: str
    kind: str
    label: str
    key: str
    created: float | None


@dataclass(frozen=True)
class Link:
    """The target was made from the source, both by the ids of things; how: *frozen*, *training*, the slot's name."""

    source: str
    target: str
    role: str


@dataclass(frozen=True, repr=False)
class Lineage(Report):
    """Everything that something came from, or that came from it.

    Attributes:
        of: the ids that were asked about; empty for the whole store.
        direction: ``"upstream"``, ``"downstream"`` or ``"both"``.
        things: those asked about included, the oldest first.
        links: between these things.
    """

    of: tuple[str, ...]
    direction: Direction
    things: tuple[Thing, ...]
    links: tuple[Link, ...]

    def of_kind(self, kind: str) -> list[Thing]:
        """The things of one kind, without those asked about."""
        return [thing for thing in self.things if thing.kind == kind and thing.id not in self.of]

    def __rich__(self) -> RenderableType:
        by_id = {thing.id: thing for thing in self.things}
        counted = Counter(thing.kind for thing in self.things if thing.id not in self.of)
        told = ", ".join(f"{number} {NOUNS[kind]}" for kind, number in sorted(counted.items())) or "nothing"
        words = {"upstream": "comes from", "downstream": "went into", "both": "is connected with"}
        asked = ", ".join(by_id[one].label for one in self.of) or "the store"
        tree = Tree(Text(f"{asked} {words[self.direction]}: {told}"))
        down = self.direction == "downstream"
        children: dict[str, list[tuple[str, str]]] = {}
        for link in self.links:
            near, far = (link.source, link.target) if down else (link.target, link.source)
            children.setdefault(near, []).append((far, link.role))
        shown: set[str] = set(self.of)
        for one in self.of:
            _grow(tree, one, children, by_id, shown)
        return tree


class Lineages:
    """What came from what."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def upstream(self, thing: SystemVersion | ComponentVersion | RunRecord | DataSet) -> Lineage:
        """Everything that a thing was made from."""
        return self._lineage(self.ids_of(thing), "upstream")

    def downstream(self, thing: SystemVersion | ComponentVersion | RunRecord | DataSet) -> Lineage:
        """Everything that was made from a thing: what is stale once it has changed."""
        return self._lineage(self.ids_of(thing), "downstream")

    def around(self, thing: SystemVersion | ComponentVersion | RunRecord | DataSet) -> Lineage:
        """Both, for a page that draws it."""
        ids = self.ids_of(thing)
        up, down = self._lineage(ids, "upstream"), self._lineage(ids, "downstream")
        things = {each.id: each for each in (*up.things, *down.things)}
        links = dict.fromkeys((*up.links, *down.links))
        return Lineage(ids, "both", tuple(things.values()), tuple(links))

    def everything(self, system: str | None = None) -> Lineage:
        """All of a store, or what the versions of a system came from."""
        if system is not None:
            return self._lineage(self._ids("system versions", system), "upstream")
        with self.database.quick(writes=False) as cursor:
            links = [Link(*row) for row in cursor.execute(self.database.words(ALL)).fetchall()]
        return self._told((), "both", links)

    def ids_of(self, thing: SystemVersion | ComponentVersion | RunRecord | DataSet) -> tuple[str, ...]:
        """The ids that a thing has in lineages; a run has one for each of its trainings."""
        if isinstance(thing, SystemVersion):
            found = self._ids("system", thing.digest, thing.system)
        elif isinstance(thing, RunRecord):
            found = self._ids("training", thing.key)
        elif isinstance(thing, DataSet):
            found = self._ids("data", thing.digest)
        else:
            found = self._ids("component", thing.digest)
        if not found:
            what = "has trained nothing yet" if isinstance(thing, RunRecord) else "is not stored"
            raise UnknownVersionError(f"{thing} {what}, so nothing is known of its lineage")
        return found

    def _ids(self, kind: str, key: str, system: str = "") -> tuple[str, ...]:
        with self.database.quick(writes=False) as cursor:
            rows = cursor.execute(self.database.words(ID_OF[kind]), {"key": key, "system": system}).fetchall()
        return tuple(row[0] for row in rows)

    def _lineage(self, ids: Sequence[str], direction: Direction) -> Lineage:
        query = self.database.words(UPSTREAM if direction == "upstream" else DOWNSTREAM)
        links: dict[Link, None] = {}
        with self.database.quick(writes=False) as cursor:
            for one in ids:
                links.update((Link(*row), None) for row in cursor.execute(query, {"start": one}).fetchall())
        return self._told(tuple(ids), direction, list(links))

    def _told(self, of: tuple[str, ...], direction: Direction, links: list[Link]) -> Lineage:
        """The lineage of links, its things with their labels."""
        ids = dict.fromkeys((*of, *(one for link in links for one in (link.source, link.target))))
        things = self._things(ids)
        return Lineage(of, direction, tuple(sorted(things, key=lambda one: (one.created or 0.0, one.id))), tuple(links))

    def _things(self, ids: Iterable[str]) -> list[Thing]:
        by_kind: dict[str, list[str]] = {}
        for one in ids:
            kind, _, rest = one.partition(":")
            by_kind.setdefault(kind, []).append(rest)
        found = [Thing(f"code:{rest}", "code", f"code {rest[:8]}", rest, None) for rest in by_kind.pop("code", [])]
        with self.database.quick(writes=False) as cursor:
            for kind, keys in by_kind.items():
                wanted = set(keys)
                rows: list[tuple[Any, ...]] = cursor.execute(self.database.words(LABELS[kind])).fetchall()
                found += [Thing(f"{kind}:{row[0]}", kind, *row[1:]) for row in rows if str(row[0]) in wanted]
        return found


def _grow(
    tree: Tree, one: str, children: dict[str, list[tuple[str, str]]], by_id: dict[str, Thing], shown: set[str]
) -> None:
    """Draw what hangs below a thing, the near before the far; what is drawn already is named only."""
    waiting = [(tree, one, 1)]
    while waiting:
        branch, here, depth = waiting.pop(0)
        below = children.get(here, [])
        if depth > DEEP and below:
            branch.add(Text("and so on", style="dim"))
            continue
        for far, role in below[:SHOWN]:
            again = far in shown
            told = f"  {role}{', shown above' if again else ''}"
            leaf = branch.add(Text.assemble(by_id[far].label, (told, "dim")))
            if not again:
                shown.add(far)
                waiting.append((leaf, far, depth + 1))
        if len(below) > SHOWN:
            branch.add(Text(f"and {len(below) - SHOWN} more", style="dim"))
