"""What each statement does to the variables of a frame: branches are joined, loops are walked twice."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from drivetrain.mining.dataflow import calls, classes, handover, imports
from drivetrain.mining.dataflow.binding import assign, iterate
from drivetrain.mining.dataflow.branching import Names, join, loop
from drivetrain.mining.dataflow.contents import outputs
from drivetrain.mining.dataflow.expressions import evaluate
from drivetrain.mining.dataflow.machine import Frame
from drivetrain.mining.dataflow.merging import combine
from drivetrain.mining.dataflow.repository import ClassToken
from drivetrain.mining.dataflow.values import EMPTY, Mixed, Output
from drivetrain.mining.trees import walk


def run_block(statements: Sequence[ast.stmt], frame: Frame) -> bool:
    """Walk statements in order; whether the block always leaves (return, raise, break, continue)."""
    control = frame.control
    for statement in statements:
        frame.machine.tick()
        walk = _WALKS.get(statement.__class__)
        if walk is None:
            continue
        try:
            stopped = walk(statement, frame)
        except RecursionError:
            stopped = False
        if stopped:
            frame.control = control
            return True
    frame.control = control
    return False


def _expression(node: ast.Expr, frame: Frame) -> bool:
    evaluate(node.value, frame)
    return _never_returns(node.value)


def _never_returns(node: ast.expr) -> bool:
    """Whether an expression ends the program."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
    owner = node.func.value.id if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) else ""
    return (owner, name) in (("sys", "exit"), ("os", "_exit"), ("", "exit"), ("", "quit"))


def _assign(node: ast.Assign, frame: Frame) -> bool:
    value = evaluate(node.value, frame)
    for target in node.targets:
        assign(target, value, frame)
    return False


def _annotated(node: ast.AnnAssign, frame: Frame) -> bool:
    if node.value is not None:
        assign(node.target, evaluate(node.value, frame), frame)
    return False


def _augmented(node: ast.AugAssign, frame: Frame) -> bool:
    old = (
        evaluate(node.target, frame)
        if not isinstance(node.target, ast.Subscript)
        else evaluate(node.target.value, frame)
    )
    new = evaluate(node.value, frame)
    value = combine(frame, [old, new], node, "+=", reporting=isinstance(node.op, ast.Add) and not old)
    assign(node.target, value | frozenset(token for token in old | new if not isinstance(token, Output | Mixed)), frame)
    return False


def _return(node: ast.Return, frame: Frame) -> bool:
    if node.value is not None:
        frame.returns |= evaluate(node.value, frame)
    return True


def _raise(node: ast.Raise, frame: Frame) -> bool:
    if node.exc is not None:
        evaluate(node.exc, frame)
    return True


def _leave(node: ast.stmt, frame: Frame) -> bool:
    frame.left.append(dict(frame.names))
    return True


def _if(node: ast.If, frame: Frame) -> bool:
    test = node.test
    condition = evaluate(test, frame)
    deciding = frozenset(outputs(condition)) if condition else EMPTY
    known = _known(test, frame)
    outside, before = frame.invoked, dict(frame.names)
    control = frame.control
    frame.control = control | deciding
    frame.invoked = set()
    body_left = run_block(node.body, frame) if known is not False else False
    body_names, body_ran = dict(frame.names), frame.invoked
    frame.names.clear()
    frame.names.update(before)
    frame.control = control | deciding
    frame.invoked = set()
    other_left = run_block(node.orelse, frame) if known is not True else True
    other_ran = frame.invoked
    frame.invoked = outside | body_ran | other_ran
    if deciding and body_ran and other_ran and body_ran != other_ran:
        frame.machine.facts.choice(deciding, body_ran, other_ran, frame.place(node))
    if known is False:
        body_left = False
        body_names = before
    if body_left and other_left:
        return True
    if other_left:
        frame.names.clear()
        frame.names.update(body_names)
    elif not body_left:
        join(frame.names, body_names)
    frame.control = control | (deciding if body_left or (other_left and node.orelse) else EMPTY)
    return False


def _known(test: ast.expr, frame: Frame) -> bool | None:
    """A condition whose answer stands in the code: a constant, or a variable set once, to a constant."""
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, ast.Name):
        return frame.flags.get(test.id)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        answer = _known(test.operand, frame)
        return None if answer is None else not answer
    return None


