"""One call of code without a gradient: taken apart into flat tensors, and put together again around other values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from drivetrain.errors import ComponentError, listed
from drivetrain.gradients.arrays import as_tensors
from drivetrain.gradients.ragged import Slots
from drivetrain.gradients.refusals import refuse_ragged_inputs, refuse_without_numbers, refuse_writing
from drivetrain.graph.component import Component

Tensors = tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class Call:
    """One call of code without a gradient, seen as a function of flat tensors; all nesting is dealt with outside.

    Attributes:
        component: the name of the code, for messages.
        function: from ``inputs``, moved as you like, to the new values of ``outputs``; runs the code once, no tape.
        inputs: the floating-point inputs that require a gradient, detached.
        outputs: the floating-point outputs.
        input_names: the port behind each of ``inputs``.
        floats: name and shape of every floating-point input, those without need of a gradient too.
        context: the values of those without.
        others: everything else that the code was given, if that is plain (numbers, words); ``None`` if it is data.
        memory: what the estimator keeps for this component from call to call; plain data and tensors.
        ragged: of those of ``outputs`` that are lists of changing length the slots into which they are laid.
    """

    component: str
    function: Callable[[Tensors], Tensors]
    inputs: Tensors
    outputs: Tensors
    input_names: tuple[str, ...]
    floats: tuple[tuple[str, torch.Size], ...]
    context: Tensors = ()
    others: tuple[Any, ...] | None = None
    memory: dict[str, Any] = field(default_factory=dict)
    ragged: tuple[Slots, ...] = ()

    def at(self, inputs: Tensors) -> Call:
        """The same code at other inputs."""
        return replace(self, inputs=inputs)

    def with_memory(self, memory: dict[str, Any]) -> Call:
        """The same call beside another memory."""
        return replace(self, memory=memory)

    @property
    def batch(self) -> int | None:
        """How many samples there are: the first dimension that all outputs share; ``None`` if they share none."""
        sizes = {int(output.shape[0]) if output.ndim else None for output in self.outputs}
        return sizes.pop() if len(sizes) == 1 else None

    def is_per_sample(self, value: Tensor) -> bool:
        """Whether an input has one row per sample; else, like a matrix that all share, it belongs to all of them."""
        return self.batch is not None and value.ndim > 0 and value.shape[0] == self.batch

    @property
    def n_inputs(self) -> int:
        """How many numbers move the answer for one sample."""
        return sum(x.numel() // (x.shape[0] or 1) if self.is_per_sample(x) else x.numel() for x in self.inputs)


class Form(NamedTuple):
    """How an answer is built: its nesting, and one row [1, ...] of zeros for each tensor in it."""

    structure: TreeSpec
    rows: Tensors


class Run:
    """One forward pass: takes the nesting apart, and puts it together again around moved inputs."""

    def __init__(
        self, component: Component, memory: dict[str, Any], structure: TreeSpec, leaves: list[Any], moved: list[int]
    ):
        self.component, self.memory, self.structure, self.moved = component, memory, structure, moved
        self.leaves = [leaf.detach() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        self.inputs: Tensors = tuple(self.leaves[i] for i in moved)
        self.answer_leaves: list[Any] = []
        self.answer_structure: TreeSpec | None = None
        self.floats: list[int] = []
        self.slots: dict[int, Slots] = {}
        self.beside: dict[int, Any] = {}

    def whole(self, inputs: Tensors) -> Any:
        """Run the code on moved inputs; its answer as it is."""
        leaves = list(self.leaves)
        for i, value in zip(self.moved, inputs, strict=True):
            leaves[i] = value
        values, constants = tree_unflatten(leaves, self.structure)
        with torch.no_grad():
            return as_tensors(self.component.runs(*values, **constants), leaves)

    def first(self) -> Tensors:
        """Run the code where it stands, and remember how its answer is built."""
        before = _versions(self.leaves)
        self.answer_leaves, self.answer_structure = tree_flatten(self._laid(self.whole(self.inputs)))
        written = [i for i, (old, new) in enumerate(zip(before, _versions(self.leaves), strict=True)) if old != new]
        names = _names(self.component, self.structure, len(self.leaves))
        refuse_writing(self.component, [names[i] for i in written])
        self.floats = [i for i, leaf in enumerate(self.answer_leaves) if _is_float(leaf)]
        if not self.floats:
            refuse_without_numbers(self.component, [_kind(leaf) for leaf in self.answer_leaves])
        return tuple(self.answer_leaves[i].detach() for i in self.floats)

    def function(self, inputs: Tensors) -> Tensors:
        """The code as a function of flat tensors."""
        try:
            answer = self.whole(inputs)
        except Exception as error:
            error.add_note(
                f"'{self.component.name}' was run at inputs a little beside those it was given, to estimate its "
                f"gradient. Let it take those, too, or choose a method that runs nothing: StraightThrough()"
            )
            raise
        leaves, structure = tree_flatten(self._laid(answer))
        shapes = [leaf.shape if isinstance(leaf, Tensor) else None for leaf in leaves]
        known = [leaf.shape if isinstance(leaf, Tensor) else None for leaf in self.answer_leaves]
        if structure != self.answer_structure or shapes != known:
            raise ComponentError(
                f"'{self.component.name}' answers another shape when its inputs move a little ({shapes} after "
                f"{known}), so there is no difference to take. Answer a fixed number of slots with a flag for each, "
                f"or relax the code by hand: relaxed({self.component.name}, smooth)"
            )
        return tuple(leaves[i] for i in self.floats)

    def call(self, outputs: Tensors) -> Call:
        """This pass as an estimator sees it."""
        names = _names(self.component, self.structure, len(self.leaves))
        floats = tuple((names[i], leaf.shape) for i, leaf in enumerate(self.leaves) if _is_float(leaf))
        moved = tuple(names[i] for i in self.moved)
        refuse_ragged_inputs(self.component, moved)
        others = [leaf for i, leaf in enumerate(self.leaves) if i not in self.moved]
        plain = (
            tuple(others)
            if all(leaf is None or isinstance(leaf, bool | int | float | str) for leaf in others)
            else None
        )
        context: Tensors = tuple(leaf for i, leaf in enumerate(self.leaves) if _is_float(leaf) and i not in self.moved)
        return Call(
            self.component.name, self.function, self.inputs, outputs, moved, floats, context, plain, self.memory,
            tuple(self.slots.values()),
        )  # fmt: skip

    def form(self) -> Form:
        """How the answer is built, for passes that answer something in its place.

        Raises:
            ComponentError: part of the answer has no mean, as it is no number a sample.
        """
        batch = len(self.inputs[0])
        if self.slots:
            raise ComponentError(
                f"'{self.component.name}' is to answer the mean over several runs in training, and lists of changing "
                f'length have none; let the gradient alone change: Expected(changes="gradient")'
            )
        strange = [leaf for leaf in self.answer_leaves if not _is_float(leaf) or leaf.shape[:1] != (batch,)]
        if strange:
            raise ComponentError(
                f"'{self.component.name}' is to answer the mean over several runs in training, and answers "
                f"{listed(_kind(leaf) for leaf in strange)} that has none; answer floating-point tensors with one "
                f'row a sample, or let the gradient alone change: Expected(changes="gradient")'
            )
        assert self.answer_structure is not None
        return Form(self.answer_structure, tuple(leaf.new_zeros(1, *leaf.shape[1:]) for leaf in self.answer_leaves))

    def recalled(self, form: Form) -> Call:
        """This pass as an estimator sees it, without a run of the code: of the answer only its form is known."""
        batch = len(self.inputs[0])
        self.answer_structure = form.structure
        self.answer_leaves = [one.expand(batch, *one.shape[1:]) for one in form.rows]
        self.floats = list(range(len(self.answer_leaves)))
        return self.call(tuple(self.answer_leaves))

    def answer(self, outputs: Tensors) -> Any:
        """The code's answer, with the outputs that are on the tape in their places."""
        leaves = list(self.answer_leaves)
        for i, value in zip(self.floats, outputs, strict=True):
            leaves[i] = value
        assert self.answer_structure is not None
        return self._lists(tree_unflatten(leaves, self.answer_structure))

    def _laid(self, answer: Any) -> Any:
        """The answer with its ragged edges in slots; those that hold no numbers are set aside."""
        ports = self.component.signature.outputs
        if not any(port.ragged for port in ports):
            return answer
        edges = [answer] if len(ports) == 1 else list(answer)
        for place, port in enumerate(ports):
            if port.ragged:
                edges[place] = self._edge(place, port.name, edges[place])
        return edges[0] if len(ports) == 1 else tuple(edges)

    def _edge(self, place: int, name: str, value: Any) -> Tensor | None:
        if place in self.slots:
            return self.slots[place].follow(value)
        if place in self.beside or not any(map(_is_float, tree_flatten(value)[0])):
            self.beside.setdefault(place, value)
            return None
        self.slots[place] = Slots(self.component, name, value)
        return self.slots[place].values

    def _lists(self, answer: Any) -> Any:
        if not self.slots and not self.beside:
            return answer
        single = len(self.component.signature.outputs) == 1
        edges = [answer] if single else list(answer)
        for place, slots in self.slots.items():
            edges[place] = slots.out_of(edges[place])
        for place, value in self.beside.items():
            edges[place] = value
        return edges[0] if single else tuple(edges)


def _names(component: Component, structure: TreeSpec, count: int) -> list[str]:
    values, constants = tree_unflatten(list(range(count)), structure)
    ports = [port.name for port in component.signature.inputs]
    names = [""] * count
    for name, value in [*zip(ports, values, strict=False), *constants.items()]:
        places = tree_flatten(value)[0]
        for k, place in enumerate(places):
            names[place] = name if len(places) == 1 else f"{name}[{k}]"
    return names


def _versions(leaves: list[Any]) -> list[int]:
    """How often each tensor was written to, as torch counts; what is done to it through numpy it does not see."""
    return [leaf._version if isinstance(leaf, Tensor) and not leaf.is_inference() else 0 for leaf in leaves]


def _is_float(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.is_floating_point()


def _kind(leaf: Any) -> str:
    return f"{str(leaf.dtype).removeprefix('torch.')} tensor" if isinstance(leaf, Tensor) else type(leaf).__name__
