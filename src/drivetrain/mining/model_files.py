"""Trained models stored in a repository: found by suffix, and by first bytes where a suffix says too little."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

from drivetrain.mining.files import File, Listing, read
from drivetrain.mining.findings import ModelFile
from drivetrain.mining.libraries import knowledge

_LOOKED_AT = 1_000_000  # bytes of a file whose suffix does not tell
_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class Format:
    """How one format of stored models is recognised.

    Attributes:
        name: ``"ONNX"``.
        suffixes: endings of the file's name, in lower case.
        sure: the suffix is enough.
        marks: byte strings of which one stands in the file.
        names: of which one is part of the file's name.
    """

    name: str
    suffixes: tuple[str, ...]
    sure: bool = False
    marks: tuple[bytes, ...] = ()
    names: tuple[str, ...] = ()


def model_files(listing: Listing) -> tuple[ModelFile, ...]:
    """The stored models as a person would count them; files are looked into, never loaded."""
    return tuple(_found(listing))


def model_files_as_paper(listing: Listing) -> tuple[ModelFile, ...]:
    """Every file or link that ends as the paper's data set counts models: ``.h5``, ``.pb``, ``.pt``, ``.pth``."""
    suffixes = knowledge().paper_suffixes
    return tuple(
        ModelFile(file.path, suffix, file.bytes)
        for file in sorted((*listing.files, *listing.links), key=lambda file: file.path)
        for suffix in suffixes
        if file.path.endswith(suffix)
    )


def _found(listing: Listing) -> Iterator[ModelFile]:
    by_suffix = _by_suffix()
    for file in listing.files:
        name = PurePosixPath(file.path).name.lower()
        dots = [i for i, letter in enumerate(name) if letter == "." and i]
        for form in (form for dot in dots for form in by_suffix.get(name[dot:], ())):
            if _is(form, listing, file, name):
                yield ModelFile(file.path, form.name, file.bytes)
                break


def _is(form: Format, listing: Listing, file: File, name: str) -> bool:
    if any(part.lower() in name for part in form.names):
        return True
    head = read(listing, file, 200) or b""
    if head.startswith(_POINTER):  # the model itself lies on a server for large files
        return form.sure or bool(form.marks)
    if form.sure:
        return b"\0" in head or not _is_text(head)
    beginning = read(listing, file, _LOOKED_AT) or b"" if form.marks else b""
    return any(mark in beginning for mark in form.marks)


def is_pointer(listing: Listing, file: ModelFile) -> bool:
    """Whether a file only says where a server for large files keeps the model."""
    return (read(listing, File(file.path, file.bytes), 200) or b"").startswith(_POINTER)


def _is_text(head: bytes) -> bool:
    """Whether it reads like a note or a list of paths; a site's ``.pth`` and a plan in words are no models."""
    if not head:
        return False
    try:
        head.decode("ascii")
    except UnicodeDecodeError:
        return False
    return True


@cache
def _by_suffix() -> dict[str, tuple[Format, ...]]:
    table: dict[str, tuple[Format, ...]] = {}
    for form in knowledge().data["format"]:
        made = Format(
            form["name"],
            tuple(form["suffixes"]),
            form.get("sure", False),
            tuple(mark.encode() for mark in form.get("marks", ())),
            tuple(form.get("names", ())),
        )
        for suffix in made.suffixes:
            table[suffix] = (*table.get(suffix, ()), made)
    return table
