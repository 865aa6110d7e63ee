"""The second layer: what is written under a name in one place and read under it in another (files, queues, tables)."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from drivetrain.mining.dataflow import calls, names, outside
from drivetrain.mining.dataflow.contents import members, outputs, reach
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.values import CONTENT, EMPTY, Function, Holder, Output, Text, Token, Value
from drivetrain.mining.findings import FILE, QUEUE, REGISTRY, TABLE
from drivetrain.mining.knowledge import handover

if TYPE_CHECKING:
    from drivetrain.mining.dataflow.calls import Arguments

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
        return heard | (outside.callbacks(arguments, heard, node, frame) if heard else EMPTY)
    given = members(frozenset().union(*(outputs(value) for value in arguments.everything())))
    if given:
        _write(name, given, texts, frame)
        return EMPTY
    return _asked(name, texts, frame)


def library_object(holder: Holder, name: str, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
    """A method of a library's object that may write or read under a name: one it is given, or was made with."""
    own = frozenset(token for token in holder.fields.get(CONTENT, EMPTY) if token.__class__ is Text)
    given = calls.Arguments([*arguments.positional, own], arguments.keywords, arguments.spread)
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


def decorated(function: Function, decorator: ast.expr, frame: Frame) -> None:
    """A function that its decorator subscribes to a name hears what is sent under it."""
    if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
        return
    if decorator.func.attr not in handover()["subscribers"]:
        return
    given = [one.value for one in decorator.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    heard = _read([(QUEUE, key) for text in given if (key := names.key_name(text))], frame)
    if heard:
        calls.call_function(function, calls.Arguments([heard]), function.node, frame)


def sent_away(arguments: Arguments, frame: Frame) -> Arguments:
    """The arguments of a function that runs elsewhere, as they arrive there."""
    there = [_through(value, QUEUE, "task", frame) for value in arguments.positional]
    keywords = {key: _through(value, QUEUE, "task", frame) for key, value in arguments.keywords.items()}
    return calls.Arguments(there, keywords, arguments.spread)


def queued(holder: Holder, value: Value, frame: Frame) -> Value:
    """Outputs that go through a queue say so."""
    return _through(value, QUEUE, holder.kind, frame) if "Queue" in holder.kind or "Pipe" in holder.kind else value


def _through(value: Value, medium: str, via: str, frame: Frame) -> Value:
    return frozenset(
        frame.machine.output(token.model, token.place, medium, via, token.again)  # type: ignore[attr-defined]
        if token.__class__ is Output
        else token
        for token in value
    )


def _texts(values: Iterable[Value]) -> list[Text]:
    found = (token for value in values for token in reach(value, 1) if token.__class__ is Text)
    return list(dict.fromkeys(found))[:12]  # type: ignore[arg-type]


def _keys(texts: Iterable[Text], medium: str) -> list[Key]:
    """The names in some strings: of a file, or of what stands in a queue or a store."""
    sort = names.file_name if medium == FILE else names.key_name
    return [(medium, key) for key in dict.fromkeys(sort(token.text) for token in texts) if key]


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
            if other == FILE and (name.endswith(("_" + key, "-" + key)) or key.endswith(("_" + name, "-" + name))):
                yield value
