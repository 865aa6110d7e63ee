"""The global generators of random numbers of the frameworks that the user has brought; torch's and numpy's apart."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from drivetrain.data import draw_anew


def framework_random_state() -> dict[str, Tensor]:
    """The state of every such generator that was used so far, by framework; a model's own are in its state_dict."""
    found: dict[str, Tensor] = {}
    if (keras := _keras_generator()) is not None:
        from drivetrain.components.keras_copying import array_of

        found["keras"] = torch.from_numpy(array_of(keras.state).astype(np.int64))
    if (tensorflow := _tensorflow_generator()) is not None:
        found["tensorflow"] = torch.from_numpy(tensorflow.state.numpy())
    return found


def restore_framework_random_state(state: Mapping[str, Tensor]) -> None:
    """Put the generators where ``framework_random_state`` found them."""
    if "keras" in state and (keras := _keras_generator()) is not None:
        keras.state.assign(state["keras"].numpy().astype(keras.state.dtype))
    if "tensorflow" in state and (tensorflow := _tensorflow_generator()) is not None:
        tensorflow.reset(state["tensorflow"].numpy())


@contextmanager
def frameworks_drawing_from(seed: int) -> Iterator[None]:
    """What frameworks draw inside comes from the seed; outside, their generators are as if nothing had been drawn."""
    before = framework_random_state()
    frameworks_draw_anew(seed)
    try:
        yield
    finally:
        restore_framework_random_state(before)


def frameworks_draw_anew(seed: int) -> None:
    """Let everything that frameworks draw from now on come from the seed."""
    if (keras := _keras_generator()) is not None:
        keras.state.assign([seed % 2**31, 0])
    if (tensorflow := _tensorflow_generator()) is not None:
        tensorflow.reset_from_seed(seed)


def everything_draws_anew(seed: int) -> None:
    """Let everything that is drawn from now on, by torch, numpy, Python and frameworks, come from the seed."""
    draw_anew(seed)
    frameworks_draw_anew(seed)


def _keras_generator() -> Any:
    """Keras' generator for layers that are given no seed of their own; it has no public name."""
    if "drivetrain.components.keras" not in sys.modules:
        return None
    from drivetrain.components.keras import global_generator

    return global_generator()


def _tensorflow_generator() -> Any:
    """TensorFlow's global ``tf.random.Generator``."""
    if "drivetrain.components.tensorflow" not in sys.modules:
        return None
    from drivetrain.components.tensorflow import global_generator

    return global_generator()
