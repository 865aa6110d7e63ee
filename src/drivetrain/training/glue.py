"""What is said after training of code whose gradient was estimated: by what, how noisy, and whom it never reached."""

from __future__ import annotations

from drivetrain.gradients.base import DifferentiableComponent
from drivetrain.graph import System
from drivetrain.training.ways_back import ways_back

MANY = 0.5
"""The share of samples without any gradient from which on a repair is named."""


def glue_words(system: System) -> tuple[str, ...]:
    """A sentence for each component with an estimated gradient through which one has come back."""
    words = []
    for module in system.modules():
        if isinstance(module, DifferentiableComponent) and module.noticed is not None:
            found, method = module.noticed, type(module.method).__name__
            words.append(f"The gradient through '{module.name}' was estimated ({method}): {found}." + _advice(module))
    for way in ways_back(system):
        if way.noticed is not None:
            method = type(way.method).__name__
            words.append(
                f"The gradient through '{way.name}', which is fitted, was estimated ({method}): {way.noticed}."
            )
    return tuple(words)


def _advice(module: DifferentiableComponent) -> str:
    assert module.noticed is not None
    if module.noticed.silent < MANY:
        return ""
    return (
        f" Most samples have not learned through it: a larger step reaches farther "
        f"(differentiable({module.name}, Perturbed(step=1.0)), say), or relax it by hand."
    )
