"""Whether the loss reaches every model that should learn from it; code between them may hide its gradient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NoReturn

from drivetrain.errors import NoGradientError, listed
from drivetrain.training.base import Track
from drivetrain.training.running import Runner

PATIENCE = 4
"""Iterations in which a model may go without any gradient at first; glue code may cut single batches off."""


class Reach:
    """Notes which models of a track have had a gradient, and refuses one that never gets any.

    Attributes:
        reached: the models that had one.
    """

    def __init__(self, asker: str, track: Track, runner: Runner) -> None:
        self.asker, self.track, self.runner = asker, track, runner
        self.reached: set[str] = set()
        self._cut_off: Counter[str] = Counter()

    def note(self, learners: Iterable[frozenset[str]], moved: Iterable[str]) -> None:
        """Remember that of the models which the losses of an iteration's batches ought to reach some had a gradient.

        Raises:
            NoGradientError: a model has had none for too long; the message names the code that hides it.
        """
        self.reached.update(moved)
        for name in sorted(frozenset().union(*learners) - self.reached):
            self._cut_off[name] += 1
            if self._cut_off[name] >= PATIENCE:
                self._refuse(name)

    def check(self) -> None:
        """At the end of an epoch: refuse models that went through it without any gradient.

        Raises:
            NoGradientError: as above.
        """
        for name in self._cut_off:
            if name not in self.reached:
                self._refuse(name)

    def _refuse(self, name: str) -> NoReturn:
        graph = self.track.system.graph
        code = [node.name for node in self.runner.split((name,)).live if not node.component.learns]
        blame = (
            f"code between them hides it: {listed(code)}"
            if code
            else "no code lies between them, so the loss or the model itself cuts it off (.detach(), .item(), argmax, "
            "torch.no_grad(), numpy)"
        )
        fix = (
            f". Wrap it: {graph.name}.replace({code[0]}=differentiable({code[0]})), "
            f"or relaxed({code[0]}, smooth_version)"
            if code
            else ""
        )
        raise NoGradientError(
            f"{self.asker}: the loss on {listed(self.track.truths)} gives '{name}' no gradient; {blame}{fix}"
        )
