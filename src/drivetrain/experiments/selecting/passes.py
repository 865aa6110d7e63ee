"""Running combinations of versions: no component version runs twice on the same values."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from drivetrain.data import drawing_from
from drivetrain.evaluation.metrics import Metric, is_torchmetrics
from drivetrain.evaluation.reading import judged
from drivetrain.evaluation.tally import Rows, Tally
from drivetrain.experiments.selecting.memo import Memo, Values
from drivetrain.experiments.selecting.shards import Group, Shards
from drivetrain.experiments.versions.candidates import Candidates, Combination
from drivetrain.experiments.versions.fingerprint import component_fingerprint, fingerprint
from drivetrain.experiments.versions.forms import form_of
from drivetrain.graph import Node, System
from drivetrain.graph.execution import run_node, size_of
from drivetrain.graph.graph import Constant

KEPT = 1 << 30  # bytes of data that are kept in memory between combinations


@dataclass
class Account:
    """What running cost and showed, by slot and place of the version.

    Attributes:
        samples: that were run.
        seconds: that this took.
        forms: what the version answers, without the number of samples, and by which edge.
        draws: versions that draw random numbers.
    """

    samples: dict[tuple[str, int], int] = field(default_factory=dict)
    seconds: dict[tuple[str, int], float] = field(default_factory=dict)
    forms: dict[tuple[str, int], dict[str, str]] = field(default_factory=dict)
    draws: set[tuple[str, int]] = field(default_factory=set)

    def add(self, other: Account) -> None:
        """Add up what another worker paid."""
        for key, count in other.samples.items():
            self.samples[key] = self.samples.get(key, 0) + count
            self.seconds[key] = self.seconds.get(key, 0.0) + other.seconds[key]
        self.forms |= other.forms
        self.draws |= other.draws


class Passes:
    """Runs combinations shard by shard. What a version makes of values is kept under what it was made from.

    Args:
        candidates: the system and its versions.
        shards: the data.
        metrics: by name.
        unit: the field whose values are independent.
        seed: random numbers that a component draws are ruled by it and by what the component reads.
        memo: where outputs are kept; None computes everything anew.
    """

    def __init__(
        self,
        candidates: Candidates,
        shards: Shards,
        metrics: Mapping[str, Metric],
        unit: str | None,
        seed: int,
        memo: Memo | None,
    ) -> None:
        self.candidates, self.shards, self.metrics = candidates, shards, metrics
        self.unit, self.seed, self.memo = unit, seed, memo
        self.account = Account()
        self.forms: dict[tuple[str, int], dict[str, str]] = {}  # of everything that ran here
        self.segments = list(_segments(candidates))
        self._read: dict[int, tuple[Group, ...]] = {}
        self._prefix = {name: f"{place}" for place, name in enumerate(candidates.system.inputs)}

    def sums(self, shard: int, combination: Combination) -> dict[str, tuple[float, float]]:
        """By metric the sum of numerators and of denominators over a shard; torchmetrics answer their value and 1."""
        answers = {}
        for name, tally in self.tallies([shard], combination).items():
            if is_torchmetrics(tally.metric.fn):
                answers[name] = (tally.value, 1.0)
            else:
                rows = tally.rows
                answers[name] = (float(rows.numerators.sum()), float(rows.denominators.sum()))
        return answers

    def rows(self, combination: Combination) -> dict[str, Rows]:
        """By metric what it says of every sample of the data."""
        tallies = self.tallies(range(len(self.shards)), combination)
        return {name: tally.rows for name, tally in tallies.items()}

    def tallies(self, shards: Sequence[int] | range, combination: Combination) -> dict[str, Tally]:
        """The metrics of a combination added up over shards."""
        tallies = {name: Tally(metric) for name, metric in self.metrics.items()}
        for shard in shards:
            for group in self.groups(shard):
                values = self.run(group, combination)
                for batch, made in zip(group.batches, values, strict=True):
                    ids = batch.ids if self.unit is None else batch[self.unit]
                    for tally in tallies.values():
                        if (edge := str(tally.metric.edge)) in group.wanted:
                            tally.add(made[edge], batch[edge], ids, batch.ids)
        return tallies

    def groups(self, shard: int) -> tuple[Group, ...]:
        """The samples of a shard; those read before are kept while they are small together."""
        if shard not in self._read:
            groups = self.shards.read(shard)
            held = sum(group.bytes for groups in self._read.values() for group in groups)
            if held + sum(group.bytes for group in groups) > KEPT:
                self._read.clear()
            self._read[shard] = groups
        return self._read[shard]

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Evaluation mode and no gradients for everything that runs, and afterwards as before; run inside."""
        steps = [step for _, several in self.segments for version in several for step in version]
        with judged(torch.nn.ModuleList(dict.fromkeys(step.node.component for step in steps))):
            yield

    def __getstate__(self) -> dict[str, Any]:
        """As it is sent to a worker: without what it has read, kept and counted."""
        return {**vars(self), "_read": {}, "memo": None, "account": Account(), "forms": {}}

    def run(self, group: Group, combination: Combination) -> list[dict[str, Any]]:
        """Of each batch the values of the edges that are wanted."""
        plan = list(self.plan(combination, group.wanted))
        inputs = self.candidates.system.inputs
        known = [{edge: batch[edge] for edge in inputs if edge in batch} for batch in group.batches]
        keys = {edge: f"{group.digest}{place}" for edge, place in self._prefix.items()}
        for step in plan:
            key = step.key(keys, self.seed)
            kept = self.memo.get(key) if self.memo and step.reused else None
            if kept is None:
                kept = self._compute(step, key, known)
                if self.memo and step.reused:
                    self.memo.put(key, kept)
            for values, made in zip(known, kept, strict=True):
                values.update(made)
            keys.update({edge: f"{key}{place}" for place, edge in enumerate(step.node.makes)})
        return known

    def plan(self, combination: Combination, wanted: Sequence[str]) -> Iterator[Step]:
        """The nodes that make the wanted edges when these versions stand in the slots."""
        steps = [step for slot, several in self.segments for step in several[combination[slot] if slot >= 0 else 0]]
        open_edges, chosen = set(wanted), []
        for step in reversed(steps):
            if open_edges.intersection(step.node.makes):
                chosen.append(step)
                open_edges.update(step.node.inputs)
        return reversed(chosen)

    def unsteady(self, step: Step, group: Group, combination: Combination) -> bool:
        """Whether a node answers otherwise when it runs a second time, with the same seed, on the same values."""
        known = self.run(group, combination)
        answers = [fingerprint(self._compute(step, "0" * 8, [dict(one) for one in known])) for _ in range(2)]
        return answers[0] != answers[1]

    def _compute(self, step: Step, key: str, known: list[dict[str, Any]]) -> Values:
        begin = time.perf_counter()
        with drawing_from(int(key[:8], 16)):
            before = _random_state()
            made: Values = [run_node(step.node, values) for values in known]
            drew = before != _random_state()
        if step.owner:
            seconds, size = time.perf_counter() - begin, sum(_size(values) for values in made)
            paid = Account({step.owner: size}, {step.owner: seconds}, {}, {step.owner} if drew else set())
            if made:
                forms = {edge: form_of(made[0][edge]) for edge in step.node.makes if edge not in step.inner}
                paid.forms[step.owner] = self.forms[step.owner] = {**self.forms.get(step.owner, {}), **forms}
            self.account.add(paid)
        return made


