"""Finished evaluations in a store: each combination a version of the system, with what was measured on it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, insert, select

from drivetrain.data import Opened
from drivetrain.evaluation.metrics import Metric
from drivetrain.experiments.selecting.journal import Values
from drivetrain.experiments.store import contents as bytes_of
from drivetrain.experiments.store.database import insert_new
from drivetrain.experiments.store.schema import evaluations, glues, outputs
from drivetrain.experiments.tracking.data_digest import data_sets_of, described
from drivetrain.experiments.tracking.experiment import Experiment, place_of
from drivetrain.experiments.tracking.snapshot import glue_of, store_component
from drivetrain.experiments.versions.candidates import Candidates
from drivetrain.experiments.versions.version import Evaluation, SystemVersion, digest_of
from drivetrain.graph import Node, System

Parts = tuple[dict[str, str], dict[str, str]]
"""Digests of component versions by slot, and digests of what is glue."""

DIAGRAM = "the diagram"
KIND = "values of a combination"  # under which they are found again, beside the outputs of components


class Recording:
    """Records in the store of an experiment.

    What was finished is found again by a key that the code of the metrics rules too; for everybody else it stands as
    an evaluation of a system version, which ``store.evaluations.matrix`` answers.

    Args:
        experiment: whose store.
        candidates: what is selected from; their weights are stored at the first evaluation.
        metrics: what is measured, by name.
        data: what it is measured on.
        seed: what rules chance.
    """

    def __init__(
        self, experiment: Experiment, candidates: Candidates, metrics: Mapping[str, Metric], data: Any, seed: int
    ) -> None:
        self.store, self.candidates, self.metrics, self.seed = experiment.store, candidates, metrics, seed
        self.name = candidates.system.name
        self.data = self._known(data)
        self._waiting: list[tuple[str, dict[str, str], Values]] = []
        self._glues: dict[str, dict[str, str]] = {}
        self._noted: set[str] = set()

    def find(self, key: str) -> Values | None:
        """What was recorded under the key, if anything was."""
        return self._finished.get(key)

    def add(self, key: str, labels: Mapping[str, str], values: Values) -> None:
        """Take note; ``flush`` writes it."""
        self._waiting.append((key, dict(labels), values))

    def flush(self) -> None:
        """Write what is noted in one transaction: a process that is killed afterwards has lost nothing of it."""
        if not self._waiting:
            return
        found = [(*self.pins(labels), values) for _, labels, values in self._waiting]
        together = json.dumps({key: values for key, _, values in self._waiting}).encode()
        now = time.time()
        with self.store.database.write() as connection:
            rows = []
            self._note_glue(connection)
            for pinned, glue, values in found:
                _, row = self.store.systems.pinned_with_id(connection, self.name, pinned, glue)
                rows += [{**vars(one), "system_version_id": row, "created": now} for one in self._measured(values)]
            connection.execute(insert(evaluations), rows)
            content = bytes_of.put(connection, together)
            kept = {"component": content, "data": self.data, "upstream": KIND, "content": content, "seconds": 0.0}
            insert_new(connection, outputs, [{**kept, "created": now}])
        self._waiting = []

    def record(self, labels: Mapping[str, str], estimates: Mapping[str, Any], data: Any) -> SystemVersion:
        """Keep what ``evaluate`` answered about a combination, with intervals, on data of its own."""
        self.flush()
        pinned, glue = self.pins(labels)
        digest = self._known(data)
        named = [(self._metric(name), each) for name, each in estimates.items()]
        results = [
            Evaluation(
                metric.name, each.value, str(metric.edge), each.low, each.high, each.n, digest,
                metric.higher_is_better, seed=self.seed,
            )
            for metric, each in named
        ]  # fmt: skip
        return self.store.evaluations.record(self.name, pinned, results, glue=glue)

    def close(self) -> None:
        """Write what is noted."""
        self.flush()

    def pins(self, labels: Mapping[str, str]) -> tuple[dict[str, str], str]:
        """The component version in each slot of the store, and the digest of the glue, of a combination."""
        pinned, parts = dict(self._fixed[0]), dict(self._fixed[1])
        for slot, label in labels.items():
            pinned |= self._versions[slot, label][0]
            parts |= self._versions[slot, label][1]
        glue = digest_of(sorted(parts.items()))
        self._glues.setdefault(glue, parts)
        return pinned, glue

    def _note_glue(self, connection: Connection) -> None:
        rows = [{"digest": glue, "parts": parts} for glue, parts in self._glues.items() if glue not in self._noted]
        if rows:
            insert_new(connection, glues, rows)
            self._noted |= {str(row["digest"]) for row in rows}

    @cached_property
    def _finished(self) -> dict[str, Values]:
        """Everything that was recorded on this data."""
        query = select(outputs.c.content).where(outputs.c.data == self.data, outputs.c.upstream == KIND)
        with self.store.database.read() as connection:
            digests = connection.execute(query.order_by(outputs.c.created)).scalars().all()
        return {key: one for digest in digests for key, one in json.loads(self.store.contents.get(digest)).items()}

    @cached_property
    def _fixed(self) -> Parts:
        """What is the same in all combinations: the pins of models that are no slot, and the glue."""
        system = self.candidates.system
        free = [node for node in _learning(system) if not self.candidates.slot_of(node)]
        glue = {part: digest for part, digest in glue_of(system).items() if not _in_slot(part, self.candidates.slots)}
        return {node.name: store_component(self.store, node.component).digest for node in free}, glue

    @cached_property
    def _versions(self) -> dict[tuple[str, str], Parts]:
        """By slot and label: what the version pins, and what it adds to the glue."""
        system = self.candidates.system
        slots = {node.name: str(node.component.signature) for node in _learning(system)}
        with_one = {
            (slot, label): system.replace(**{slot: version})
            for slot, versions in self.candidates.versions.items() for label, version in versions.items()
        }  # fmt: skip
        for one in with_one.values():
            slots |= {node.name: str(node.component.signature) for node in _learning(one) if node.name not in slots}
        self.store.systems.declare(self.name, slots, place=place_of(system))
        found = {}
        for (slot, label), one in with_one.items():
            mine = [node for node in _learning(one) if self.candidates.slot_of(node) == slot]
            whole = glue_of(one)
            glue = {part: digest for part, digest in whole.items() if _in_slot(part, [slot])}
            if whole[DIAGRAM] != self._fixed[1][DIAGRAM]:
                glue[f"{DIAGRAM} with {slot}"] = whole[DIAGRAM]  # a sub-system that is wired in its own way
            found[slot, label] = ({n.name: store_component(self.store, n.component).digest for n in mine}, glue)
        return found

    def _measured(self, values: Values) -> list[Evaluation]:
        named = [(self.metrics[name], value) for name, value in values.items()]
        return [
            Evaluation(
                metric.name, value, str(metric.edge), data=self.data,  # type: ignore[arg-type]
                higher_is_better=metric.higher_is_better, seed=self.seed,
            )
            for metric, value in named
        ]  # fmt: skip

    def _metric(self, name: str) -> Metric:
        """By its name in the selection or by its edge, as ``evaluate`` calls it."""
        by_edge = {str(metric.edge): metric for metric in self.metrics.values()}
        return self.metrics.get(name) or by_edge.get(name) or next(iter(self.metrics.values()))

    def _known(self, data: Any) -> str:
        """The digest of the data, which is in the store from now on."""
        sets = [described(source) for source in data_sets_of(Opened(data, self.candidates.system)).values()]
        for one in sets:
            self.store.data.add(one)
        return sets[0].digest if len(sets) == 1 else digest_of(sorted(one.digest for one in sets))


def _learning(system: System) -> list[Node]:
    return [node for node in system.nodes if node.name in system.models]


def _in_slot(part: str, slots: Iterable[str]) -> bool:
    return any(part == slot or part.startswith(f"{slot}.") for slot in slots)
