"""Which input an output stands for, where an estimator takes an answer for its input's other self: by its shape."""

from __future__ import annotations

import torch

from drivetrain.errors import ComponentError, listed
from drivetrain.gradients.call import Call


def paired_input(call: Call, shape: torch.Size, named: str | None, method: str, verb: str) -> str:
    """The name of the input of an output's shape.

    Args:
        call: the code.
        shape: of the output.
        named: the input that the user named, if any.
        method: the estimator's class, for the line to write.
        verb: what the estimator does to the code, for the message.

    Raises:
        ComponentError: no input, or more than one, has that shape.
    """
    fitting = [name for name, size in call.floats if size == shape and named in (None, name)]
    if len(fitting) == 1:
        return fitting[0]
    inputs = listed(f"{name} {tuple(size)}" for name, size in call.floats)
    problem = "several inputs have that shape" if fitting else "no input has that shape"
    if named is not None:
        problem = f"input '{named}' has not that shape"
    names = [name for name, size in call.floats if size == shape]
    repair = f"name one: {method}({names[0]!r})" if names else "use an estimator that asks nothing: SPSA()"
    raise ComponentError(
        f"{verb} '{call.component}' answers shape {tuple(shape)} and {problem}; "
        f"its inputs are: {inputs}. To pass the gradient on, {repair}"
    )
