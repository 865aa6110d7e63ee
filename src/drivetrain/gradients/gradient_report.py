"""``gradient_report``: how noisy a component's gradient is, and how many samples receive none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_unflatten

from drivetrain.errors import ComponentError
from drivetrain.gradients.noticed import size_and_noise
from drivetrain.graph.component import Component
from drivetrain.report import Report


@dataclass(frozen=True)
class InputGradient:
    """What one input of a component receives.

    Attributes:
        name: the input.
        size: the length of the mean gradient, its noise discounted.
        noise: the standard deviation of one estimate, in units of ``size``; 0 is exact, 1 is as much noise as signal.
        silent: the share of samples whose gradient was zero in every repeat.
    """

    name: str
    size: float
    noise: float
    silent: float


@dataclass(frozen=True, repr=False)
class GradientReport(Report):
    """What gradients come back through a component; printed as a table.

    Attributes:
        component: as it prints itself.
        repeats: how often the gradient was estimated.
        inputs: what each of them receives.
        own: how far two answers of the code itself to the same inputs differ, relative to the spread of its answers
            over the batch; 0 where it always answers the same. Noise that no estimator can take away.
    """

    component: str
    repeats: int
    inputs: tuple[InputGradient, ...]
    own: float

    def __rich__(self) -> RenderableType:
        table = Table("input", "gradient", "noise of one estimate", "samples without any gradient")
        for row in self.inputs:
            table.add_row(row.name, f"{row.size:.3g}", f"{row.noise:.2f} of it", f"{row.silent:.0%}")
        moods = f"the code itself answers differently each time, by {self.own:.2f} of the spread of its answers"
        return Group(self.component, table, moods) if self.own else Group(self.component, table)


def gradient_report(
    component: Component, batch_inputs: Sequence[Any], cotangent: Any = None, *, repeats: int = 16
) -> GradientReport:
    """How noisy a component's gradient is on a batch, and how many samples receive none at all.

    Works for any component: code that PyTorch differentiates, relaxed code, or an estimator. Random numbers are drawn
    as in training, and torch's generator is left as it was.

    Args:
        component: whose gradient.
        batch_inputs: one value per input, in the order of the signature; each floating-point tensor is asked for.
        cotangent: the gradient of the loss at the component's floating-point outputs, in their structure. By default
            normal noise, the same in every repeat: the sum of the outputs, say, may be constant (a one-hot choice).
        repeats: how often the gradient is estimated.

    Raises:
        ComponentError: no gradient comes back.
    """
    leaves, structure = tree_flatten(tuple(batch_inputs))
    asked = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
    draws: list[list[Tensor]] = []
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        for _ in range(repeats):
            for i in asked:
                leaves[i] = leaves[i].detach().requires_grad_()
            outputs = _outputs(component, tree_unflatten(leaves, structure))
            cotangents = tree_leaves(cotangent) if cotangent is not None else _directions(outputs)
            wanted = [leaves[i] for i in asked]
            draws.append([*torch.autograd.grad(outputs, wanted, cotangents, allow_unused=True, materialize_grads=True)])
        own = _moods(component, leaves, structure)
    names = _input_names(component, batch_inputs)
    rows = [_row(names[i], torch.stack([draw[k] for draw in draws])) for k, i in enumerate(asked)]
    return GradientReport(repr(component), repeats, tuple(rows), own)


def _outputs(component: Component, values: Sequence[Any]) -> list[Tensor]:
    answer = tree_leaves(component(*values))
    outputs = [leaf for leaf in answer if isinstance(leaf, Tensor) and leaf.requires_grad]
    if not outputs:
        raise ComponentError(
            f"'{component.name}' lets no gradient through: PyTorch cannot differentiate it. Wrap it: "
            f"differentiable({component.name}), or relaxed({component.name}, smooth)"
        )
    return outputs


def _directions(outputs: list[Tensor]) -> list[Tensor]:
    draws = torch.Generator().manual_seed(0)
    return [torch.randn(output.shape, generator=draws).to(output) for output in outputs]


def _row(name: str, gradients: Tensor) -> InputGradient:
    """One input's gradients [repeats, batch, ...] in numbers."""
    repeats = gradients.shape[0]
    size, noise = size_and_noise(gradients)
    per_sample = gradients.reshape(repeats, gradients.shape[1] if gradients.ndim > 1 else 1, -1)
    return InputGradient(name, size, noise, float((per_sample == 0).all(2).all(0).double().mean()))


def _moods(component: Component, leaves: list[Any], structure: TreeSpec) -> float:
    """How far two answers to the same inputs differ, relative to how far the answers of a batch do."""
    with torch.no_grad():
        first, second = (_numbers(component(*tree_unflatten(leaves, structure))) for _ in range(2))
    if first.shape != second.shape:
        return float("inf")
    apart, spread = (first - second).square().mean().sqrt() / 2**0.5, first.std(0, correction=0).square().mean().sqrt()
    return float(apart / spread) if spread > 0 else float("inf") if apart > 0 else 0.0


def _numbers(answer: Any) -> Tensor:
    leaves = [leaf for leaf in tree_leaves(answer) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
    rows = {len(leaf) if leaf.ndim else 1 for leaf in leaves}
    together = [leaf.reshape(len(leaf), -1) if len(rows) == 1 and leaf.ndim else leaf.reshape(-1, 1) for leaf in leaves]
    return torch.cat(together, 1 if len(rows) == 1 else 0).nan_to_num().double()


def _input_names(component: Component, batch_inputs: Sequence[Any]) -> list[str]:
    names = []
    for port, value in zip(component.signature.inputs, batch_inputs, strict=True):
        count = len(tree_leaves(value))
        names += [port.name] if count == 1 else [f"{port.name}[{k}]" for k in range(count)]
    return names
