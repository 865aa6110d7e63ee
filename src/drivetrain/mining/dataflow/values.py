"""An abstract value is a set of tokens: everything that a variable may hold, as far as models and their outputs go.

Tokens are told apart by number, so that sets of them are quick to join. What can be changed after it was made (lists,
dicts, instances, objects of libraries) is a token with fields, which only ever grow.
"""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from drivetrain.mining.findings import Place


AnyToken = TypeVar("AnyToken", bound="Token")


class _Numbers(threading.local):
    """Numbers for the tokens of one analysis; each thread has its own."""

    left = itertools.count(1)


_numbers = _Numbers()


def number_anew() -> None:
    """An analysis begins: its tokens are numbered from 1, whatever was analysed before."""
    _numbers.left = itertools.count(1)


class Token(float):
    """Something that a value may be.

    A token is a number of its own: a set of numbers has the same order in every run, so the same repository has the
    same report; a set of objects that are told apart by their addresses has not. Floats are hashed in C.
    """

    __slots__ = ()

    def __new__(cls: type[AnyToken], *_: object) -> AnyToken:
        return float.__new__(cls, next(_numbers.left))


Value = frozenset[Token]
EMPTY: Value = frozenset()
ELEMENT = "*"  # the field of a container that holds what has no known key
CONTENT = "content"  # the field of an object that holds what was put into it


class ModelToken(Token):
    """A model, made at one place in one context."""

    __slots__ = (
        "also",
        "certain",
        "class_name",
        "context",
        "fitted",
        "library",
        "loaded",
        "maker",
        "part_of",
        "place",
        "source_names",
        "task",
        "uses",
        "weights",
    )

    def __init__(self, place: Place, maker: str, context: tuple[Token, ...]) -> None:
        self.place = place
        self.maker = maker
        self.context = context
        self.library = ""
        self.task = ""
        self.class_name = ""
        self.weights = ""
        self.loaded = False
        self.certain = 1.0
        self.part_of: ModelToken | None = None
        self.also: dict[Place, None] = {}
        self.uses: dict[Place, None] = {}
        self.fitted: dict[Place, None] = {}
        self.source_names: dict[str, Place] = {}

    def __repr__(self) -> str:
        return f"<model {self.maker} {self.place}>"


class Output(Token):
    """What a model put out, or was made from it by ordinary code."""

    __slots__ = ("again", "medium", "model", "place", "via")

    def __init__(self, model: ModelToken, place: Place, medium: str, via: str, again: bool) -> None:
        self.model, self.place, self.medium, self.via, self.again = model, place, medium, via, again

    def __repr__(self) -> str:
        return f"<out {self.model.place} {self.medium}{' again' if self.again else ''}>"


class Mixed(Token):
    """One value that ordinary code made out of several models' outputs."""

    __slots__ = ("members", "place")

    def __init__(self, members: frozenset[Output], place: Place) -> None:
        self.members, self.place = members, place


class Weights(Token):
    """The weights of a model, handed to an optimiser or copied into another model."""

    __slots__ = ("model",)

    def __init__(self, model: ModelToken) -> None:
        self.model = model


class Text(Token):
    """A string that stands in the code."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"<text {self.text!r}>"


class Library(Token):
    """A name of a library, resolved: ``torch.nn.Linear``."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<library {self.name}>"


class Bound(Token):
    """A function with its first arguments given: a method, or a partial application."""

    __slots__ = ("arguments", "function", "keywords")

    def __init__(self, function: Token, arguments: tuple[Value, ...], keywords: tuple[tuple[str, Value], ...]) -> None:
        self.function, self.arguments, self.keywords = function, arguments, keywords


class MethodOf(Token):
    """A method, known by name alone, of a model or of an object of a library."""

    __slots__ = ("name", "receiver")

    def __init__(self, receiver: Token, name: str) -> None:
        self.receiver, self.name = receiver, name


class Holder(Token):
    """Something with fields that only grow: a container, an instance, an object of a library."""

    __slots__ = ("depth", "fields", "kind", "site")

    def __init__(self, kind: str, site: Place, depth: int = 0) -> None:
        self.kind = kind  # "list", "tuple", "dict", the name of a library's class
        self.site = site
        self.depth = depth
        self.fields: dict[object, Value] = {}

    def __repr__(self) -> str:
        return f"<{self.kind} {self.site}>"
