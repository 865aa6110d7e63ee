"""Two models with hard glue between them learn through it, whichever way the gradient takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from drivetrain import System, component, system
from drivetrain.gradients import (
    IMLE,
    SPSA,
    AbstractEstimator,
    Automatic,
    Perturbed,
    Surrogate,
    differentiable,
    relaxed,
)
from drivetrain.graph.component import Component

GLUE: dict[str, Callable[[Tensor], Tensor]] = {
    "threshold": lambda scores: (scores > 0).to(scores.dtype),
    "sort_and_pick": lambda scores: scores.round(decimals=1).sort(-1, descending=True).values[:, :4].contiguous(),
    "argmin_matching": lambda scores: (
        nn.functional.one_hot(
            torch.cdist(scores.unsqueeze(-1), torch.linspace(-1, 1, 5).reshape(1, 5, 1)).argmin(-1), 5
        )
        .to(scores.dtype)
        .flatten(1)
    ),
}
WIDTH = {"threshold": 6, "sort_and_pick": 4, "argmin_matching": 30}


def chain(kind: str) -> System:
    reader = component("reader", nn.Linear(4, 6), "signal -> scores")
    glue = component("glue", GLUE[kind], "scores -> picked")
    judge = component("judge", nn.Linear(WIDTH[kind], 1), "picked -> verdict")

    @system
    def reading(signal: Tensor) -> Tensor:
        return judge(glue(reader(signal)))

    return reading


def hard_loss(net: nn.Module, signal: Tensor, truth: Tensor) -> Tensor:
    return nn.functional.mse_loss(net(signal), truth)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("method", [SPSA(step=0.5), Perturbed(), Surrogate(), Automatic()], ids=str)
@pytest.mark.parametrize("kind", GLUE)
def test_the_model_before_hard_glue_learns(kind: str, method: AbstractEstimator, seed: int) -> None:
    torch.manual_seed(seed)
    hard = chain(kind)
    signal = torch.randn(128, 4)
    truth = torch.sin(2 * signal[:, :1]) + signal[:, 1:2]
    # The judge stays as it is, so that whatever is gained came through the glue.
    hard.component("judge").requires_grad_(False)
    learning = hard.replace(glue=differentiable(hard.component("glue"), method))
    before = hard_loss(hard, signal, truth).item()
    optimizer = torch.optim.Adam(hard.component("reader").parameters(), 0.03)
    for _ in range(60):
        optimizer.zero_grad()
        hard_loss(learning, signal, truth).backward()
        optimizer.step()
    assert hard_loss(hard, signal, truth).item() < 0.97 * before


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("kind", ["best of its own", "top-k"])
def test_the_model_before_a_choice_among_its_scores_learns_by_two_runs_a_pass(kind: str, seed: int) -> None:
    torch.manual_seed(seed)
    count = 1 if kind == "best of its own" else 2
    reader = component("reader", nn.Linear(4, 6), "signal -> scores")
    pick = component(
        "pick", lambda s: torch.zeros_like(s).scatter(-1, s.topk(count, -1).indices, 1.0), "scores -> picked"
    )
    judge = component("judge", nn.Linear(6, 1), "picked -> verdict")
    judge.requires_grad_(False)

    @system
    def hard(signal: Tensor) -> Tensor:
        return judge(pick(reader(signal)))

    learning = hard.replace(pick=differentiable(pick))
    signal = torch.randn(128, 4)
    truth = torch.sin(2 * signal[:, :1]) + signal[:, 1:2]
    before = hard_loss(hard, signal, truth).item()
    optimizer = torch.optim.Adam(reader.parameters(), 0.03)
    for _ in range(60):
        optimizer.zero_grad()
        hard_loss(learning, signal, truth).backward()
        optimizer.step()
    assert isinstance(learning.component("pick").method, IMLE)
    assert hard_loss(hard, signal, truth).item() < 0.97 * before


@pytest.mark.parametrize("changes", ["value", "gradient"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_both_models_learn_through_a_relaxation(changes: str, seed: int) -> None:
    torch.manual_seed(seed)
    hard = chain("threshold")
    learning = hard.replace(glue=relaxed(hard.component("glue"), lambda s: torch.sigmoid(4 * s), changes=changes))
    signal = torch.randn(128, 4)
    truth = torch.sin(2 * signal[:, :1]) + signal[:, 1:2]
    before = hard_loss(hard, signal, truth).item()
    optimizer = torch.optim.Adam(learning.parameters(), 0.03)
    for _ in range(60):
        optimizer.zero_grad()
        hard_loss(learning, signal, truth).backward()
        optimizer.step()
    assert hard_loss(learning.eval(), signal, truth).item() < 0.9 * before


def test_without_an_estimator_the_glue_stops_the_gradient() -> None:
    hard = chain("threshold")
    hard(torch.randn(8, 4)).sum().backward()
    reader: Component = hard.component("reader")
    assert all(weight.grad is None for weight in reader.parameters())


def test_the_page_on_glue_code_runs_as_printed() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "glue-code.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert blocks
    exec(compile("\n".join(blocks), str(page), "exec"), {"__name__": "glue_code"})
