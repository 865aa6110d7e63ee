"""Whose turn it is: models not in turn are frozen, in evaluation mode and without gradients, until theirs comes."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from drivetrain.gradients.relaxed import RelaxedComponent
from drivetrain.graph import System
from drivetrain.training.statistics import Statistics


class Turns:
    """Freezes and frees the models of a system, and leaves it afterwards as the user handed it over.

    A frozen model runs in evaluation mode (batch-norm statistics stand still) and its weights require no gradient, so
    that autograd keeps no tape for what lies upstream of it alone. Weights that the user froze stay frozen. Code behind
    the models in turn runs in training mode; so does a relaxation there that has weights of its own, since in
    evaluation it would be the hard code, which hides the gradient; what it holds stands still all the same.

    Attributes:
        models: all that have weights, in order of execution.
    """

    def __init__(self, system: System) -> None:
        self.system = system
        self.models = system.models
        self._current: tuple[tuple[str, ...], frozenset[str]] | None = None
        self._flags = [(module, module.training) for module in system.modules()]
        self._learnable = [weight for weight in system.parameters() if weight.requires_grad]
        self._components = {node.name: node.component for node in system.nodes}
        self._relaxations = {
            name: [module for module in component.modules() if isinstance(module, RelaxedComponent)]
            for name, component in self._components.items()
        }
        self._weights: dict[tuple[str, ...], list[nn.Parameter]] = {}  # found once: turns change in every iteration
        self._statistics: dict[tuple[tuple[str, ...], frozenset[str]], Statistics] = {}

    def weights(self, models: Iterable[str]) -> list[nn.Parameter]:
        """The weights that some models may change, each once."""
        asked = tuple(models)
        if asked not in self._weights:
            free = {id(weight) for weight in self._learnable}
            found = {id(w): w for name in asked for w in self._components[name].parameters() if id(w) in free}
            self._weights[asked] = list(found.values())
        return self._weights[asked]

    def having_gradients(self, models: tuple[str, ...]) -> tuple[str, ...]:
        """Those of some models that the loss has reached."""
        return tuple(name for name in models if any(weight.grad is not None for weight in self.weights([name])))

    def give(self, models: tuple[str, ...], live: frozenset[str]) -> Statistics:
        """Let these models learn and freeze all others; answers the statistics that move now.

        Args:
            models: whose turn it is.
            live: they and what lies behind them, through which their gradient comes.
        """
        asked = (models, live)
        if asked != self._current:
            self._change(models, live)
            self._current = asked
        if asked not in self._statistics:
            self._statistics[asked] = Statistics(module for module in self.system.modules() if module.training)
        return self._statistics[asked]

    def rest(self) -> None:
        """Freeze everything: what runs now is measured, not trained."""
        self.system.eval()
        self._current = None

    def end(self) -> None:
        """Leave the system as it was: training flags, and which weights require a gradient."""
        for weight in self._learnable:
            weight.requires_grad_(True)
            weight.grad = None
        for module, flag in self._flags:
            module.training = flag
        self._current = None

    def _change(self, models: tuple[str, ...], live: frozenset[str]) -> None:
        in_turn = {id(weight) for weight in self.weights(models)}
        for weight in self._learnable:
            weight.requires_grad_(id(weight) in in_turn)
        for name, component in self._components.items():
            component.train(name in live and name not in self.models)
        for name in live:
            for relaxation in self._relaxations[name]:
                relaxation.training = True
        for name in models:  # after the others, since a module may stand under several names
            self._components[name].train()
