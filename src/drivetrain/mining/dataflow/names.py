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
