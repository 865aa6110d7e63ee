"""Methods of lists, dicts, queues, and of library objects, which take in what they are given and give it back."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from drivetrain.mining.dataflow import handover, learning, outside
from drivetrain.mining.dataflow.binding import element
from drivetrain.mining.dataflow.callbacks import callbacks
from drivetrain.mining.dataflow.contents import outputs
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.merging import combine, is_reporting
from drivetrain.mining.dataflow.repository import Instance
from drivetrain.mining.dataflow.values import CONTENT, ELEMENT, EMPTY, Holder, Text, Value
from drivetrain.mining.knowledge import OPTIMISER, TRAINER, words

if TYPE_CHECKING:
    from drivetrain.mining.dataflow.arguments import Arguments

_ADDING = frozenset(
    {
        "append",
        "appendleft",
        "add",
        "put",
        "put_nowait",
        "push",
        "insert",
        "update",
        "extend",
        "setdefault",
        "send",
        "enqueue",
    }
)
_TAKING = frozenset(
    {"get", "pop", "popleft", "get_nowait", "recv", "popitem", "setdefault", "getattr", "dequeue", "peek"}
)
_COLLECTION = re.compile(
    r"(?:[qQ]ueue|deque|defaultdict|OrderedDict|Counter|Manager|Namespace|Pipe|list|dict|set|Set|Dict|List)$"
)
_CONTAINERS = frozenset({"list", "tuple", "dict"})
_FOREIGN = frozenset({"CDLL", "PyDLL", "WinDLL", "OleDLL", "LoadLibrary"})  # libraries in C


def call(holder: Holder, name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """``holder.name(...)``."""
    if holder.kind == OPTIMISER:
        if name in learning.STEPS:
            return learning.step(holder, name, arguments, node, frame)
        return EMPTY
    if holder.kind == TRAINER:
        if name in learning.TRAINER_STARTS:
            return learning.start_trainer(holder, arguments, node, frame)
        return outside.unknown(name, arguments, node, frame)
    if isinstance(holder, Instance):
        held = holder.fields.get(CONTENT, EMPTY)
        return held | outside.unknown(name, arguments, node, frame)
    if holder.kind in _CONTAINERS:
        return _container(holder, name, arguments, node, frame)
    return _library_object(holder, name, arguments, node, frame)


def _container(holder: Holder, name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    me: Value = frozenset((holder,))
    if name in ("append", "appendleft", "add", "insert"):
        value = arguments.positional[-1] if arguments.positional else EMPTY
        # one field for each line that appends: what one line puts in are alternatives, what two put in lie side by side
        frame.machine.add(holder, ("from", getattr(node, "lineno", 0)), value)
        return EMPTY
    if name in ("extend", "update"):
        _pour(holder, arguments, frame)
        return EMPTY
    if name == "items":
        return _items(holder, node, frame)
    if name == "values":
        found = frame.machine.holder("list", node, frame, "values")
        for key, value in list(holder.fields.items()):
            frame.machine.add(found, _key("from", key), value)
        return frozenset((found,))
    if name == "keys":
        return frozenset(frame.machine.text(key) for key in holder.fields if isinstance(key, str) and key != ELEMENT)
    if name in _TAKING:
        keys = (
            [token.text for token in arguments.positional[0] if token.__class__ is Text] if arguments.positional else []
        )  # type: ignore[attr-defined]
        found_value: Value = EMPTY
        for key in keys:
            found_value |= element(holder, key)
        if not keys:
            found_value = element(holder, None)
        return found_value.union(*arguments.positional[1:]) if len(arguments.positional) > 1 else found_value
    if name in ("copy", "sort", "reverse", "clear", "remove", "index", "count", "__len__"):
        return me if name == "copy" else EMPTY
    return outside.unknown(name, arguments, node, frame)


def _key(way: str, key: object) -> object:
    """The field for what came from a field of another container; one that came before keeps its name, so none grows."""
    return key if isinstance(key, tuple) else (way, str(key))


def _pour(holder: Holder, arguments: Arguments, frame: Frame) -> None:
    for value in arguments.positional:
        for token in value:
            if isinstance(token, Holder) and token.kind in _CONTAINERS:
                for key, part in list(token.fields.items()):
                    frame.machine.add(holder, key if token.kind == "dict" else _key("poured", key), part)
            elif token.__class__ is not Text:
                frame.machine.add(holder, ELEMENT, frozenset((token,)))
    for name, value in arguments.keywords.items():
        frame.machine.add(holder, name, value)


def _items(holder: Holder, node: ast.AST, frame: Frame) -> Value:
    pairs = frame.machine.holder("list", node, frame, "items")
    for key, value in list(holder.fields.items()):
        name: Value = frozenset((frame.machine.text(key),)) if isinstance(key, str) and key != ELEMENT else EMPTY
        frame.machine.add(pairs, _key("item", key), frame.machine.packed((name, value), node, frame))
    return frozenset((pairs,))


def _library_object(holder: Holder, name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    values = arguments.everything()
    if holder.kind.rsplit(".", 1)[-1] in _FOREIGN:
        return outside.foreign(name, arguments, node, frame)
    if (made := outside.made_by(holder, name, arguments, node, frame)) is not None:
        return made
    handed = handover.library_object(holder, name, arguments, node, frame)
    if name in _ADDING and not handed and _COLLECTION.search(holder.kind):
        for value in values:
            kept = frozenset(token for token in value if token.__class__ is not Text)
            frame.machine.add(holder, CONTENT, handover.queued(holder, kept, node, frame))
        return EMPTY
    content = holder.fields.get(CONTENT, EMPTY)
    held = frozenset(token for token in content if token.__class__ is not Text)
    if name in _TAKING:
        return held | handed | frozenset(token for value in values for token in outputs(value))
    if is_reporting(name) and name not in _ADDING:
        return handed
    met = combine(frame, [frozenset(outputs(content)), *values], node, name, reporting=True)
    met |= callbacks(arguments, met, node, frame)
    new = combine(frame, values, node, name, confidence=0.5)
    if new and name not in words().pure:
        frame.machine.add(holder, CONTENT, new)
    for key, value in list(holder.fields.items()):
        if key != CONTENT:
            met |= frozenset(outputs(value))
    return met | handed
