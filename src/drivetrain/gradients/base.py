"""The contract of a gradient estimator, and the one ``autograd.Function`` through which all of them reach the tape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten

from drivetrain.gradients.arrays import as_tensors
from drivetrain.gradients.call import Call, Form, Run, Tensors
from drivetrain.gradients.memory import Memory
from drivetrain.gradients.noticed import Noticed, notice
from drivetrain.gradients.refusals import refuse_methods, refuse_missing, refuse_systems, refuse_weights
from drivetrain.graph.component import Component

__all__ = ["AbstractEstimator", "Call", "Choice", "DifferentiableComponent", "Tensors"]


class AbstractEstimator(ABC):
    """What stands in for the gradient of code that has none.

    To write one: a frozen dataclass with ``pull_back`` and ``calls``, which passes ``gradients/conformance.py``. Draw
    from torch's global generator alone, so that ``torch.manual_seed`` rules and checkpoints restore it; keep what is to
    last from call to call in ``call.memory`` alone.
    """

    faithful: ClassVar[bool] = True
    """Whether, on smooth code and with small steps, its expectation is the true gradient."""

    fewest: ClassVar[int] = 1
    """The least number of ``samples``, where it has any."""

    learns: ClassVar[bool] = False
    """Whether it comes near the true gradient of smooth code by and by, from the answers that it has seen."""

    why: ClassVar[str] = "given"
    """Why this one."""

    chooses: ClassVar[bool] = False
    """Whether it is no estimator itself but chooses one; then the noise of what was chosen is looked at, once."""

    grounds: ClassVar[tuple[str, ...]] = ("numbers",)
    """What its inputs may hold: ``"numbers"``, ``"distributions"`` over symbols, or both; the exam asks on these."""

    changes: str = "gradient"
    """As in ``relaxed``: ``"gradient"`` alone, or in training the ``"value"`` too, which ``value`` answers."""

    @abstractmethod
    def pull_back(self, call: Call, cotangents: Tensors) -> Tensors:
        """The estimated gradient of ``sum(cotangent · output)`` with respect to each of ``call.inputs``.

        Args:
            call: the code at the point where it was run.
            cotangents: the gradient of the loss at each of ``call.outputs``, in their shapes.
        """

    def value(self, call: Call) -> Tensors:
        """What is answered in training if that ``changes``: on the tape of ``call.inputs``; by default the code's own.

        Of ``call.outputs`` only the shapes are known then.
        """
        return call.outputs

    @abstractmethod
    def calls(self, n_inputs: int) -> int:
        """How often one ``pull_back`` runs the code, where one sample has ``n_inputs`` numbers."""

    def check(self, call: Call) -> None:  # noqa: B027  # most estimators take everything
        """Refuse, at the first forward pass with several samples, code that cannot be served; by default nothing."""

    def __str__(self) -> str:
        """As one writes it: what is not the default."""
        if not is_dataclass(self):
            return repr(self)
        usual = {field.name: field.default for field in fields(self)}
        own = [f"{name}={getattr(self, name)!r}" for name, value in usual.items() if getattr(self, name) != value]
        return f"{type(self).__name__}({', '.join(own)})"

    def settled(self, call: Call) -> Choice:
        """The estimator to keep for this code, decided at its first forward pass; by default this one."""
        return Choice(self, self.why)


class Choice(NamedTuple):
    """An estimator, and why it was taken."""

    method: AbstractEstimator
    why: str


class DifferentiableComponent(Component):
    """Runs another component and answers its value; on the way back a gradient estimator speaks for it.

    It has no weights that learn, so it is no model. Made by ``differentiable``.

    Attributes:
        wrapped: the component itself.
        method: the estimator.
        why: why this estimator.
        memory: what the estimator keeps from call to call; part of ``state_dict``, so that checkpoints hold it.
    """

    def __init__(self, component: Component, method: AbstractEstimator) -> None:
        refuse_systems("differentiable", component)
        refuse_methods(component, method)
        super().__init__(component.name, component.signature, component.from_truth)
        refuse_weights(component)
        self.wrapped = component
        self.method = method
        self.why = method.why
        self.memory = Memory()
        self.watches = method.chooses
        self._settled = self._checked = False
        self._form: Form | None = None

    @property
    def thing(self) -> Any:
        """The user's code."""
        return self.wrapped.thing

    @property
    def learns(self) -> bool:
        """Never: an estimator gives gradients to inputs, not to weights."""
        return False

    def forward(self, *values: Any, **constants: Any) -> Any:
        """Run the wrapped code: its own value, but in training the mean answer where the method ``changes`` that."""
        leaves, structure = tree_flatten((values, constants))
        moved = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor) and leaf.requires_grad]
        if not moved or not torch.is_grad_enabled():
            return as_tensors(self.wrapped.runs(*values, **constants), leaves)
        run = Run(self.wrapped, self.memory.content, structure, leaves, moved)
        live = tuple(leaves[i] for i in moved)
        if self._changes_value and self._form is not None:
            return run.answer(self.method.value(run.recalled(self._form).at(live)))
        call = run.call(run.first())
        self.settle(call)
        if self._changes_value:
            self._form = run.form()
            self._look(call)
            return run.answer(self.method.value(call.at(live)))
        return run.answer(_Estimate.apply(call, self, *live))  # type: ignore[no-untyped-call]

    @property
    def _changes_value(self) -> bool:
        return self.training and self.method.changes == "value"

    @property
    def noticed(self) -> Noticed | None:
        """How noisy the gradient was, and how many samples received none so far; ``None`` before any came back."""
        return Noticed.of(self.memory.content)

    def _look(self, call: Call) -> None:
        """Where the value changes autograd goes back by itself: look once, ahead."""
        if self.watches and "noticed" not in call.memory:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                cotangents = tuple(torch.randn(output.shape).to(output) for output in call.outputs)
                notice(call, cotangents, self.method.pull_back(call, cotangents), self.method.pull_back)

    def settle(self, call: Call) -> None:
        """At the first call whose gradient is wanted: decide the estimator and let it check the code."""
        if not self._settled:
            self.method, self.why = self.method.settled(call)
            self._settled = True
        if not self._checked:
            self.method.check(call)
            self._checked = call.batch != 1  # one sample alone cannot show whether samples influence each other

    def __repr__(self) -> str:
        noticed = f"; {self.noticed}" if self.noticed else ""
        by = f"gradient by {self.method}; {self.why}{noticed}"
        return f"{self.name}: {self.signature}  [{type(self.thing).__name__}, {by}]"


class _Estimate(torch.autograd.Function):
    """Forward: the code's own value. Backward: the estimate."""

    @staticmethod
    def forward(ctx: Any, call: Call, component: DifferentiableComponent, *inputs: Tensor) -> Tensors:
        ctx.set_materialize_grads(False)  # where code behind it hides the gradient there is none; it is not zero
        ctx.call, ctx.component = call, component
        return tuple(output.detach() for output in call.outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *cotangents: Any) -> Any:
        call, component = ctx.call, ctx.component
        if all(cotangent is None for cotangent in cotangents):
            return None, None, *(None for _ in call.inputs)
        cotangents = tuple(
            torch.zeros_like(y) if g is None else g for g, y in zip(cotangents, call.outputs, strict=True)
        )
        with torch.no_grad():
            gradients = component.method.pull_back(call, cotangents)
            refuse_missing(call.component, component.method, call.input_names, gradients)
            notice(call, cotangents, gradients, component.method.pull_back if component.watches else None)
        return None, None, *(g.to(x.dtype) for g, x in zip(gradients, call.inputs, strict=True))
