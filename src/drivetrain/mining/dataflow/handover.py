"""The second layer: what is written under a name in one place and read under it in another (files, queues, tables)."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from drivetrain.mining.dataflow import names
from drivetrain.mining.dataflow.arguments import Arguments
from drivetrain.mining.dataflow.callbacks import callbacks
from drivetrain.mining.dataflow.contents import members, outputs, reach
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.repository import Function
from drivetrain.mining.dataflow.values import CONTENT, EMPTY, Holder, Output, Text, Token, Value
from drivetrain.mining.findings import FILE, QUEUE, REGISTRY, TABLE
from drivetrain.mining.knowledge import handover

if TYPE_CHECKING:
    from drivetrain.mining.dataflow.arguments import Arguments

# Functions that are handed over to be run elsewhere: ``task.delay(x)``, ``actor.method.remote(x)``.
STARTED_ELSEWHERE = frozenset({"delay", "apply_async", "remote", "s", "si", "send_with_options", "enqueue"})

Key = tuple[str, str]  # the medium and the name in it


def outside_call(name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """A call of a library that may write or read under a name that it is given."""
    known = handover()
    texts = _texts(arguments.everything())
    if not texts:
        return EMPTY
    if name in known["publishers"]:
        holder = frame.machine.holder("publisher", node, frame)
        frame.machine.add(holder, CONTENT, frozenset(texts))
        return frozenset((holder,))
    if name in known["subscribers"]:
        heard = _read(_keys(texts, QUEUE), frame)
        return heard | (callbacks(arguments, heard, node, frame) if heard else EMPTY)
    given = members(frozenset().union(*(outputs(value) for value in arguments.everything())))
    if given:
        _write(name, given, texts, frame)
        return EMPTY
    return _asked(name, texts, frame)


def library_object(holder: Holder, name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """A method of a library's object that may write or read under a name: one it is given, or was made with."""
    own = frozenset(token for token in holder.fields.get(CONTENT, EMPTY) if token.__class__ is Text)
    given = Arguments([*arguments.positional, own], arguments.keywords, arguments.spread)
    return outside_call(name, given, node, frame)


def of_text(token: Text, name: str, arguments: Arguments, frame: Frame) -> Value:
    """A method of a file that was opened under a name: ``file.write(text)``, ``file.read()``."""
    given = members(frozenset().union(*(outputs(value) for value in arguments.everything())))
    if given:
        _write(name, given, [token], frame)
        return EMPTY
    return _asked(name, [token], frame)


def opened(arguments: Arguments) -> Value:
    """``open(path)``: a file that remembers its path."""
    return frozenset(_texts(arguments.positional[:1]))


def read_from(value: Value, frame: Frame) -> Value:
    """What earlier code left in the files that a value names."""
    return _read(_keys(_texts([value]), FILE), frame)


def written_by(name: str, arguments: Arguments, result: Value, frame: Frame) -> None:
    """A model that is told where to write leaves there what it puts out."""
    known = handover()
    where = [value for key, value in arguments.keywords.items() if any(word in key for word in known["destinations"])]
    if name.startswith(tuple(known["writing"])) or name.endswith("_to_file"):
        where += arguments.positional
    _store(_keys(_texts(where), FILE), members(result), frame)


def left_behind(texts: Iterable[Text], result: Iterable[Output], frame: Frame) -> None:
    """A program that is started with names of files leaves what it puts out in those that nobody wrote before."""
    stores = frame.machine.stores
    _store([key for key in _keys(texts, FILE) if key not in stores], result, frame)


