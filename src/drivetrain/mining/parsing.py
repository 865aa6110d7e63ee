"""Makes a syntax tree of any Python file: Python 3 as it stands, Python 2 rewritten, of damaged code what is whole."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from itertools import pairwise

from drivetrain.mining.findings import Source

_ROUNDS = 6  # of leaving out lines that parso calls wrong; what is still wrong then is looked at block by block
_REPAIRED = 200_000  # characters; parso takes minutes for larger files full of errors, so they go to the blocks at once


def parse(data: bytes, path: str) -> Source | None:
    """The source in a file's bytes; None if nothing of it can be parsed. Line numbers are those of the file."""
    text = decoded(data)
    tree = parsed(text)
    if tree is not None:
        return Source(path, tree, _lines(text))
    tree = parsed(repaired(text))
    if tree is None or all(isinstance(statement, ast.Pass) for statement in tree.body):
        return None
    return Source(path, tree, _lines(text), damaged=True)


def parsed(code: str | bytes) -> ast.Module | None:
    """The tree of code that is Python 3 as it stands, and None for any other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the authors' invalid escapes are not ours to report
        try:
            return ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # null bytes, endless nesting
            return None


def decoded(data: bytes) -> str:
    """The text of a Python file in the encoding it declares; in Latin 1, which reads everything, if that is wrong."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", " ")


def repaired(text: str) -> str:
    """Damaged code as code that parses and has the same lines; what could not be read is left out."""
    rewritten = text = text.expandtabs(8)
    if parsed(text) is None:
        rewritten = _from_python_2(text)
    lines = rewritten.split("\n")
    for _ in range(_ROUNDS):
        if parsed("\n".join(lines)) is not None:
            return "\n".join(lines)
        wrong = _wrong_lines("\n".join(lines)) if len(rewritten) <= _REPAIRED else set()
        if not wrong:
            break
        for line in wrong:
            lines[line] = _without(lines, line)
    return _whole_blocks(rewritten)


def _lines(text: str) -> int:
    return text.count("\n") + (not text.endswith("\n") and bool(text))


# Each rewriting keeps the lines. Inside a string it changes the string, which no analysis here depends on.
_OF_PYTHON_2 = [
    # `print, "a"` is a tuple in Python 3; it holds the same calls and may go on over several lines.
    (re.compile(r"(^|[:;])([ \t]*)(print|exec)(?=[ \t]+[^\s=.,)\]:;&|<>/*%^]|[\"'])", re.MULTILINE), r"\1\2\3,"),
    (re.compile(r"\b(except)[ \t]+([\w.]+|\([^()]*\))[ \t]*,[ \t]*(\w+)[ \t]*:"), r"\1 \2 as \3:"),
    (re.compile(r"(^|[:;])([ \t]*)raise[ \t]+([\w.]+)[ \t]*,", re.MULTILINE), r"\1\2raise \3; 0,"),
    (re.compile(r"`([^`\n]*)`"), r"repr(\1)"),
    (re.compile(r"<>"), "!="),
    (re.compile(r"\b(\d+|0[xX][0-9a-fA-F]+)[lL]\b"), r"\1"),
    (re.compile(r"(?<![\w.])0([0-7]+)\b(?!\.)"), r"0o\1"),
    (re.compile(r"\b[uU][rR](?=[\"'])"), "r"),
]


def _from_python_2(text: str) -> str:
    for pattern, replacement in _OF_PYTHON_2:
        text = pattern.sub(replacement, text)
    return text


def _wrong_lines(text: str) -> set[int]:
    """The lines, from 0, that keep the text from being parsed, as parso's error recovery sees them."""
    try:
        from parso.grammar import load_grammar
    except ImportError:  # the extra `scan` brings it; without it damaged files are read block by block
        return set()
    grammar = load_grammar()
    try:
        module = grammar.parse(text)
        found = list(grammar.iter_errors(module))
    except (RecursionError, ValueError, AttributeError):
        return set()
    last = text.count("\n")
    lines = {min(error.start_pos[0] - 1, last) for error in found if "indent" not in error.message}
    waiting = [module]
    while waiting:
        node = waiting.pop()
        if node.type == "error_leaf" and node.value.strip():
            lines.add(node.start_pos[0] - 1)
        elif node.type == "error_node":  # the statement that was begun and never closed
            lines.add(node.children[-1].get_last_leaf().start_pos[0] - 1)
        waiting.extend(getattr(node, "children", ()))
    return lines or {min(error.start_pos[0] - 1, last) for error in found}


_HEADER = re.compile(r"(async\s+)?(def|class)\s+(\w+)")


def _without(lines: list[str], at: int) -> str:
    """What stands in for a line that cannot be parsed: as little as keeps the lines around it in their blocks."""
    line = lines[at]
    bare = line.strip()
    indent = line[: len(line) - len(line.lstrip())]
    following = next((later for later in lines[at + 1 :] if later.strip()), "")
    opens = len(following) - len(following.lstrip()) > len(indent)
    if not bare or bare == "pass":
        return ""
    if not opens:
        return f"{indent}pass"
    if named := _HEADER.match(bare):
        return f"{indent}{named[2]} {named[3]}{'(*_)' if named[2] == 'def' else ''}:"
    for word, instead in (
        ("except", "except Exception:"),
        ("elif", "elif _:"),
        ("else", "else:"),
        ("finally", "finally:"),
    ):
        if bare.startswith(word):
            return indent + instead
    return f"{indent}if _:"


_GOES_ON = ("#", ")", "]", "}", "else", "elif", "except", "finally")


def _whole_blocks(text: str) -> str:
    """The text with every top-level statement blanked that does not parse on its own."""
    lines = text.split("\n")
    starts = [i for i, line in enumerate(lines) if line[:1].strip() and not line.startswith(_GOES_ON)]
    for start, end in pairwise([0, *starts, len(lines)]):
        if parsed("\n".join(lines[start:end])) is None:
            lines[start:end] = [""] * (end - start)
    return "\n".join(lines)
