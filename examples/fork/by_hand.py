"""The peer: a multi-task loop as it is written everywhere, in plain PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.nn import functional as F

from drivetrain import System
from examples.protocol import Budget


def multi_task(post_office: System, train: Any, budget: Budget) -> Iterator[Mapping[str, int]]:
    """Add the losses of the heads up, step one Adam over all weights; yields after every epoch."""
    data = train.data
    models = {name: post_office.component(name).thing for name in post_office.models}
    weights = [weight for model in models.values() for weight in model.parameters()]
    optimizer = torch.optim.Adam(weights, lr=budget.rate)
    drawing, steps = torch.Generator().manual_seed(budget.seed), 0
    for _ in range(budget.epochs):
        for model in models.values():
            model.train()
        for rows in torch.randperm(len(data["picture"]), generator=drawing).split(budget.batch_size):
            clean = models["cleaner"](data["picture"][rows])
            digit = F.cross_entropy(models["reader"](clean), data["digit"][rows])
            side = F.cross_entropy(models["looker"](clean), data["side"][rows])
            optimizer.zero_grad()
            (digit + side).backward()
            optimizer.step()
            steps += 1
        yield dict.fromkeys(models, steps)