def _for(node: ast.For | ast.AsyncFor, frame: Frame) -> bool:
    iterated = evaluate(node.iter, frame)
    deciding = frozenset(outputs(iterated, 1)) if iterated else EMPTY
    control = frame.control
    frame.control = control | deciding

    def turn() -> None:
        assign(node.target, iterate(iterated, frame), frame)
        run_block(node.body, frame)

    loop(turn, frame)
    frame.control = control
    run_block(node.orelse, frame)
    return False


def _while(node: ast.While, frame: Frame) -> bool:

    def turn() -> None:
        evaluate(node.test, frame)
        run_block(node.body, frame)

    loop(turn, frame)
    run_block(node.orelse, frame)
    return False


def _with(node: ast.With | ast.AsyncWith, frame: Frame) -> bool:
    graph = frame.graph
    for item in node.items:
        value = evaluate(item.context_expr, frame)
        entered = calls.enter(value, item.context_expr, frame)
        if item.optional_vars is not None:
            assign(item.optional_vars, entered, frame)
        opened = item.context_expr
        if isinstance(opened, ast.Call) and isinstance(opened.func, ast.Attribute) and opened.func.attr == "as_default":
            frame.graph = evaluate(opened.func.value, frame)
    left = run_block(node.body, frame)
    frame.graph = graph
    return left


def _try(node: ast.Try | ast.TryStar, frame: Frame) -> bool:
    before = dict(frame.names)
    stopped = run_block(node.body, frame)
    if not stopped:
        stopped = run_block(node.orelse, frame)
    after = dict(frame.names)
    alive = [] if stopped else [after]
    for handler in node.handlers:
        frame.names.clear()
        frame.names.update(before)
        join(frame.names, after)
        if not run_block(handler.body, frame):
            alive.append(dict(frame.names))
    frame.names.clear()
    frame.names.update(alive[0] if alive else after)
    for names in alive[1:]:
        join(frame.names, names)
    ended = run_block(node.finalbody, frame)
    return ended or not alive


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> bool:
    token = frame.function(node)
    frame.names[node.name] = frozenset((token,))
    if node.decorator_list:
        frame.names[node.name] = handover.decorated(token, node, frame)
    return False


def _class(node: ast.ClassDef, frame: Frame) -> bool:
    info = classes.define(node, frame)
    frame.names[node.name] = frozenset((frame.machine.named(ClassToken, info),))
    return False


def _import(node: ast.Import, frame: Frame) -> bool:
    for alias in node.names:
        imports.bind(alias, frame)
    return False


def _import_from(node: ast.ImportFrom, frame: Frame) -> bool:
    imports.bind_from(node, frame)
    return False


def _global(node: ast.Global, frame: Frame) -> bool:
    frame.outer |= frozenset(node.names)
    return False


def _delete(node: ast.Delete, frame: Frame) -> bool:
    for target in node.targets:
        if isinstance(target, ast.Name) and frame.names is not frame.module.fields:
            frame.names.pop(target.id, None)
    return False


def _assert(node: ast.Assert, frame: Frame) -> bool:
    evaluate(node.test, frame)
    return False


def _match(node: ast.Match, frame: Frame) -> bool:
    subject = evaluate(node.subject, frame)
    deciding = frozenset(outputs(subject)) if subject else EMPTY
    before, control = dict(frame.names), frame.control
    joined: Names = dict(before)
    for case in node.cases:
        frame.names.clear()
        frame.names.update(before)
        frame.control = control | deciding
        for part in walk(case.pattern):
            if isinstance(part, ast.MatchAs | ast.MatchStar) and part.name:
                frame.names[part.name] = subject
        if not run_block(case.body, frame):
            join(joined, frame.names)
    frame.names.clear()
    frame.names.update(joined)
    frame.control = control
    return False


_WALKS: dict[type[ast.stmt], Callable[..., bool]] = {
    ast.Expr: _expression,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.Break: _leave,
    ast.Continue: _leave,
    ast.If: _if,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Try: _try,
    ast.TryStar: _try,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.ClassDef: _class,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.Global: _global,
    ast.Delete: _delete,
    ast.Assert: _assert,
    ast.Match: _match,
}
