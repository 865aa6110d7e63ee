"""Surrogate: a small network learns on the way what the code answers, and its gradient stands for the code's."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from drivetrain.errors import ComponentError
from drivetrain.gradients.base import AbstractEstimator, Call, Tensors
from drivetrain.gradients.perturbation import refuse_mixing, spread

BATCH = 256
"""Examples in one update, at most."""
NUMBERS = 1 << 22
"""Numbers that are remembered in all, at most (16 MiB): of large inputs fewer examples, but always a batch."""


@dataclass(frozen=True)
class Surrogate(AbstractEstimator):
    """The gradient of a network that imitates the code and learns it online (Jacovi et al. 2019, section 3).

    Forward the code's own value, as ever. On each way back the network sees what the code has just answered, which
    costs no run, and its answers to inputs moved at random, which cost one run each and show it the slope; it takes a
    few steps of Adam on these and earlier examples, and its own gradient is handed back. So a pass costs ``samples``
    runs, however many inputs there are: for code that is dear to run. The gradient has no noise to speak of; it is
    wrong at first, late where the models before move fast, and smooth where the code jumps.

    Network, optimizer and examples are kept in the component's memory: part of ``state_dict`` and of checkpoints, so
    that training resumes bitwise, and no weights of the system, so that no optimizer of the user's steps them.

    Attributes:
        samples: moved inputs a pass, one run of the code each; 0 learns from the values of the forward pass alone.
        step: how far they are moved, in units of each input's scale (a standard deviation of normal noise).
        width: units in each of the two hidden layers.
        rate: Adam's learning rate.
        updates: steps of Adam a pass; a hundred times as many in the first.
        keep: examples that are remembered, the newest; fewer where inputs are large.
        scale: the inputs' scale in their own unit; by default the spread of each feature in the batch.
    """

    faithful: ClassVar[bool] = False
    learns: ClassVar[bool] = True
    fewest: ClassVar[int] = 0
    samples: int = 1
    step: float = 0.5
    width: int = 64
    rate: float = 3e-3
    updates: int = 4
    keep: int = 4096
    scale: float | None = None

    def pull_back(self, call: Call, cotangents: Tensors) -> Tensors:
        """Learn from what the code answers here and around here, then go back through what was learned."""
        known = call.memory.get("surrogate", {})
        steps = [self.step * spread(value, self.scale) for value in call.inputs]
        fresh = [_example(call, call.inputs, call.outputs)]
        for _ in range(self.samples):
            noise = [torch.randn(x.shape, dtype=x.dtype, device=x.device) for x in call.inputs]
            moved = tuple(x + c * z for x, c, z in zip(call.inputs, steps, noise, strict=True))
            fresh.append(_example(call, moved, call.function(moved)))
        given, told = self._remembered(call, known, fresh)
        inputs = tuple(value.detach().requires_grad_() for value in call.inputs)
        with torch.enable_grad():
            network = _Network.of(known, given, told, self)
            network.learn(given, told, self.updates * (1 if known else 100))
            answer = network(_rows(call, inputs), _moments(given), _moments(told))
            wanted = torch.cat([cotangent.reshape(len(answer), -1) for cotangent in cotangents], 1)
            gradients = torch.autograd.grad(answer, inputs, wanted.to(answer.dtype))
        call.memory["surrogate"] = {"examples": (given, told), **network.state()}
        return gradients

    def _remembered(self, call: Call, known: dict[str, Any], fresh: list[Tensors]) -> Tensors:
        """What was seen before and now, the newest: inputs [examples, numbers] and answers [examples, numbers]."""
        earlier = known.get("examples", [value[:0] for value in fresh[0]])
        before, now = ([value.shape[1] for value in values] for values in (earlier, fresh[0]))
        if before != now:
            raise ComponentError(
                f"the surrogate of '{call.component}' has learned from {before[0]} numbers in and {before[1]} out of a "
                f"sample, and finds {now[0]} and {now[1]}; it imitates code of one size. Bring the inputs to one size "
                f"before it, or use an estimator that learns nothing: Perturbed()"
            )
        keep = max(min(self.keep, NUMBERS // max(sum(now), 1)), len(fresh) * len(fresh[0][0]))
        given, told = (torch.cat([old, *new])[-keep:] for old, *new in zip(earlier, *fresh, strict=True))
        return given, told

    def calls(self, n_inputs: int) -> int:
        """One for each moved input."""
        return self.samples

    def check(self, call: Call) -> None:
        """Refuse code without one answer of fixed size a sample, and code that mixes the samples of a batch."""
        if call.ragged:
            raise ComponentError(
                f"Surrogate learns answers of fixed size, and '{call.component}' answers lists of changing length; "
                f"estimators that take those: Perturbed(samples=2), SPSA(samples=1)"
            )
        if call.batch is None:
            shapes = ", ".join(str(tuple(output.shape)) for output in call.outputs)
            raise ComponentError(
                f"Surrogate learns what '{call.component}' answers for one sample, and its outputs {shapes} do not "
                f"share a first dimension of samples; an estimator that takes it as one: Perturbed(independent=False)"
            )
        refuse_mixing(call, self.scale, "Perturbed")


class _Network:
    """Two hidden layers between standardised inputs and outputs, with Adam, all of it as plain tensors."""

    def __init__(self, weights: list[Tensor], optimizer: dict[str, Any] | None, rate: float) -> None:
        self.weights = [weight.detach().requires_grad_() for weight in weights]
        self.optimizer = torch.optim.Adam(self.weights, rate)
        if optimizer is not None:
            self.optimizer.load_state_dict(optimizer)

    @classmethod
    def of(cls, known: dict[str, Any], given: Tensor, told: Tensor, how: Surrogate) -> _Network:
        """The network as it was kept, or a new one."""
        if known:
            return cls(known["weights"], known["optimizer"], how.rate)
        sizes = [given.shape[1], how.width, how.width, told.shape[1]]
        layers = [torch.nn.Linear(a, b, device=given.device) for a, b in pairwise(sizes)]
        return cls([weight.data for layer in layers for weight in (layer.weight, layer.bias)], None, how.rate)

    def state(self) -> dict[str, Any]:
        """As plain data."""
        return {"weights": [weight.detach() for weight in self.weights], "optimizer": self.optimizer.state_dict()}

    def learn(self, inputs: Tensor, outputs: Tensor, updates: int) -> None:
        """Steps of Adam on the squared error of standardised answers; where the code answered no number, none."""
        seen, told = _moments(inputs), _moments(outputs)
        finite = outputs.isfinite()
        wanted = torch.where(finite, (outputs - told[0]) / told[1], 0)
        for _ in range(updates):
            some = torch.randint(len(inputs), (min(BATCH, len(inputs)),)).to(inputs.device)
            error = (self(inputs[some], seen, told) - told[0]) / told[1] - wanted[some]
            self.optimizer.zero_grad()
            (error.square() * finite[some]).mean().backward()
            self.optimizer.step()

    def __call__(self, value: Tensor, seen: Tensors, told: Tensors) -> Tensor:
        hidden = (value - seen[0]) / seen[1]
        for weight, bias in zip(self.weights[:-2:2], self.weights[1:-2:2], strict=True):
            hidden = F.silu(F.linear(hidden, weight, bias))
        return F.linear(hidden, self.weights[-2], self.weights[-1]) * told[1] + told[0]


def _example(call: Call, inputs: Tensors, outputs: Tensors) -> Tensors:
    """Inputs [batch, numbers] and answers [batch, numbers]."""
    rows = [output.reshape(len(output), -1).float() for output in outputs]
    return _rows(call, inputs).detach(), torch.cat(rows, 1)


def _rows(call: Call, inputs: Tensors) -> Tensor:
    """All that the code is given for each sample [batch, numbers]; what all samples share stands in every row."""
    batch = call.batch or 1
    given = [*inputs, *(value for value in call.context if call.is_per_sample(value))]
    rows = [x.reshape(batch, -1) if call.is_per_sample(x) else x.reshape(1, -1).expand(batch, -1) for x in given]
    return torch.cat([row.float() for row in rows], 1)


def _moments(values: Tensor) -> Tensors:
    """Mean and standard deviation of each column, of what is finite; 1 for a column that never changes."""
    finite = values.isfinite()
    count = finite.sum(0).clamp_min(1)
    clean = torch.where(finite, values, 0)
    mean = clean.sum(0) / count
    deviation = (torch.where(finite, values - mean, 0).square().sum(0) / count).sqrt()
    return mean, torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation))
