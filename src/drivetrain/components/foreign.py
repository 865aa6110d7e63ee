"""The bridge to models of other frameworks: their weights are torch parameters, their pull-back a node of the tape."""

from __future__ import annotations

import sys
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from drivetrain.components.torch import TorchComponent
from drivetrain.errors import ComponentError, listed
from drivetrain.graph.signature import Signature

Gradients = tuple[Sequence[Tensor | None], Sequence[Tensor | None]]
PullBack = Callable[[Any], Gradients]
"""From the answer's cotangents to the gradients of ``Call.moved`` and of ``Call.learning``, in their order."""


BRIDGES: weakref.WeakValueDictionary[int, nn.Module] = weakref.WeakValueDictionary()
"""The module around each user's object, by its identity: an object that is declared twice has one set of weights.

A bridge holds its object, hence the identity of an object whose bridge lives is not given to another one.
"""


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a foreign model.

    Attributes:
        leaves: the values of the call, flat; tensors are detached.
        structure: how the leaves make up positional and named arguments.
        training: whether the model is in its training mode.
        moved: places in ``leaves`` of the tensors whose gradient is wanted.
        learning: names of the weights whose gradient is wanted.
    """

    leaves: tuple[Any, ...]
    structure: TreeSpec
    training: bool
    moved: tuple[int, ...]
    learning: tuple[str, ...]

    def arguments(self, leaves: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The positional and named arguments with other leaves, such as the framework's own arrays."""
        values, constants = tree_unflatten(list(leaves), self.structure)
        return values, constants


class AbstractForeignModel(ABC):
    """What an adapter says of a model of another framework.

    To write one: these six members, in a file that alone imports the framework, which passes
    ``components/conformance.py``. Arrays of the framework become tensors through DLPack, without a copy where it can.
    """

    @property
    @abstractmethod
    def thing(self) -> Any:
        """The user's own object."""

    def check_signature(self, component: str, signature: Signature) -> None:  # noqa: B027 (nothing known, all fits)
        """Refuse a signature whose inputs the model cannot take; an adapter that knows what it takes overrides it."""

    @abstractmethod
    def weights(self) -> dict[str, Tensor]:
        """Copies of the weights that learn, by name; a dot in a name is read as an underscore."""

    @abstractmethod
    def statistics(self) -> dict[str, Tensor]:
        """Copies of what it keeps besides: running means, the states of its generators of random numbers."""

    @abstractmethod
    def receive(self, values: Mapping[str, Tensor]) -> None:
        """Write weights and statistics, by their names, into the user's own object, which may keep these tensors."""

    @abstractmethod
    def run(self, call: Call) -> Any:
        """The answer, made of tensors, without a way back."""

    @abstractmethod
    def vjp(self, call: Call) -> tuple[Any, PullBack]:
        """The answer and the way back, which may be gone several times.

        The way back takes a value built like the answer, with a cotangent in the place of each floating-point tensor
        and ``None`` elsewhere.
        """


class ForeignModule(nn.Module):
    """A model of another framework as a torch module; one for each object of the user's, however often it is declared.

    Its weights are parameters of this module and lead: what an optimizer, a loaded file or a restored checkpoint
    writes into them is handed to the user's object before it runs again, and by ``hand_back``. Its statistics are
    buffers; after a run in training mode the object leads, and they are read when somebody asks for the state.
    """

    def __init__(self, model: AbstractForeignModel) -> None:
        super().__init__()
        self.model = model
        weights, statistics = model.weights(), model.statistics()
        self.weights = nn.ParameterDict({key_of(name): nn.Parameter(value) for name, value in weights.items()})
        self.statistics = nn.Module()
        for name, value in statistics.items():
            self.statistics.register_buffer(key_of(name), value)
        self._names = {key_of(name): name for name in (*weights, *statistics)}
        if len(self._names) < len(weights) + len(statistics):
            raise ComponentError(
                f"the {type(model.thing).__name__} has several weights of one name: "
                f"{listed(sorted([*weights, *statistics]))} (a dot is read as an underscore); rename them"
            )
        self._handed = self._versions()
        self._suspects: set[str] = set()
        self._object_leads = False
        BRIDGES[id(model.thing)] = self
        self.register_state_dict_pre_hook(_read_statistics)  # type: ignore[no-untyped-call]

    def check_signature(self, component: str, signature: Signature) -> None:
        """Refuse a signature that the user's object cannot take."""
        self.model.check_signature(component, signature)

    def forward(self, *values: Any, **constants: Any) -> Any:
        """Run the user's object on its framework's own arrays."""
        self.hand_back()
        leaves, structure = tree_flatten((values, constants))
        graded = torch.is_grad_enabled()
        moved = tuple(i for i, leaf in enumerate(leaves) if graded and isinstance(leaf, Tensor) and leaf.requires_grad)
        weights = self._weights()
        learning = tuple(key for key, weight in weights.items() if weight.requires_grad) if graded else ()
        plain = tuple(leaf.detach() if isinstance(leaf, Tensor) else leaf for leaf in leaves)
        call = Call(plain, structure, self.training, moved, tuple(self._names[key] for key in learning))
        self._object_leads |= self.training
        if not moved and not learning:
            return self.model.run(call)
        crossing = _Crossing(self.model, call, partial(self._suspects.update, learning))
        inputs = [*(leaves[i] for i in moved), *(weights[key] for key in learning)]
        return crossing.answer(_Bridge.apply(crossing, *inputs))  # type: ignore[no-untyped-call]

    def hand_back(self) -> None:
        """Write what changed here into the user's own object."""
        versions = self._versions()
        if versions == self._handed and not self._suspects:
            return
        changed = {
            self._names[key]: value.detach().clone()
            for key, value in self._held()
            if versions[key] != self._handed[key] or key in self._suspects
        }
        self.model.receive(changed)
        self._handed = versions
        # An optimizer that writes into `weight.data` leaves no trace: what has a gradient may have been stepped.
        self._suspects &= {key for key in self._suspects if self.weights[key].grad is not None}

    def read_statistics(self) -> None:
        """Bring the buffers up to date with the user's object, unless they were written since."""
        self.hand_back()
        if self._object_leads:
            with torch.no_grad():
                for name, value in self.model.statistics().items():
                    getattr(self.statistics, key_of(name)).copy_(value)
            self._handed = self._versions()
            self._object_leads = False

    def _held(self) -> list[tuple[str, Tensor]]:
        return [*self._weights().items(), *self.statistics.named_buffers()]

    def _weights(self) -> dict[str, nn.Parameter]:
        # Read where torch keeps them: a walk over the ParameterDict costs several microseconds for each weight.
        return cast("dict[str, nn.Parameter]", self.weights._parameters)

    def _versions(self) -> dict[str, tuple[int, int]]:
        """Changes whenever a tensor is written in place or replaced."""
        return {key: (value._version, value.data_ptr()) for key, value in self._held()}

    def __getstate__(self) -> dict[str, Any]:
        self.read_statistics()  # a copy starts from the buffers
        return self.__dict__.copy()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        keep_triton_out()
        BRIDGES[id(self.model.thing)] = self
        self._handed = dict.fromkeys(self._handed, (-1, -1))  # a copy's tensors count their versions anew


