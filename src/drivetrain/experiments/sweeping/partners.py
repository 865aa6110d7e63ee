"""The versions that are there so far, and which of them make the best system together."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from math import inf, isfinite, nan
from typing import Any

from drivetrain.evaluation.metrics import Metric
from drivetrain.experiments.selecting.evaluating import Evaluating
from drivetrain.experiments.selecting.memo import Memo
from drivetrain.experiments.selecting.passes import Passes
from drivetrain.experiments.selecting.shards import Shards
from drivetrain.experiments.versions.candidates import Candidates, Combination
from drivetrain.experiments.versions.fingerprint import fingerprint
from drivetrain.graph import Component, System
from drivetrain.report import Progress, progress

ROUNDS = 2  # how often all partners of a new version are gone through
COMPANY = 8  # partners of each model that are considered


class Partners:
    """Grows by one version at a time; systems are compared on outputs that are kept.

    Attributes:
        versions: by slot and label.
        best: labels of the best system.
        value: its metric.
        evaluations: of whole systems so far.
    """

    def __init__(
        self, system: System, data: Any, metrics: Mapping[str, Metric], memo: Memo, batch_size: int, unit: str | None,
        seed: int,
    ) -> None:  # fmt: skip
        self.system, self.metrics, self.memo, self.unit, self.seed = system, metrics, memo, unit, seed
        self.shards = Shards(system, data, metrics, batch_size, unit, 16)
        self.versions: dict[str, dict[str, Component]] = {}
        self.best: dict[str, str] = {}
        self.value = nan
        self.evaluations = 0
        self._worth: dict[tuple[str, str], float] = {}
        self._known: dict[tuple[tuple[str, str], ...], float] = {}

    @cached_property
    def key(self) -> str:
        """What is swept, on what, by which metric."""
        digests = [
            (group.digest, group.truth) for shard in range(len(self.shards)) for group in self.shards.read(shard)
        ]
        wiring = [(node.name, node.inputs, node.makes) for node in self.system.nodes]
        judged = [
            (name, getattr(metric.fn, "__code__", metric.name), metric.edge) for name, metric in self.metrics.items()
        ]
        return fingerprint(wiring, judged, digests)

    def add(self, model: str, version: Component) -> str:
        """A new version; answers its label."""
        known = self.versions.setdefault(model, {})
        label = str(len(known) + 1)
        known[label] = version
        self.best.setdefault(model, label)
        return label

    def best_system(self) -> System:
        """The system with the best versions so far."""
        return self.system.replace(**{model: self.versions[model][label] for model, label in self.best.items()})

    def told(self, value: float) -> float:
        """A value as Optuna is told it: higher is better, and finite."""
        metric = next(iter(self.metrics.values()))
        signed = value if metric.higher_is_better else -value
        return signed if isfinite(signed) else -1e9

    def value_with(self, model: str, label: str) -> float:
        """The best value of a system that holds this version, its partners chosen one slot after another."""
        candidates = Candidates(self.system, self._company(model, label))
        passes = Passes(candidates, self.shards, self.metrics, self.unit, self.seed, self.memo)
        evaluating = Evaluating(passes, (), None, None, inf)
        here = {**self.best, model: label}
        value = self._evaluated(evaluating, candidates, [here])[0]
        for _ in range(ROUNDS):
            before = value
            for slot in (one for one in candidates.slots if one != model):
                tried = [{**here, slot: other} for other in candidates.versions[slot]]
                values = self._evaluated(evaluating, candidates, tried)
                top = max(range(len(tried)), key=lambda place: self.told(values[place]))
                if self.told(values[top]) > self.told(value):
                    here, value = tried[top], values[top]
            if value == before:
                break
        self._worth[model, label] = value
        if not isfinite(self.value) or self.told(value) > self.told(self.value):
            self.best, self.value = here, value
        return value

    def _company(self, model: str, label: str) -> dict[str, dict[str, Component]]:
        """The new version alone in its slot, and the most promising partners in the others."""
        found = {}
        for slot, versions in self.versions.items():
            worth = {one: self._worth.get((slot, one), nan) for one in versions}
            order = sorted(versions, key=lambda one: -self.told(worth[one]))[:COMPANY]
            labels = [label] if slot == model else dict.fromkeys([self.best[slot], *order])
            found[slot] = {one: versions[one] for one in labels}
        return found

    def _evaluated(self, evaluating: Evaluating, candidates: Candidates, tried: list[dict[str, str]]) -> list[float]:
        keys = [tuple(sorted(one.items())) for one in tried]
        new: list[Combination] = [
            candidates.combination(one) for one, key in zip(tried, keys, strict=True) if key not in self._known
        ]
        bar: Progress[Any]
        with progress(None, "", shown=False) as bar:
            evaluating.evaluate(new, bar)
        self.evaluations += len(new)
        name = next(iter(self.metrics))
        for one, key in zip(tried, keys, strict=True):
            if key not in self._known:
                found = evaluating.values[candidates.combination(one)][name]
                self._known[key] = nan if found is None else found
        return [self._known[key] for key in keys]
