"""Reading a system's body: it runs once on symbols, and every call of a component becomes part of the diagram."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch.utils._pytree import tree_leaves

from drivetrain.errors import NameTakenError, SignatureError, TracingError, listed
from drivetrain.graph.component import Component
from drivetrain.graph.graph import Call, Constant, Graph, Ref
from drivetrain.graph.signature import KEY, Port
from drivetrain.graph.symbol import AbstractReader, Symbol, symbols_in


class Tracer(AbstractReader):
    """What has been read of one body so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: list[Call] = []
        self.inputs: dict[str, Port] = {}
        self.producers: dict[str, str] = {}

    def input(self, edge: str) -> Symbol:
        """The symbol of one of the system's parameters."""
        if edge == KEY:
            raise NameTakenError(
                f"system '{self.name}': 'key' is the field that relates samples of data sets; call the input otherwise"
            )
        self.inputs[edge] = Port(edge)
        self.producers[edge] = "an input of the system"
        return Symbol(edge, self)

    def call(self, component: Component, values: tuple[Any, ...], constants: Mapping[str, Any]) -> Any:
        """Record one call and answer the symbols of its outputs, in the shape that the component answers."""
        if any(call.name == component.name for call in self.calls):
            raise NameTakenError(
                f"in {self.name}: '{component.name}' is called twice, but a box stands once in a diagram; declare the "
                f'second one under its own name, the weights are shared: component("other_{component.name}", '
                f'{component.name}, "{component.signature}") with other output names'
            )
        arguments, keywords = _bind(self, component, values, constants)
        outputs = component.edges_when_called
        for port in outputs:
            if port.name in self.producers:
                raise NameTakenError(
                    f"in {self.name}: edge '{port.name}' is produced by '{component.name}' and already is "
                    f"{self.producers[port.name]}; name the outputs apart in the signatures"
                )
            self.producers[port.name] = f"produced by '{component.name}'"
        self._note_ragged(component, arguments)
        self.calls.append(Call(component.name, component, arguments, keywords, outputs))
        symbols = [Symbol(port.name, self) for port in outputs]
        return component.shape_answer(symbols)

    def _note_ragged(self, component: Component, arguments: tuple[Ref | Constant, ...]) -> None:
        ragged = {port.name for port in self.inputs.values() if port.ragged} | {
            port.name for call in self.calls for port in call.outputs if port.ragged
        }
        for port, argument in zip(component.signature.inputs, arguments, strict=True):
            if not port.ragged or not isinstance(argument, Ref) or argument.edge in ragged:
                continue
            if argument.edge not in self.inputs:
                raise SignatureError(
                    f"in {self.name}: '{component.name}' takes a ragged '{port}', but edge '{argument.edge}' is not "
                    f"ragged; declare it so where it is produced: '... -> {argument.edge}[]'"
                )
            self.inputs[argument.edge] = Port(argument.edge, ragged=True)


def trace(function: Callable[..., Any], name: str) -> Graph:
    """Run the body once on symbols and answer the diagram that it draws.

    Raises:
        TracingError: the body does something else than calling components, unpacking and returning their values.
        NameTakenError: two boxes or two edges have one name.
    """
    tracer = Tracer(name)
    symbols: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TracingError(
                f"system '{name}': '{parameter}' has no fixed inputs; name each input: def {name}(image):"
            )
        if parameter.default is parameter.empty:
            symbols[parameter.name] = tracer.input(parameter.name)
    if not symbols:
        raise TracingError(f"system '{name}' has no inputs; its parameters are its input edges: def {name}(image):")
    positional, keywords = _call_form(function, symbols)
    try:
        answer = function(*positional, **keywords)
    except ValueError as error:
        if "to unpack" not in str(error):
            raise
        raise TracingError(
            f"in {name}: {error}; what was called answers: "
            + listed(f"{call.name} -> {listed(call.outputs)}" for call in tracer.calls)
        ) from None
    return Graph(name, tuple(tracer.inputs.values()), tuple(tracer.calls), _returned(tracer, answer))