def keep_triton_out() -> None:
    """Tell torch that there is no triton, once TensorFlow is there.

    Loaded after TensorFlow 2.21, triton 3.8 ends the process (measured: a segmentation fault), and torch loads it with
    the first optimizer where it is installed. Keras loads TensorFlow whatever its backend. Triton compiles for GPUs;
    torch does without it where it is missing.
    """
    if "tensorflow" in sys.modules:
        sys.modules.setdefault("triton", None)  # type: ignore[arg-type]


class ForeignComponent(TorchComponent):
    """A component around a model of another framework."""

    @property
    def thing(self) -> Any:
        """The user's own object, up to date."""
        if not isinstance(self.module, ForeignModule):  # Keras on torch and ONNX files need no bridge
            return getattr(self.module, "model", self.module)
        self.module.hand_back()
        return self.module.model.thing


def hand_back(system: nn.Module) -> None:
    """Write what was learned into the users' own objects, wherever another framework's model stands in the system."""
    for module in system.modules():
        if callable(write := getattr(module, "hand_back", None)):
            write()


@cache
def key_of(name: str) -> str:
    """A weight's name in a state_dict, where a dot means something else, and some words (``half``) are torch's own."""
    key = name.replace(".", "_")
    return f"{key}_" if hasattr(nn.ParameterDict(), key) else key


class _Crossing:
    """One pass over the bridge: takes the answer apart, and puts it together again around tensors on the tape."""

    def __init__(self, model: AbstractForeignModel, call: Call, learned: Callable[[], None]) -> None:
        self.model, self.call, self.learned = model, call, learned
        self.leaves: list[Any] = []
        self.structure: TreeSpec | None = None
        self.floats: list[int] = []

    def forth(self) -> tuple[tuple[Tensor, ...], PullBack]:
        """Run; the floating-point tensors of the answer, and the way back."""
        answer, pull_back = self.model.vjp(self.call)
        self.leaves, self.structure = tree_flatten(answer)
        self.floats = [i for i, leaf in enumerate(self.leaves) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
        return tuple(self.leaves[i] for i in self.floats), pull_back

    def rebuilt(self, values: Sequence[Any], rest: Sequence[Any]) -> Any:
        """The answer with other values in the places of its floating-point tensors."""
        leaves = list(rest)
        for i, value in zip(self.floats, values, strict=True):
            leaves[i] = value
        assert self.structure is not None
        return tree_unflatten(leaves, self.structure)

    def answer(self, outputs: Sequence[Tensor]) -> Any:
        """The model's answer, on the tape."""
        return self.rebuilt(outputs, self.leaves)


class _Bridge(torch.autograd.Function):
    """Forward: the model's own value. Backward: its own pull-back."""

    @staticmethod
    def forward(ctx: Any, crossing: _Crossing, *inputs: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)  # where code behind it hides the gradient there is none; it is not zero
        outputs, ctx.pull_back = crossing.forth()
        ctx.crossing, ctx.dtypes = crossing, [value.dtype for value in inputs]
        # Not read here but shared with the framework, whose way back reads them: torch then sees what is overwritten.
        ctx.save_for_backward(*(leaf for leaf in crossing.call.leaves if isinstance(leaf, Tensor)), *outputs)
        return outputs

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        crossing, saved = ctx.crossing, ctx.saved_tensors
        if all(cotangent is None for cotangent in cotangents):
            return None, *(None for _ in ctx.dtypes)
        crossing.learned()
        outputs = saved[len(saved) - len(cotangents) :]
        given = [torch.zeros_like(v) if g is None else g for g, v in zip(cotangents, outputs, strict=True)]
        wanted = crossing.rebuilt(given, [None] * len(crossing.leaves))
        moved, learning = ctx.pull_back(wanted)
        gradients = (*moved, *learning)
        return None, *(g if g is None else g.to(kind) for g, kind in zip(gradients, ctx.dtypes, strict=True))


def _read_statistics(module: nn.Module, prefix: str, keep_vars: bool) -> None:
    assert isinstance(module, ForeignModule)
    module.read_statistics()
