"""Where trained models come from when they are not in the repository: fetched while it runs, or stored elsewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import PurePosixPath

from drivetrain.mining.files import Listing, read
from drivetrain.mining.findings import Place
from drivetrain.mining.libraries import knowledge
from drivetrain.mining.outline import Call, Outline

_TEXTS = (".md", ".rst", ".txt", ".sh", ".html", ".cfg", ".yml", ".yaml", ".toml", ".json", ".bat", ".ps1")
_LARGEST = 300_000  # bytes of a text that is searched for addresses
_NO_MODEL = re.compile(r"Tokenizer|Processor|Config|FeatureExtractor|Scheduler", re.IGNORECASE)
_ABOUT_MODELS = re.compile(r"weight|model|checkpoint|ckpt|pre-?trained|\.pth?\b|\.h5\b|\.onnx\b|\.pb\b", re.IGNORECASE)


def downloads(outlines: Iterable[Outline]) -> tuple[Place, ...]:
    """Calls that fetch a trained model while the program runs."""
    return tuple(read.source.place(call.line) for read in outlines for call in read.calls if _fetches_a_model(call))


def stored_elsewhere(listing: Listing) -> tuple[Place, ...]:
    """Lines of texts and scripts that say at which address a model is to be had, and pointers of DVC to models."""
    return tuple(_addresses(listing))


def _fetches_a_model(call: Call) -> bool:
    known = knowledge()
    if known.names("download").match(call.name):
        return not _NO_MODEL.search(call.name) and not any(text.startswith((".", "/")) for text in call.strings())
    if known.names("download", "fetches").match(call.name):
        return any(_names_a_model(text) for text in call.strings())
    if call.name.startswith("torchvision.models."):
        return any(word.arg in ("pretrained", "weights") and not _is_nothing(word.value) for word in call.node.keywords)
    if ".applications." in call.name and call.last[:1].isupper():  # Keras fetches ImageNet's weights unless told not to
        return not any(word.arg == "weights" and _is_nothing(word.value) for word in call.node.keywords)
    return False


def _is_nothing(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and not value.value


def _names_a_model(text: str) -> bool:
    address = "://" in text or "gs://" in text or text.startswith(("wget ", "curl ", "gdown "))
    return address and any(suffix in text.lower() for suffix in _suffixes())


@cache
def _suffixes() -> tuple[str, ...]:
    return tuple(suffix for form in knowledge().data["format"] if form.get("sure") for suffix in form["suffixes"])


@cache
def _hosts() -> tuple[bytes, ...]:
    return tuple(host.encode() for host in knowledge().data["download"]["elsewhere"])


def _names_a_host(data: bytes) -> bool:
    return any(host in data for host in _hosts())  # each by itself: a pattern of all of them takes many times as long


def _addresses(listing: Listing) -> Iterator[Place]:
    for file in listing.having(*_TEXTS, ".dvc"):
        if file.suffix == ".dvc":
            if PurePosixPath(file.path.removesuffix(".dvc")).suffix in _suffixes():
                yield Place(file.path, 1)
            continue
        data = read(listing, file, _LARGEST) or b""
        if _names_a_host(data):
            for number, line in enumerate(data.split(b"\n"), 1):
                if _names_a_host(line) and _ABOUT_MODELS.search(line.decode(errors="replace")):
                    yield Place(file.path, number)
