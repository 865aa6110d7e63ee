"""What no gradient can be estimated for, and what to write instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drivetrain.errors import ComponentError, DeclarationError, listed
from drivetrain.graph.component import Component
from drivetrain.graph.system import System

ESTIMATORS = (
    "FiniteDifferences", "SPSA", "Perturbed", "IMLE", "StraightThrough", "ScoreFunction", "Expected", "Surrogate",
)  # fmt: skip


def refuse_systems(verb: str, component: Any) -> None:
    """Refuse what is not a single component.

    Raises:
        DeclarationError: it is a system, or no component at all.
    """
    if isinstance(component, System):
        inner = component.nodes[-1].name if component.nodes else "fusion"
        raise DeclarationError(
            f"{verb}({component.name}): a system is differentiated component by component; wrap the one without a "
            f"gradient: {component.name}.replace({inner}={verb}({component.name}.component({inner!r})))"
        )
    if not isinstance(component, Component):
        raise DeclarationError(
            f'{verb} takes a component, found {type(component).__name__}; write @component("boxes -> cones") above the '
            f"function, or {verb}(component(name, thing, signature))"
        )


def refuse_methods(component: Component, method: Any) -> None:
    """Refuse what is no estimator, and estimators whose numbers mean nothing.

    Raises:
        DeclarationError: it is a class, a word or another object, or draws or steps are too few or too short.
    """
    if isinstance(method, type):
        raise DeclarationError(
            f"differentiable({component.name}, {method.__name__}): found the class; write "
            f"differentiable({component.name}, {method.__name__}())"
        )
    if not hasattr(method, "pull_back"):
        raise DeclarationError(
            f"differentiable({component.name}, {method!r}): a method is an estimator, found {type(method).__name__}; "
            f"there are {listed(ESTIMATORS)}: differentiable({component.name}, Perturbed()), or none, and one is chosen"
        )
    samples, step = getattr(method, "samples", None), getattr(method, "step", None)
    if samples is not None and samples < method.fewest:
        raise DeclarationError(
            f"{method} for '{component.name}': samples is at least {method.fewest}, found {samples}; without any, no "
            f"gradient would come back"
        )
    if step is not None and not step > 0:
        raise DeclarationError(f"{method} for '{component.name}': step is above 0, found {step}")


def refuse_weights(component: Component) -> None:
    """Refuse code whose weights would never learn.

    Raises:
        DeclarationError: it has weights that require a gradient.
    """
    if any(weight.requires_grad for weight in component.parameters()):
        raise DeclarationError(
            f"differentiable({component.name}): '{component.name}' has weights that learn, and an estimator would "
            f"leave them without a gradient. If PyTorch can differentiate it, it needs no estimator; else freeze it: "
            f"{component.name}.requires_grad_(False)"
        )


def refuse_writing(component: Component, written: list[str]) -> None:
    """Refuse code that changes what it is given.

    Raises:
        ComponentError: an input, by name, was written to.
    """
    if written:
        raise ComponentError(
            f"'{component.name}' writes into its input {listed(written)}, and so into what the model before it has "
            f"answered; let it write into a copy: {written[0]} = {written[0]}.clone()"
        )


def refuse_without_numbers(component: Component, kinds: list[str]) -> None:
    """Refuse code of whose answer nothing can carry a gradient.

    Raises:
        ComponentError: always, with what was found.
    """
    found = listed(dict.fromkeys(kinds))
    fix = "Answer numbers: `.float()`; an index, as a one-hot: `one_hot(index, classes).float()`"
    if not any("tensor" in kind for kind in kinds):
        fix = "Answer what the loss is to learn from as one tensor of floats with a row a sample"
    raise ComponentError(
        f"'{component.name}' answers no floating-point tensor, through which a gradient could flow; found: {found}. "
        f"{fix}"
    )


def refuse_ragged_inputs(component: Component, moved: tuple[str, ...]) -> None:
    """Refuse to estimate the gradient of a list with one value per sample.

    Raises:
        ComponentError: one of the inputs to move, by name, is ragged.
    """
    ragged = [port.name for port in component.signature.inputs if port.ragged]
    if asked := [name for name in ragged if any(name == other.partition("[")[0] for other in moved)]:
        raise ComponentError(
            f"'{component.name}' is asked for a gradient of its ragged input {listed(f'{name}[]' for name in asked)}, "
            f"and estimators need inputs with one row per sample. Hand over a tensor with a fixed number of slots, "
            f"or relax the code by hand: relaxed({component.name}, smooth)"
        )


def refuse_missing(component: str, method: object, inputs: Sequence[str], gradients: Sequence[Any]) -> None:
    """Refuse an estimate that leaves inputs out: nothing may stand for a gradient but what an estimator says it is."""
    missing = [name for name, gradient in zip(inputs, gradients, strict=False) if gradient is None]
    missing += inputs[len(gradients) :]
    if missing:
        raise ComponentError(
            f"{method} answers {len(inputs) - len(missing)} gradients for the {len(inputs)} inputs of '{component}', "
            f"none for {listed(missing)}; let pull_back answer one tensor for each of call.inputs, zeros where it "
            f"means that nothing flows"
        )
