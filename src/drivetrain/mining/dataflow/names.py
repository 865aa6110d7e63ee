"""Under which names something is handed over: the file, table, topic or key that a string of the code is."""

from __future__ import annotations

import re
from functools import cache

_HOLE = re.compile(r"%[-+#0 \d.]*[a-zA-Z]|\{[^{}]*\}|[*?]+")
_FILE = re.compile(r"[\w .()\[\]=,+-]*\.(?P<suffix>[A-Za-z][A-Za-z0-9]{0,5})$")
_KEY = re.compile(r"^/?[\w-][\w{}*#+-]*(?:[/.:][\w{}*#+-]+)*$")
_TABLE = re.compile(
    r"\b(?P<verb>insert\s+(?:or\s+\w+\s+)?into|replace\s+into|update|from|join)\s+[`\"\[]?(?P<name>\w+(?:\.\w+)?)",
    re.IGNORECASE,
)
# Files that hold the program or its settings rather than what passes between its parts.
_LONGEST = 300  # characters that a name or a path may have; patterns are never tried on more
_SETTINGS = frozenset(
    {"py", "yaml", "yml", "toml", "ini", "cfg", "conf", "sh", "md", "com", "org", "html", "js", "css"}
)


# Words of field names that mean the same in every program, and so tell nothing of who wrote them.
_OF_ANY_PROGRAM = frozenset(
    {
        "id",
        "ids",
        "path",
        "name",
        "time",
        "size",
        "file",
        "url",
        "num",
        "count",
        "date",
        "mask",
        "key",
        "index",
        "shape",
    }
    | {"dict", "epoch", "step", "lr", "loss", "acc", "values", "type", "status", "batch", "train", "val", "test"}
)


@cache
def file_name(text: str) -> str:
    """What tells a file from others in a path or a pattern of paths, ``"car.png"`` of ``"%s/%s_%dcar.png"``; or "".

    Before the last hole (a format, a wildcard) a name is unknown; what is left must still say something.
    """
    text = text[-_LONGEST:]
    found = _FILE.search(_HOLE.split(text.replace("\\", "/"))[-1].rsplit("/", 1)[-1])
    if not found or found["suffix"].lower() in _SETTINGS or "://" in text:
        return ""
    name = found[0].lstrip("_-. ").lower()
    stem = name.rpartition(".")[0]
    return name if len(re.findall("[a-z]", stem)) >= 2 else ""


@cache
def folder_name(text: str) -> str:
    """The folder of files whose own names are unknown, ``"labelled_faces/"`` of ``"data/labelled_faces/*.npy"``; or "".

    Only a name of several words says anything; folders called ``images`` or ``results`` are in every repository.
    """
    folder, slash, rest = _HOLE.split(text[-_LONGEST:].replace("\\", "/"))[0].rpartition("/")
    name = folder.rpartition("/")[2].lower()
    return f"{name}/" if slash and not rest and re.fullmatch(r"[a-z]\w*[-_ ]\w+", name) else ""


@cache
def field_name(text: str) -> str:
    """The field of a record that is handed over in a file, ``"[raw_caption]"``; or "" if its name says too little."""
    words = text.lower().split("_")
    known = re.fullmatch(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+", text[:_LONGEST])
    return f"[{text}]" if known and len(text) > 8 and not _OF_ANY_PROGRAM & set(words) else ""


@cache
def key_name(text: str) -> str:
    """A topic, a routing key or a key of a store: ``"camera/boxes"``; or "" if the text reads like none."""
    text = text.strip()
    if not 3 <= len(text) <= 80 or not _KEY.match(text) or not re.search("[a-zA-Z]{3}", text):
        return ""
    return text.strip("/")


@cache
def tables(text: str) -> tuple[tuple[str, bool], ...]:
    """The tables of a statement in SQL, each with whether it is written to."""
    text = text[: 10 * _LONGEST].lstrip()
    if not re.match(r"(?:insert|update|replace|select|with)\b", text, re.IGNORECASE):
        return ()
    found = ((match["name"].lower(), match["verb"].lower() not in ("from", "join")) for match in _TABLE.finditer(text))
    return tuple(dict.fromkeys(found))
