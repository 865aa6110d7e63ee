"""What no gradient can be estimated for, and what to write instead."""

from __future__ import annotations

from drivetrain.errors import ComponentError, DeclarationError, listed
from drivetrain.graph.component import Component
from drivetrain.graph.system import System


def refuse_systems(verb: str, component: Component) -> None:
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
