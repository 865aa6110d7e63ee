"""Which models are built in which class or function, and every assignment with the branches it stands in."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from drivetrain.mining.findings import Model, Source
from drivetrain.mining.trees import walk

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
Arms = tuple[tuple[int, int], ...]  # (statement that branches, arm), outermost first


@dataclass(frozen=True, eq=False)
class Given:
    """A value that a statement gives to a target: a variable, an attribute, or what a function answers."""

    source: Source
    target: str
    value: ast.expr
    arms: Arms
    function: ast.AST
    owner: ast.ClassDef | None

    def excludes(self, other: Given) -> bool:
        """Whether one of the two happens at most: they stand in different arms of one statement."""
        mine, theirs = dict(self.arms), dict(other.arms)
        return any(theirs.get(branch, arm) != arm for branch, arm in mine.items())


@dataclass
class Definitions:
    """Classes and functions by bare name, what they build, and every value given."""

    models: dict[str, list[Model]] = field(default_factory=dict)
    makers: set[str] = field(default_factory=set)
    named: dict[str, list[tuple[str, Definition]]] = field(default_factory=dict)
    given: list[Given] = field(default_factory=list)

    def built_by(self, value: ast.expr, path: str, depth: int = 3) -> list[Model]:
        """The models that an expression builds or loads: on its own lines, or in what it calls."""
        here = self._between(path, value.lineno, value.end_lineno or value.lineno)
        if here or depth == 0:
            return here
        called = (call.func for call in walk(value) if isinstance(call, ast.Call))
        names = dict.fromkeys(_last_name(function) for function in called)
        if self.makers & set(names):
            return []  # a model by itself, which is not among those that count; what is inside are its layers
        return _distinct(model for name in names for model in self.built_in(name, path, depth - 1))

    def built_in(self, name: str, path: str, depth: int = 2) -> list[Model]:
        """The models that a class or function of that name builds; a class without any has those of its bases."""
        found = self.named.get(name, ())
        for file, node in [one for one in found if one[0] == path] or list(found)[:1]:
            here = self._between(file, node.lineno, node.end_lineno or node.lineno)
            if here or depth == 0:
                return here
            for base in node.bases if isinstance(node, ast.ClassDef) else ():
                inherited = self.built_in(_last_name(base), file, depth - 1)
                if inherited:
                    return inherited
            calls = (call.func for call in walk(node) if isinstance(call, ast.Call))
            names = dict.fromkeys(_last_name(function) for function in calls)
            return _distinct(m for called in names if called != name for m in self.built_in(called, file, depth - 1))
        return []

    def _between(self, path: str, first: int, last: int) -> list[Model]:
        known = self.models.get(path, ())
        return [
            model
            for model in known
            if any(place.file == path and first <= place.line <= last for place in (model.place, *model.also))
        ]


def define(models: Sequence[Model], sources: Sequence[Source]) -> Definitions:
    """Walk through the statements of all plain files (not of notebooks, whose cells run in any order)."""
    found = Definitions(makers={model.maker.rsplit(".", 1)[-1] for model in models})
    for model in models:
        for file in dict.fromkeys(place.file for place in (model.place, *model.also) if place.cell is None):
            found.models.setdefault(file, []).append(model)
    for source in sources:
        if not source.cells:
            _walk(source, source.tree.body, (), source.tree, None, found)
    return found


def _walk(
    source: Source,
    body: Sequence[ast.stmt],
    arms: Arms,
    function: ast.AST,
    owner: ast.ClassDef | None,
    found: Definitions,
) -> None:
    for statement in body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.named.setdefault(statement.name, []).append((source.path, statement))
            if isinstance(statement, ast.ClassDef):
                _walk(source, statement.body, (), statement, statement, found)
            else:
                _walk(source, statement.body, (), statement, owner, found)
            continue
        for target, value in _targets(statement):
            found.given.append(Given(source, target, value, arms, function, owner))
        for arm, block in enumerate(_blocks(statement)):
            more: Arms = ((id(statement), arm),) if isinstance(statement, ast.If | ast.Try | ast.Match) else ()
            more += _asked(statement, function) if arm == 0 else ()
            _walk(source, block, (*arms, *more), function, owner, found)


def _asked(statement: ast.stmt, function: ast.AST) -> Arms:
    """``if kind == "small":`` excludes ``if kind == "large":``, also where it is no ``elif`` of it."""
    match statement:
        case ast.If(test=ast.Compare(left=left, ops=[ast.Eq()], comparators=[ast.Constant(value=value)]), orelse=[]):
            return ((hash((id(function), ast.unparse(left))), hash(value)),)
    return ()


def _targets(statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name | ast.Attribute | ast.Subscript):
                yield ast.unparse(target), statement.value
            elif isinstance(target, ast.Tuple) and target.elts:
                yield ast.unparse(target.elts[0]), statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        yield ast.unparse(statement.target), statement.value
    elif isinstance(statement, ast.Return) and statement.value is not None:
        yield "return", statement.value


def _blocks(statement: ast.stmt) -> Iterator[Sequence[ast.stmt]]:
    """The arms of a statement, or its one body; what runs besides (finally) counts as an arm of its own."""
    if isinstance(statement, ast.Try):
        yield [*statement.body, *statement.orelse]
        yield from (handler.body for handler in statement.handlers)
        yield statement.finalbody
    elif isinstance(statement, ast.Match):
        yield from (case.body for case in statement.cases)
    else:
        yield from (block for name in ("body", "orelse") if (block := getattr(statement, name, None)))


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _distinct(models: Iterator[Model]) -> list[Model]:
    return list({model.name: model for model in models}.values())