@dataclass(frozen=True, eq=False)
class Step:
    """A node of the flat diagram with what it computes.

    Attributes:
        node: it.
        digest: of its component.
        owner: the slot and the place of the version that it belongs to; None for glue.
        reused: whether another combination can read the same values, so that keeping them pays.
        inner: edges that nobody outside the slot reads.
    """

    node: Node
    digest: str
    owner: tuple[str, int] | None
    reused: bool
    inner: frozenset[str]

    def key(self, keys: Mapping[str, str], seed: int) -> str:
        """What is computed, from what: the digest of the component, of its arguments and of the seed."""
        given = [
            repr(argument.value) if isinstance(argument, Constant) else keys[argument.edge]
            for argument in self.node.arguments
        ]
        words = repr((self.digest, given, sorted(self.node.keywords.items()), seed))
        return hashlib.sha256(words.encode()).hexdigest()[:40]


def _segments(candidates: Candidates) -> Iterator[tuple[int, list[list[Step]]]]:
    """The diagram in order: glue, and each slot with the nodes of each of its versions."""
    system = candidates.system
    reached: dict[str, frozenset[int]] = dict.fromkeys(system.inputs, frozenset())
    every = frozenset(range(len(candidates.slots)))
    done: set[str] = set()
    for node in system.nodes:
        slot = candidates.slot_of(node)
        if slot in done:
            continue
        members = [one for one in system.nodes if slot and candidates.slot_of(one) == slot] or [node]
        place = candidates.slots.index(slot) if slot else -1
        own = frozenset({place}) if slot else frozenset[int]()
        above = own.union(*(reached.get(edge, frozenset()) for one in members for edge in one.inputs))
        reached.update({edge: above for one in members for edge in one.makes})
        if not slot:
            yield -1, [[Step(node, component_fingerprint(node.component), None, above != every, frozenset())]]
            continue
        done.add(slot)
        outer = frozenset(port.name for port in _outputs(system, slot))
        yield (
            place,
            [
                [
                    Step(
                        one,
                        digest if one.name == slot else component_fingerprint(one.component),
                        (slot, number),
                        above != every,
                        frozenset(one.makes) - outer,
                    )
                    for one in system.replace(**{slot: version}).nodes
                    if one.name == slot or one.name.startswith(f"{slot}.")
                ]
                for number, (version, digest) in enumerate(
                    zip(candidates.versions[slot].values(), candidates.digests[slot], strict=True)
                )
            ],
        )


def _outputs(system: System, slot: str) -> tuple[Any, ...]:
    """The ports that a slot makes in the flat diagram."""
    read = {edge for node in system.nodes if not f"{node.name}.".startswith(f"{slot}.") for edge in node.inputs}
    inside = [node for node in system.nodes if f"{node.name}.".startswith(f"{slot}.")]
    return tuple(port for node in inside for port in node.outputs if port.name in read or port.name in system.outputs)


def _random_state() -> tuple[Any, ...]:
    kind, keys, *places = np.random.get_state()  # user code may draw from the old generator
    return torch.get_rng_state().numpy().tobytes(), kind, np.asarray(keys).tobytes(), tuple(places), random.getstate()


def _size(values: Mapping[str, Any]) -> int:
    return next((size for value in values.values() if (size := size_of(value)) is not None), 0)
