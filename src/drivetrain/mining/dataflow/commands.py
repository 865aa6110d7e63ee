"""Programs that a script starts and that are models themselves: ``tesseract page.png out``, ``whisper talk.wav``."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from drivetrain.mining import knowledge
from drivetrain.mining.dataflow import handover, using
from drivetrain.mining.dataflow.contents import members, reach
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.values import Holder, Text, Value

if TYPE_CHECKING:
    from drivetrain.mining.dataflow.arguments import Arguments


def call(arguments: Arguments, node: ast.AST, frame: Frame) -> Value | None:
    """What starting a program answers if that program is a model; None if it is none.

    The model takes in what the command is made of, and the files it names; what it puts out is its answer, and what the
    other files hold that the command names.
    """
    written = _words(node.args[0], frame) if isinstance(node, ast.Call) and node.args else []
    program = _program(written, frame)
    if not program:
        return None
    model = frame.machine.named_model(f"command.{program}", frame.place(node))
    model.library, model.loaded, model.certain = "command", True, 0.8
    model.weights = next((word for word in written if word.endswith(knowledge.STORED)), model.weights)
    texts = [frame.machine.text(word) for word in written]
    texts += [token for value in arguments.everything() for token in reach(value, 1) if token.__class__ is Text]
    given = frozenset(token for value in arguments.everything() for token in reach(value, 2))
    result = using.invoke(model, [given | frozenset(texts)], node, frame)
    handover.left_behind(texts, members(result), frame)  # type: ignore[arg-type]
    return result


def _program(written: list[str], frame: Frame) -> str:
    """The program among the first words of a command: one that is known, or a script that is told where weights are."""
    known = knowledge.programs()
    words = [word.rpartition("/")[2] for word in written if word and not word.startswith("-")]
    for word in words[:4]:
        if word in known:
            return word
        if word not in known_starters:
            break
    script = next((word for word in words[:4] if word.endswith(".py")), "")
    foreign = script and (script[:-3],) not in {parts[-1:] for parts in frame.machine.program.modules}
    return script[:-3] if foreign and any(word.endswith(knowledge.STORED) for word in written) else ""


known_starters = frozenset(
    {"sudo", "python", "python3", "bash", "sh", "nohup", "env", "time", "exec", "conda", "uv", "run"}
)


def _words(node: ast.expr, frame: Frame) -> list[str]:
    """The words of a command in order, as far as they stand in the code."""
    if isinstance(node, ast.Constant):
        return str(node.value).split()
    if isinstance(node, ast.JoinedStr):
        return [word for part in node.values for word in _words(part, frame)]
    if isinstance(node, ast.BinOp):
        return _words(node.left, frame) + _words(node.right, frame)
    if isinstance(node, ast.List | ast.Tuple):
        return [word for part in node.elts for word in (_words(part, frame) or [""])]
    if isinstance(node, ast.Call):  # shlex.split(text), "...".format(path)
        inner = node.func.value if isinstance(node.func, ast.Attribute) else None
        texts = [part for part in (inner, *node.args) if isinstance(part, ast.Constant | ast.JoinedStr | ast.BinOp)]
        return _words(texts[0], frame) if texts else []
    if isinstance(node, ast.Name):
        found: list[str] = []
        for token in frame.evaluate(node):
            if isinstance(token, Holder):
                parts = [part for _, part in sorted((k, v) for k, v in token.fields.items() if isinstance(k, int))]
                found += [one.text for part in parts for one in part if one.__class__ is Text]  # type: ignore[attr-defined]
            elif token.__class__ is Text:
                found += token.text.split()  # type: ignore[attr-defined]
        return found
    return []
