"""Federated merge for forks: trunk-plus-branch chains learn apart, and their trunks are merged after each round."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain as joined
from typing import Any

from torch import Tensor

from drivetrain.components.fitting import fitting
from drivetrain.errors import DeclarationError, TrainingError, listed
from drivetrain.graph import System
from drivetrain.graph.weights import growing
from drivetrain.training.base import Moment, Perturb, Track, TrainingPattern, end_loss_track
from drivetrain.training.losses import BoundLoss
from drivetrain.training.merged_loss import check_branches, check_fork
from drivetrain.training.merged_statistics import check_statistics, recompute
from drivetrain.training.merging import MERGES, Chains, TaskArithmetic, Weights, check_merge


@dataclass(frozen=True)
class FederatedMerge(TrainingPattern):
    """Train each chain of a fork (the trunk and one branch) apart, then merge the trunks, for some rounds.

    All chains start a round from the same trunk; each keeps its optimizers from round to round. Validation, the choice
    of the best weights and ``until`` happen after a merge, on the merged trunk. What each chain was on its own trunk
    stands beside it in the history, ``unmerged light`` and ``merged light``, where there is validation data. To refit
    the branches let a stage follow: ``Stages(FederatedMerge(losses), Individual(losses, inputs="system"))``;
    ``report.edges`` then has what the refit made of them.

    Attributes:
        losses: a loss for the output edge of each branch.
        rounds: how often the trunks are merged; rounds divide the epochs as evenly as possible, the last one ends with
            the last epoch. With more rounds than epochs there is one round an epoch; one round is a one-shot merge.
        merge: ``"average"``: weighted by the samples that each chain learned from; ``"validation"``: the mixture of
            chains that validates best; ``"tasks"``: task vectors, the scale chosen on validation (``TaskArithmetic``);
            or a function from the list of the chains' weights to one dict of the same names.
        statistics: of batch norm in the trunk. ``"merged"``: running means and variances are mixed in the shares of the
            weights (by task vectors in equal shares, never extrapolated), counters are the first chain's; with a
            function of your own they are whatever it answers. ``"recomputed"``: torch's batch norms are measured anew
            on the merged trunk by reading the training data once (Izmailov et al. 2018, algorithm 1, last line), since
            what merged weights make of the data has neither the mixed mean nor the mixed variance.
        processes: over how many processes the chains are spread, an epoch of each at a time; what they learn is bitwise
            what one process makes of them. An epoch whose process dies is begun anew. Callbacks that are told of every
            update are told once for each chain's epoch.
    """

    losses: Mapping[str, Any]
    rounds: int = 1
    merge: str | TaskArithmetic | Callable[[Sequence[Weights]], Mapping[str, Tensor]] = "average"
    perturb: Perturb | None = None
    statistics: str = "merged"
    processes: int = 1

    @property
    def name(self) -> str:
        return "federated merge"

    @property
    def needs_validation(self) -> str:  # type: ignore[override]
        return 'FederatedMerge(merge="validation")' if self.merge == "validation" else ""

    def tracks(self, system: System) -> tuple[Track, ...]:
        asker = "FederatedMerge"
        check_branches(system, self.losses, asker)
        if isinstance(self.rounds, bool) or not isinstance(self.rounds, int) or self.rounds < 1:
            raise DeclarationError(f"{asker}: there is at least one round, found rounds={self.rounds!r}")
        check_merge(self.merge)
        if isinstance(self.processes, bool) or not isinstance(self.processes, int) or self.processes < 1:
            raise DeclarationError(f"{asker}: chains learn in one process or more, found processes={self.processes!r}")
        bound = end_loss_track(system, self.losses, None, asker).losses
        check_fork(system, bound, asker)
        check_statistics(system, self.statistics, tuple(self.losses), asker)
        return tuple(self._chain(system, loss, asker) for loss in bound)

    def after_epoch(self, tracks: Sequence[Track], system: System, moment: Moment) -> bool:
        """At the end of a round, merge the trunks into the system and start all chains from there."""
        if moment.epoch * self.rounds // moment.epochs == (moment.epoch - 1) * self.rounds // moment.epochs:
            return False
        owners = _owners(tracks, system)
        chains = [track.system.state_dict() for track in tracks]
        grown = growing(system)
        shared = {name: having for name, having in owners.items() if len(having) > 1 and not name.startswith(grown)}
        start = {name: value.clone() for name, value in system.state_dict().items()}
        for track, chain in zip(tracks, chains, strict=True):
            self._tell("unmerged", track, system, chain, moment)
        branches = {name: chains[having[0]][name] for name, having in owners.items() if len(having) == 1}
        write(system, start | branches)

        def score(trunk: Weights) -> float:
            assert moment.score is not None
            write(system, trunk)
            return moment.score()

        trunks = [{name: chain[name].clone() for name in shared} for chain in chains]
        before = {name: start[name] for name in shared}
        found = Chains(
            trunks, shared, before, list(map(float, moment.samples)), None if moment.score is None else score,
            frozenset(shared) - {name for name, _ in system.named_parameters(remove_duplicate=False)},
        )  # fmt: skip
        write(system, self._merged(found))
        if self.statistics == "recomputed":
            recompute(system, tuple(self.losses), joined.from_iterable(read() for read in moment.readings))
        _merge_fitted(tracks, system)
        for track in tracks:  # branches of others too: a chain is the system in whatever it can run
            write(track.system, system.state_dict())
            self._tell("merged", track, system, {}, moment)
        return True

    def _tell(self, when: str, track: Track, system: System, weights: Mapping[str, Tensor], moment: Moment) -> None:
        """Note in the history how good a chain's branch is with these weights."""
        if moment.measure is None:
            return
        write(system, weights)
        values = moment.measure()
        edges = set(track.truths)
        moment.row.update({f"{when} {name}": value for name, value in values.items() if _edge(name) in edges})

    def _chain(self, system: System, loss: BoundLoss, asker: str) -> Track:
        own = copy.deepcopy(system)
        track = end_loss_track(own, {loss.name: self.losses[loss.name]}, None, asker)
        return replace(track, name=f"chain to {loss.name}")

    def _merged(self, chains: Chains) -> Mapping[str, Tensor]:
        if isinstance(self.merge, str):
            return MERGES[self.merge](chains)
        if isinstance(self.merge, TaskArithmetic):
            return self.merge(chains)
        merged = self.merge(chains.weights)
        found = list(merged) if isinstance(merged, Mapping) else [type(merged).__name__]
        if set(found) != set(chains.owners) or not isinstance(merged, Mapping):
            raise TrainingError(
                f"FederatedMerge: merge answered {listed(found)}; it answers a dict of these tensors: "
                f"{listed(chains.owners)}"
            )
        return merged