def _call_form(function: Callable[..., Any], symbols: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    positional, keywords = [], {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in symbols:
            if parameter.kind is parameter.KEYWORD_ONLY:
                keywords[parameter.name] = symbols[parameter.name]
            else:
                positional.append(symbols[parameter.name])
    return positional, keywords


def _bind(
    tracer: Tracer, component: Component, values: tuple[Any, ...], constants: Mapping[str, Any]
) -> tuple[tuple[Ref | Constant, ...], dict[str, Any]]:
    ports = [port.name for port in component.signature.inputs]
    where = f"in {tracer.name}: '{component.name}' is declared as '{component.signature}'"
    bound: dict[str, Any] = dict(zip(ports, values, strict=False))
    keywords = _further_constants(component, values[len(ports) :])
    for word, value in constants.items():
        if word in ports and word not in bound:
            bound[word] = value
        elif word in bound or word in keywords:
            raise TracingError(f"{where} and is given '{word}' twice")
        elif symbols_in(value):
            raise TracingError(f"{where}, which has no input '{word}'; its inputs are: {listed(ports)}")
        else:
            keywords[word] = value
    missing = [port for port in ports if port not in bound]
    if missing or len(values) > len(ports) + len(keywords):
        raise TracingError(
            f"{where} and takes {len(ports)} value(s), {listed(ports)}; "
            f"it is called with {len(values) + len(constants)}"
            + (f", {listed(missing)} missing" if missing else "; name a further edge in its signature")
        )
    _check_keywords(where, component, keywords)
    return tuple(_argument(where, port, bound[port]) for port in ports), keywords


def _further_constants(component: Component, values: tuple[Any, ...]) -> dict[str, Any]:
    """Constants behind the declared inputs, by the names that the user's own function has for them."""
    parameters = _parameters(component)[len(component.signature.inputs) :]
    named = [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    return {} if symbols_in(values) or len(values) > len(named) else dict(zip(named, values, strict=False))


def _check_keywords(where: str, component: Component, keywords: Mapping[str, Any]) -> None:
    parameters = _parameters(component)
    if not parameters or any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    for word in keywords:
        if word not in [parameter.name for parameter in parameters]:
            raise TracingError(f"{where}; it does not take the keyword '{word}': ({listed(parameters)})")


def _parameters(component: Component) -> list[inspect.Parameter]:
    """What the user's own function takes; nothing where Python cannot tell, as with some builtins."""
    try:
        return list(inspect.signature(getattr(component.thing, "forward", component.thing)).parameters.values())
    except (TypeError, ValueError):
        return []


def _argument(where: str, port: str, value: Any) -> Ref | Constant:
    if isinstance(value, Symbol):
        return Ref(value._edge)
    if symbols_in(value):
        raise TracingError(
            f"{where}; a {type(value).__name__} of edges is handed to '{port}'. Hand each edge over on its own: "
            f'declare the component as "first, second -> ..."'
        )
    return Constant(value)


def _returned(tracer: Tracer, answer: Any) -> Any:
    leaves = tree_leaves(answer)
    if not leaves or not all(isinstance(leaf, Symbol) for leaf in leaves):
        strangers = [leaf for leaf in leaves if not isinstance(leaf, Symbol)]
        found = "None" if answer is None else listed(map(repr, strangers), nothing=repr(answer))
        raise TracingError(
            f"system '{tracer.name}' returns {found}; it returns what components answered: a value, a tuple or a dict"
        )
    return _as_edges(answer)


def _as_edges(answer: Any) -> Any:
    if isinstance(answer, Symbol):
        return Ref(answer._edge)
    if isinstance(answer, dict):
        return {key: _as_edges(value) for key, value in answer.items()}
    if isinstance(answer, list | tuple) and not hasattr(answer, "_fields"):
        return type(answer)(_as_edges(value) for value in answer)
    raise TracingError(f"a system returns a value, a tuple or a dict, found {type(answer).__name__}")