def decorated(function: Function, node: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> Value:
    """A decorated function: it stays what it is, and answers what its decorators hand over to it."""
    for decorator in node.decorator_list:
        _subscribed(function, decorator, frame)
    return frozenset((function,))


def _subscribed(function: Function, decorator: ast.expr, frame: Frame) -> None:
    """A function that its decorator subscribes to a name hears what is sent under it."""
    if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
        return
    if decorator.func.attr not in handover()["subscribers"]:
        return
    given = [one.value for one in decorator.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    heard = _read([(QUEUE, key) for text in given if (key := names.key_name(text))], frame)
    if heard:
        frame.call(function, Arguments([heard]), function.node)


def field_written(keys: Iterable[object], value: Value, frame: Frame) -> None:
    """``row["raw_caption"] = caption``: a field of a record that came from outside, and goes there again."""
    for key in keys:
        if isinstance(key, str) and (field := names.field_name(key)):
            _store([(FILE, field)], members(outputs(value)), frame)
            frame.machine.writers.setdefault(field, set()).add(frame.module)


def field_read(keys: Iterable[object], frame: Frame) -> Value:
    """``row["raw_caption"]`` in another file than where the field of that name is written."""
    fields = [field for key in keys if isinstance(key, str) and (field := names.field_name(key))]
    writers = frame.machine.writers
    return _read([(FILE, field) for field in fields if frame.module not in writers.get(field, ())], frame)


def sent_away(arguments: Arguments, frame: Frame) -> Arguments:
    """The arguments of a function that runs elsewhere, as they arrive there."""
    there = [_through(value, QUEUE, "task", frame) for value in arguments.positional]
    keywords = {key: _through(value, QUEUE, "task", frame) for key, value in arguments.keywords.items()}
    return Arguments(there, keywords, arguments.spread)


def queued(holder: Holder, value: Value, node: ast.AST, frame: Frame) -> Value:
    """Outputs that go through a queue say so, also as parts of a tuple."""
    if "Queue" not in holder.kind and "Pipe" not in holder.kind:
        return value
    found: set[Token] = set()
    for token in value:
        if isinstance(token, Holder) and token.kind == "tuple":
            parts = tuple(_through(part, QUEUE, holder.kind, frame) for part in token.fields.values())
            found |= frame.machine.packed(parts, node, frame)
        else:
            found |= _through(frozenset((token,)), QUEUE, holder.kind, frame)
    return frozenset(found)


def _through(value: Value, medium: str, via: str, frame: Frame) -> Value:
    return frozenset(
        frame.machine.output(token.model, token.place, medium, via, token.again)  # type: ignore[attr-defined]
        if token.__class__ is Output
        else token
        for token in value
    )


def _texts(values: Iterable[Value]) -> list[Text]:
    found = (token for value in values if value for token in reach(value, 1) if token.__class__ is Text)
    return list(dict.fromkeys(found))[:12]  # type: ignore[arg-type]


def _keys(texts: Iterable[Text], medium: str) -> list[Key]:
    """The names in some strings: of a file or else its folder, or of what stands in a queue or a store."""
    known = [token.text for token in texts]
    if medium != FILE:
        return [(medium, key) for key in dict.fromkeys(map(names.key_name, known)) if key]
    found = [key for key in dict.fromkeys(map(names.file_name, known)) if key]
    return [(FILE, key) for key in found or dict.fromkeys(map(names.folder_name, known)) if key]


def _write(name: str, given: set[Output], texts: list[Text], frame: Frame) -> None:
    known = handover()
    if name.lower().startswith(tuple(known["writing"])):
        _store(_keys(texts, FILE), given, frame)
    if name in known["sending"]:
        _store(_keys(texts, QUEUE), given, frame)
    if name in known["keeping"]:
        _store(_keys(texts, REGISTRY), given, frame)
    if name in known["asking"]:
        into = [(TABLE, table) for token in texts for table, written in names.tables(token.text) if written]
        _store(into or ([(TABLE, key) for _, key in _keys(texts, TABLE)] if name == "to_sql" else []), given, frame)


def _store(keys: Iterable[Key], given: Iterable[Output], frame: Frame) -> None:
    for medium, key in keys:
        value = frozenset(frame.machine.output(one.model, one.place, medium, key, one.again) for one in given)
        frame.machine.store(medium, key, value)


def _asked(name: str, texts: list[Text], frame: Frame) -> Value:
    known = handover()
    keys: list[Key] = []
    if name.lower().startswith(tuple(known["reading"])):
        keys += _keys(texts, FILE)
    if name in ("get", "pop"):
        keys += [(FILE, field) for token in texts if (field := names.field_name(token.text))]
    if name in known["receiving"]:
        keys += [*_keys(texts, QUEUE), *_keys(texts, REGISTRY)]
    if name in known["asking"]:
        keys += [(TABLE, table) for token in texts for table, written in names.tables(token.text) if not written]
    return _read(keys, frame)


def _read(keys: Iterable[Key], frame: Frame) -> Value:
    found: set[Token] = set()
    for medium, key in keys:
        for stored in _stored(medium, key, frame):
            found |= stored
    return frozenset(found)


def _stored(medium: str, key: str, frame: Frame) -> Iterator[Value]:
    stores = frame.machine.stores
    if (medium, key) in stores:
        yield stores[medium, key]
    elif medium == FILE:
        for (other, name), value in stores.items():
            if (
                other == FILE
                and key[-1] not in "/]"
                and (name.endswith(("_" + key, "-" + key)) or key.endswith(("_" + name, "-" + name)))
            ):
                yield value
