"""Inputs that are distributions over symbols: which they are, and drawing symbols from them."""

from __future__ import annotations

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]


def is_distribution(value: Tensor) -> bool:
    """Whether the last dimension, of two or more numbers, holds probabilities everywhere: none below 0, sum 1."""
    if value.ndim < 2 or value.shape[-1] < 2 or not value.numel():
        return False
    return bool((value >= 0).all()) and bool((value.sum(-1) - 1).abs().max() < 1e-3)


def as_rows(inputs: Tensors) -> list[Tensor]:
    """Every input [batch, ..., classes] as its distributions [batch, classes], one after another."""
    return [row for value in inputs for row in value.reshape(len(value), -1, value.shape[-1]).unbind(1)]


def one_hot(symbols: Tensor, like: Tensor) -> Tensor:
    """Symbols [...] as the distributions [..., classes] that are sure of them, in the type of ``like``."""
    return torch.zeros_like(like).scatter_(-1, symbols.unsqueeze(-1), 1.0)


def sure(inputs: Tensors, symbols: Tensor) -> Tensors:
    """Inputs [batch, ..., classes] that are sure of given symbols [batch, distributions]."""
    counts = [value.numel() // (len(value) * value.shape[-1]) for value in inputs]
    parts = symbols.split(counts, 1)
    return tuple(one_hot(p.reshape(x.shape[:-1]), x.detach()) for p, x in zip(parts, inputs, strict=True))


def drawn(probabilities: Tensor) -> Tensor:
    """One symbol [...] from each distribution [..., classes], by the Gumbel-max trick (Gumbel 1954)."""
    return (_log(probabilities) + _gumbel(probabilities)).argmax(-1)


def without_replacement(rows: list[Tensor], samples: int) -> tuple[Tensor, Tensor]:
    """Distinct combinations of one symbol from each distribution, the likelier the rather: a stochastic beam.

    Kool, van Hoof and Welling 2019, algorithm 1, with the distributions as steps of the beam.

    Args:
        rows: the distributions [batch, classes].
        samples: how many combinations a sample; all of them where there are no more.

    Returns:
        The symbols [batch, distributions, draws], and the log-probability of each combination to exceed the first that
        was left out [batch, draws], by which its own probability is divided (there, eq. 13).
    """
    batch = len(rows[0])
    log_p = rows[0].new_zeros(batch, 1)
    perturbed = _gumbel(log_p)  # drawn, not 0 as there: the weights are right only for a maximum that is free
    symbols = torch.zeros(batch, 0, 1, dtype=torch.long, device=rows[0].device)
    for row in rows:
        classes = row.shape[1]
        children = log_p.unsqueeze(2) + _log(row).unsqueeze(1)
        noisy = _below(children + _gumbel(children), perturbed.unsqueeze(2)).flatten(1)
        perturbed, place = noisy.topk(min(samples + 1, noisy.shape[1]), 1)
        log_p = children.flatten(1).gather(1, place)
        parents = symbols.gather(2, (place // classes).unsqueeze(1).expand(-1, symbols.shape[1], -1))
        symbols = torch.cat([parents, (place % classes).unsqueeze(1)], 1)
    if symbols.shape[2] <= samples:
        return symbols, torch.zeros_like(log_p)
    over = log_p[:, :samples] - perturbed[:, samples:]
    log_drawn = torch.where(over < -10, over, torch.log(-torch.expm1(-over.exp())))
    return symbols[:, :, :samples], log_drawn


def _below(noisy: Tensor, ceiling: Tensor) -> Tensor:
    """Gumbel values over the last dimension, shifted so that their maximum is the ceiling (there, appendix B.3)."""
    gap = noisy - noisy.max(-1, keepdim=True).values
    v = ceiling - noisy + torch.log(-torch.expm1(gap))
    return ceiling - v.relu() - torch.log1p(torch.exp(-v.abs()))


def _log(probabilities: Tensor) -> Tensor:
    return probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()


def _gumbel(like: Tensor) -> Tensor:
    draws = torch.empty(like.shape, dtype=like.dtype, device=like.device).exponential_()
    return -draws.clamp_min(torch.finfo(like.dtype).tiny).log()