def write(system: System, weights: Mapping[str, Tensor]) -> None:
    """Put weights into the system in place."""
    system.load_state_dict(weights, strict=False)


def _merge_fitted(tracks: Sequence[Track], system: System) -> None:
    """Models that learn by being fitted say themselves what their merger is."""
    for model in system.models:
        learned = [fitting(track.system.component(model)) for track in tracks if model in track.models]
        module, others = fitting(system.component(model)), [other for other in learned if other is not None]
        if module is not None and len(others) > 1:
            module.merge(others)


def _edge(measure: str) -> str:
    """The edge of a measure by its name: ``light``, ``light.accuracy``, ``light: loss``."""
    return measure.split(":")[0].split(".")[0]


def _owners(tracks: Sequence[Track], system: System) -> dict[str, tuple[int, ...]]:
    """For every weight by name the chains that train it, also where they know it under another name."""
    tensors = system.state_dict(keep_vars=True)
    names: dict[int, list[str]] = {}
    for name, value in tensors.items():
        names.setdefault(id(value), []).append(name)

    def trained(name: str, track: Track) -> bool:
        return any(alias.startswith(f"{model}.") for alias in names[id(tensors[name])] for model in track.models)

    return {name: tuple(number for number, track in enumerate(tracks) if trained(name, track)) for name in tensors}
