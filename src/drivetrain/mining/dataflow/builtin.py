"""What Python's own functions and the methods of strings do with what they are given."""

from __future__ import annotations

import ast
from collections.abc import Callable

from drivetrain.mining.dataflow import attributes, binding, handover
from drivetrain.mining.dataflow.arguments import Arguments, written_name
from drivetrain.mining.dataflow.contents import outputs
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.merging import combine
from drivetrain.mining.dataflow.repository import SuperToken
from drivetrain.mining.dataflow.values import ELEMENT, EMPTY, Holder, Text, Value

Builtin = Callable[[Arguments, ast.AST, Frame], Value]


def call(name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value | None:
    """Call a built-in function; None if it has no rule of its own."""
    found = _BUILTINS.get(name)
    return found(arguments, node, frame) if found is not None else None


def _nothing(arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    return EMPTY


def _first(arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    return arguments.positional[0] if arguments.positional else EMPTY


def _items(arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    return binding.iterate(_first(arguments, node, frame), frame)


def _collected(arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    first = _first(arguments, node, frame)
    if any(isinstance(token, Holder) for token in first):
        return first
    holder = frame.machine.holder("list", node, frame)
    frame.machine.add(holder, ELEMENT, frozenset(token for token in first if token.__class__ is not Text))
    return frozenset((holder,))


def _dict(arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    holder = frame.machine.holder("dict", node, frame)
    for name, value in arguments.keywords.items():
        frame.machine.add(holder, name, value)
    for value in arguments.positional:
        for token in value:
            if isinstance(token, Holder):
                for key, part in list(token.fields.items()):
                    frame.machine.add(holder, key, part)
    return frozenset((holder,))


def _zip(arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    pairs = frame.machine.packed(tuple(binding.iterate(value, frame) for value in arguments.positional), node, frame)
    holder = frame.machine.holder("list", node, frame)
    frame.machine.add(holder, ELEMENT, pairs)
    return frozenset((holder,))


def _enumerate(arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    pairs = frame.machine.packed((EMPTY, _items(arguments, node, frame)), node, frame)
    holder = frame.machine.holder("list", node, frame)
    frame.machine.add(holder, ELEMENT, pairs)
    return frozenset((holder,))


def _map(arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    holder = frame.machine.holder("list", node, frame)
    if arguments.positional:
        handed = [binding.iterate(value, frame) for value in arguments.positional[1:]]
        value = frame.call_any(arguments.positional[0], Arguments(handed), node)
        frame.machine.add(holder, ELEMENT, value)
    return frozenset((holder,))


def _filter(arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    return arguments.positional[1] if len(arguments.positional) > 1 else EMPTY


def _sorted(arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    first = _first(arguments, node, frame)
    key = arguments.keywords.get("key")
    if key:
        frame.call_any(key, Arguments([binding.iterate(first, frame)]), node)
    return first


def _getattr(arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    found: Value = arguments.positional[2] if len(arguments.positional) > 2 else EMPTY
    if len(arguments.positional) > 1:
        owner = arguments.positional[0]
        names = [token.text for token in arguments.positional[1] if token.__class__ is Text]  # type: ignore[attr-defined]
        for name in names:
            found |= attributes.read(owner, name, node, frame)
        if not names:
            found |= frozenset(outputs(owner, 1))
            if any(token.__class__.__name__ == "Library" for token in owner):
                found |= owner
    return found


def _setattr(arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    if len(arguments.positional) > 2:
        for token in arguments.positional[1]:
            if token.__class__ is Text:
                binding.set_attribute(arguments.positional[0], token.text, arguments.positional[2], frame)  # type: ignore[attr-defined]
    return EMPTY


def _super(arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    if frame.owner is None:
        return EMPTY
    me = frame.me
    return frozenset((frame.machine.named(SuperToken, (frame.owner, me)),))


def _mixing(arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    key = arguments.keywords.get("key")
    if key and arguments.positional:
        frame.call_any(key, Arguments([_items(arguments, node, frame)]), node)
    return combine(frame, arguments.everything(), node, written_name(node) + " of")


def _carrying(arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    texts = frozenset(token for value in arguments.positional for token in value if token.__class__ is Text)
    return combine(frame, arguments.everything(), node, "", reporting=True) | texts


def _open(arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    return handover.opened(arguments)


def _globals(arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    return EMPTY


_BUILTINS: dict[str, Builtin] = {
    **dict.fromkeys(
        ("print", "isinstance", "issubclass", "type", "hasattr", "id", "help", "globals", "locals", "vars"), _nothing
    ),
    **dict.fromkeys(("callable", "delattr", "input", "exit", "quit", "object", "memoryview", "dir", "hash"), _nothing),
    **dict.fromkeys(("iter", "reversed", "aiter"), _first),
    **dict.fromkeys(("next", "anext"), _items),
    **dict.fromkeys(("list", "tuple", "set", "frozenset"), _collected),
    **dict.fromkeys(("sum", "max", "min", "any", "all", "abs", "pow", "divmod"), _mixing),
    **dict.fromkeys(
        ("str", "int", "float", "bool", "len", "round", "range", "repr", "bytes", "bytearray", "format"), _carrying
    ),
    **dict.fromkeys(("chr", "ord", "hex", "slice", "complex", "ascii", "bin"), _carrying),
    "dict": _dict,
    "zip": _zip,
    "enumerate": _enumerate,
    "map": _map,
    "filter": _filter,
    "sorted": _sorted,
    "getattr": _getattr,
    "setattr": _setattr,
    "super": _super,
    "open": _open,
}


def text_method(token: Text, name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """A method of a string: ``"{}.wav".format(name)`` and ``", ".join(words)`` carry what they are given."""
    if name in ("format", "join", "replace", "strip", "split", "lower", "upper", "rstrip", "lstrip"):
        kept: Value = frozenset((token,)) if len(token.text) > 2 else EMPTY
        return kept | _carrying(arguments, node, frame)
    if name in ("endswith", "startswith", "encode", "isdigit"):
        return EMPTY
    return frozenset((token,)) | handover.of_text(token, name, arguments, frame)
