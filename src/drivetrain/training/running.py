"""One run of a batch through a system in training: what is frozen runs without a tape and, once known, not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch

from drivetrain.data import Batch
from drivetrain.errors import MissingEdgeError, listed
from drivetrain.graph import Node, System
from drivetrain.graph.compilation import compiled_part, note_where
from drivetrain.graph.execution import needed, run
from drivetrain.training.base import Track
from drivetrain.training.cache import Cache
from drivetrain.training.losses import BoundLoss
from drivetrain.training.targets import Stand, plan_from_truth


@dataclass
class Passes:
    """How often each model ran: batches forward, and batches whose gradient went back through it."""

    forward: Counter[str] = field(default_factory=Counter)
    backward: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Split:
    """A run in two parts: what does not depend on the models in turn, and what does.

    Attributes:
        frozen: nodes that run without a tape.
        live: nodes that learn or lie behind those that do.
        frontier: the edges that the live part and the losses need of the frozen one; what is worth caching.
        read: the input edges that only the frozen part reads.
        sources: the input edges that the frozen part reads.
        names: what is live, by name.
        takes: the edges that the live part reads and does not make, in the order of its arguments.
        run: the live part as one function.
        counted: the models in it.
    """

    frozen: tuple[Node, ...]
    live: tuple[Node, ...]
    frontier: tuple[str, ...]
    read: tuple[str, ...]
    sources: tuple[str, ...]
    names: frozenset[str]
    takes: tuple[str, ...]
    run: Callable[..., dict[str, Any]]
    counted: tuple[str, ...]


class Runner:
    """Runs batches for one track.

    Attributes:
        wanted: the edges that the losses read.
        inputs: the input edges that a sample must have to be run.
        passes: what has run so far.
        unencoded: edges whose truth stood in for a model as it was.
    """

    def __init__(self, track: Track, fields: Collection[str], cache: Cache | None = None) -> None:
        self.track = track
        self.system: System = track.system
        self.wanted = track.truths
        self.cache = cache
        self.passes = Passes()
        self._learning = frozenset(track.system.models)  # asked of a component it walks through all its weights
        self._splits: dict[tuple[str, ...], Split] = {}
        self._ways: dict[tuple[tuple[str, ...], tuple[str, ...]], frozenset[str]] = {}
        self._stand: Stand | None = None
        if track.inputs == "truth":
            plan = plan_from_truth(self.system, track.models[0], self.wanted, fields)
            self.nodes, self.inputs = plan.nodes, plan.inputs + plan.substituted
            self._stand = Stand(self.system, plan)
        else:
            self.nodes = needed(self.system.graph, self.wanted)
            read = {edge for node in self.nodes for edge in node.inputs}
            self.inputs = tuple(edge for edge in self.system.inputs if edge in read)
        self._whole = frozenset(self.inputs) | frozenset(self.wanted)
        missing = [edge for edge in self.inputs if edge not in fields]
        if missing:
            raise MissingEdgeError(
                f"{track.name}: the data has no {listed(missing)}, which {self.system.name} reads; "
                f"it has: {listed(fields)}"
            )

    @property
    def unencoded(self) -> tuple[str, ...]:
        """Edges whose truth stood in for a model as it was."""
        return () if self._stand is None else self._stand.unencoded

    @property
    def substituted(self) -> tuple[str, ...]:
        """Edges on which truth stands in for a model."""
        return () if self._stand is None else self._stand.plan.substituted

    def usable(self, batch: Batch, turn: tuple[str, ...] | None = None) -> Batch:
        """The samples that have every input and the truth of at least one loss.

        With a ``turn`` the inputs that only its frozen part reads may be missing where the cache knows the samples.
        """
        if not batch.present and self._whole <= batch.keys():
            return batch
        known = self.split(turn).read if turn is not None and self.cache is not None and self.cache.knows(batch) else ()
        batch = batch.only(batch.rows(edge for edge in self.inputs if edge not in known))
        labelled = [batch.rows(loss.edges) for loss in self.track.losses]
        if any(rows is None for rows in labelled):
            return batch
        return batch.only(torch.unique(torch.cat([rows for rows in labelled if rows is not None])))

    def split(self, turn: tuple[str, ...]) -> Split:
        """How the run divides when these models are in turn."""
        if turn not in self._splits:
            self._splits[turn] = self._divide(turn)
        return self._splits[turn]

    def train(self, batch: Batch, turn: tuple[str, ...], again: Callable[[], Batch] | None = None) -> dict[str, Any]:
        """The values of the wanted edges, with a tape back to the models in turn."""
        split = self.split(turn)
        values = self._given(batch)
        values |= self._frozen(split, batch, again)
        try:
            values |= split.run(*[values[edge] for edge in split.takes])
        except Exception as error:
            note_where(error, split.run)
            raise
        for name in split.counted:
            self.passes.forward[name] += 1
        return values

    def before(self, batch: Batch, turn: tuple[str, ...], again: Callable[[], Batch] | None = None) -> dict[str, Any]:
        """The values that the models in turn read."""
        return self._given(batch) | self._frozen(self.split(turn), batch, again)

    def count_backward(self, turn: tuple[str, ...], ways: Iterable[tuple[BoundLoss, ...]]) -> None:
        """Note that a gradient went back through the live part, once for each group of losses."""
        for losses in ways:
            for name in self.way_back(turn, losses):
                self.passes.backward[name] += 1

    def way_back(self, turn: tuple[str, ...], losses: tuple[BoundLoss, ...]) -> frozenset[str]:
        """The models through which the gradient of some losses goes back to the models in turn, these included."""
        edges = tuple(edge for loss in losses for edge in loss.edges)
        if (turn, edges) not in self._ways:
            before = {node.name for node in needed(self.system.graph, edges)}
            self._ways[turn, edges] = self.split(turn).names & self._learning & before
        return self._ways[turn, edges]

    def measure(self, batch: Batch) -> dict[str, Any]:
        """The values of the wanted edges, without a tape."""
        with torch.no_grad():
            return run(self.nodes, self._given(batch))

    def _given(self, batch: Batch) -> dict[str, Any]:
        values = {edge: batch[edge] for edge in self.system.inputs if edge in batch}
        if self._stand is not None:
            values |= self._stand.values(batch)
        return values

    def _frozen(self, split: Split, batch: Batch, again: Callable[[], Batch] | None) -> dict[str, Any]:
        if not split.frozen:
            return {}
        with torch.no_grad():
            if self.cache is None or not split.frontier:
                return self._run_frozen(split, batch)
            return self.cache.values(batch, lambda part: self._run_frozen(split, part), split.sources, again)

    def _run_frozen(self, split: Split, batch: Batch) -> dict[str, Any]:
        values = run(split.frozen, self._given(batch))
        for node in split.frozen:
            if node.name in self._learning:
                self.passes.forward[node.name] += 1
        return {edge: values[edge] for edge in split.frontier}

    def _divide(self, turn: tuple[str, ...]) -> Split:
        shared = sharing(self.system, turn)
        moving: set[str] = set()
        frozen, live = [], []
        for node in self.nodes:
            if node.name in shared or moving.intersection(node.inputs):
                live.append(node)
                moving.update(node.makes)
            else:
                frozen.append(node)
        needed_later = {edge for node in live for edge in node.inputs} | set(self.wanted)
        frontier = tuple(edge for node in frozen for edge in node.makes if edge in needed_later)
        sources = {edge for node in frozen for edge in node.inputs} & set(self.inputs)
        read = tuple(sorted(sources - needed_later))
        names = frozenset(node.name for node in live)
        made = {edge for node in live for edge in node.makes}
        takes = tuple(dict.fromkeys(edge for node in live for edge in node.inputs if edge not in made))
        part = compiled_part(self.system.name, live, takes)
        counted = tuple(node.name for node in live if node.name in self._learning)
        return Split(
            tuple(frozen), tuple(live), frontier, read, tuple(sorted(sources)), names, takes, part, counted
        )  # fmt: skip


def sharing(system: System, models: tuple[str, ...]) -> set[str]:
    """The models and all others that use weights of theirs."""
    weights = {id(weight) for name in models for weight in system.component(name).parameters()}
    return {name for name in system.models if any(id(w) in weights for w in system.component(name).parameters())}
