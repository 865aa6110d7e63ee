"""Words that tell what a model or a merge is for: names split into words, and lists of words as data."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from drivetrain.mining.findings import Model

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\+|==")


@cache
def listed(kind: str) -> frozenset[str]:
    """The words of one list of ``words.toml``."""
    return frozenset(_data()[kind])


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(files("drivetrain.mining").joinpath("words.toml").read_text(encoding="utf-8"))


def words(text: str) -> frozenset[str]:
    """The words of a name or an expression, lower case: ``"SafetyChecker_v2"`` holds ``safety`` and ``checker``."""
    return frozenset(word.lower() for word in _WORD.findall(text))


def speaks_of(model: Model, kind: str) -> bool:
    """Whether what a model is called, made by, loaded from or good for holds a word of a list."""
    return bool(all_words((model.name, model.maker.rsplit(".", 1)[-1], model.task, model.weights)) & listed(kind))


def all_words(texts: Iterable[str]) -> frozenset[str]:
    """The words of several names together."""
    return frozenset().union(*(words(text) for text in texts))


def carries(model: Model) -> tuple[str, str]:
    """A guess at what goes into a model and what comes out of it: ``("image", "boxes")``."""
    for text in (model.task, model.name, model.maker.rsplit(".", 1)[-1], model.weights):
        known = words(text)
        for word, (taken, made) in _data()["carries"].items():
            if word in known:
                return taken, made
    return "inputs", "outputs"
