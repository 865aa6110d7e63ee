"""One batch there and back: through the system to the loss, and its gradient back to the models in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from drivetrain.components.fitting import fitting, forget
from drivetrain.data import Batch, take
from drivetrain.errors import TrainingError
from drivetrain.graph.execution import describe
from drivetrain.graph.graph import Constant
from drivetrain.training.base import State, Track, TrainingPattern
from drivetrain.training.finite import check_loss
from drivetrain.training.losses import BoundLoss, named_terms, total
from drivetrain.training.reading import Read, Reading
from drivetrain.training.run import Run
from drivetrain.training.running import Runner
from drivetrain.training.turns import Turns


class Taken(NamedTuple):
    """What one batch gave.

    Attributes:
        terms: the loss and its named terms, a share of an update each; nothing where no sample could be used.
        learners: the models in turn that its losses ought to reach.
        samples: how many samples it had.
        used: whether any sample could be used.
    """

    terms: dict[str, float]
    learners: frozenset[str]
    samples: int = 0
    used: bool = True


class Step:
    """Fills the gradients of the models in turn from one batch after the other."""

    def __init__(
        self, run: Run, pattern: TrainingPattern, track: Track, reading: Reading, runner: Runner, turns: Turns
    ) -> None:
        self.place, self.ledger = run.place, run.ledger
        self.pattern, self.track, self.reading, self.runner, self.turns = pattern, track, reading, runner, turns

    def take(self, read: Read, turn: tuple[str, ...], share: int, state: State) -> Taken:
        """Add the gradient of one batch to the models in turn.

        Args:
            read: the batch.
            turn: the models that learn from it.
            share: how many batches make one update.
            state: for messages, and to know whether the labels were paid for.

        Raises:
            NonFiniteLossError: the loss is NaN or infinite.
        """
        batch = self.runner.usable(read.batch, turn)
        if not batch.size:
            return Taken({}, frozenset(), used=False)
        self._pay(batch, state)
        if self.place.moves:
            batch = batch.to(self.place.device)
        if self.pattern.perturb is not None:
            batch = self._perturbed(batch, turn)
        again = None if read.again is None else lambda: self.runner.usable(read.again())  # type: ignore[misc]
        if self.track.own_truth:
            return Taken(self._shown(batch, turn, again, share), frozenset(), batch.size)
        with self.place.autocast():
            values = self.runner.train(batch, turn, again)
            terms = named_terms(self.track.losses, values, batch)
        counted = {name: term.item() for name, term in terms.items()}
        check_loss(counted, values, self.turns, f"in iteration {state.iteration + 1} of {self.pattern.name}")
        judged = tuple(loss for loss in self.track.losses if _has(batch, loss))
        if any(term.requires_grad for term in terms.values()):
            scale = self.place.scaler.scale
            self.pattern.gradients(terms, self.track, lambda loss: scale(loss if share == 1 else loss / share))
            self.runner.count_backward(turn, self.pattern.ways_back(judged))
        counted["loss"] = sum(counted.values())
        shares = counted if share == 1 else {name: value / share for name, value in counted.items()}
        return Taken(shares, self.runner.way_back(turn, judged).intersection(turn), batch.size)

    def _shown(
        self, batch: Batch, turn: tuple[str, ...], again: Callable[[], Batch] | None, share: int
    ) -> dict[str, float]:
        """Show a model that learns by being fitted its inputs and truth; the terms of its loss, once it can answer."""
        node = self.track.system.graph.node(turn[0])
        module = fitting(node.component)
        assert module is not None
        edge = self.track.truths[0]
        values = self.runner.before(batch, turn, again)
        rows = batch.rows([edge])
        inputs = [
            argument.value if isinstance(argument, Constant) else values[argument.edge] for argument in node.arguments
        ]
        having = inputs if rows is None else [take(value, rows) for value in inputs]
        module.shown.append(module.examples(tuple(having), batch.values_of(edge, rows)))
        if not module.is_fitted:
            return {}
        with torch.no_grad():
            terms = named_terms(self.track.losses, self.runner.train(batch, turn, again), batch)
        counted = {name: float(term) for name, term in terms.items()}
        counted["loss"] = sum(counted.values())
        return {name: value / share for name, value in counted.items()}

    def _pay(self, batch: Batch, state: State) -> None:
        """Note the truths that are used: those of the losses, and those that stand in for models."""
        source = self.reading.source
        if state.epoch and (source.replayable or not batch.identified):
            return  # all that can be told from each other was read in the first epoch
        for loss in self.track.losses:
            used = batch.only(batch.rows(loss.edges))
            self.ledger.read(used, loss.edges, source.labels, "training", self.reading.data_set)
        self.ledger.read(batch, self.runner.substituted, source.labels, "training", self.reading.data_set)

    def _perturbed(self, batch: Batch, turn: tuple[str, ...]) -> Batch:
        kept = [(weight, weight.grad) for weight in self.turns.weights(turn)]
        loss = self.track.losses[0].function if len(self.track.losses) == 1 else self._loss_of
        changed = self.pattern.perturb(self.track.system, batch, loss)  # type: ignore[misc]
        forget(self.track.system)
        for weight, gradient in kept:
            weight.grad = gradient
        if not isinstance(changed, Mapping):
            raise TrainingError(
                f"perturb answered {describe(changed)}; perturb(system, batch, loss) answers the batch with changed "
                f"values: return {{**batch, '{self.track.system.inputs[0]}': changed}}"
            )
        detached = {e: v.detach() if isinstance(v, Tensor) else v for e, v in changed.items()}
        return batch.with_values(detached)

    def _loss_of(self, values: Mapping[str, Any], truths: Mapping[str, Any]) -> Tensor:
        """Several losses as one function of predictions and truths by edge."""
        batch = truths if isinstance(truths, Batch) else Batch(truths, len(next(iter(truths.values()))))
        return total(named_terms(self.track.losses, values, batch))


def _has(batch: Batch, loss: BoundLoss) -> bool:
    """Whether any sample has all truths of a loss."""
    rows = batch.rows(loss.edges)
    return rows is None or len(rows) > 0
