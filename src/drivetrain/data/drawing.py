"""Random numbers: what is drawn inside a block comes from a seed, and the outside does not notice."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def drawing_from(seed: int, generator: torch.Generator | None = None) -> Iterator[None]:
    """Everything drawn inside comes from the seed; outside, the random states are as if nothing had been drawn."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    own = None if generator is None else generator.get_state()
    draw_anew(seed)
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
        if generator is not None and own is not None:
            generator.set_state(own)


def draw_anew(seed: int) -> None:
    """Let everything that is drawn from now on come from the seed."""
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
