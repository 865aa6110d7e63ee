"""The state of one analysis: what has been made, what functions answered so far, how much time is left."""

from __future__ import annotations

import ast
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from drivetrain.mining.dataflow.constants import constants
from drivetrain.mining.dataflow.facts import Facts
from drivetrain.mining.dataflow.interned import Interned
from drivetrain.mining.dataflow.repository import Function, Instance
from drivetrain.mining.dataflow.values import (
    EMPTY,
    Holder,
    ModelToken,
    Token,
    Value,
)
from drivetrain.mining.findings import Place
from drivetrain.mining.limit import OutOfTime

if TYPE_CHECKING:
    from drivetrain.mining.dataflow.arguments import Arguments
    from drivetrain.mining.dataflow.program import Program
    from drivetrain.mining.dataflow.repository import ClassInfo, Module

DEEPEST_CALL = 24
DEEPEST_CONTEXT = 4
MOST_CONTEXTS = 10  # of one function, before all further arguments are joined
MOST_TOKENS = 48


@dataclass
class Summary:
    """What is known of a function for one set of arguments."""

    returns: Value = EMPTY
    invoked: frozenset[ModelToken] = frozenset()
    round: int = -1
    running: bool = False


@runtime_checkable
class Rules(Protocol):
    """What every rule may ask again of the parts of a node, whichever room the answer comes from."""

    def evaluate(self, node: ast.expr, frame: Frame) -> Value:
        """The value of an expression."""

    def call(self, callee: Value, arguments: Arguments, node: ast.AST, frame: Frame) -> Value:
        """What calling everything the callee may be gives."""

    def run(self, statements: Sequence[ast.stmt], frame: Frame) -> bool:
        """Walk statements in order; whether the block always leaves."""


@dataclass(eq=False)
class Frame:
    """One function (or module) being analysed: its variables, what controls the present line, what it answers."""

    machine: Machine
    module: Module
    names: dict[str, Value]
    parameters: frozenset[str] = frozenset()
    context: tuple[Token, ...] = ()  # what tells one use of a function from another: strings, instances, models
    arguments: tuple[Value, ...] = ()  # everything it was called with
    closure: tuple[dict[str, Value], ...] = ()
    owner: ClassInfo | None = None
    me: Value = EMPTY
    depth: int = 0
    control: frozenset[Token] = frozenset()
    invoked: set[ModelToken] = field(default_factory=set)
    returns: Value = EMPTY
    yields: Value = EMPTY
    generator: bool = False
    outer: frozenset[str] = frozenset()  # names declared global
    left: list[dict[str, Value]] = field(default_factory=list)  # variables where a loop was left or cut short
    graph: Value = EMPTY  # the graph of TensorFlow that the present lines build
    again: bool = False  # the second pass through a loop
    flags: dict[str, bool] = field(default_factory=dict)  # variables that are only ever True or False

    def evaluate(self, node: ast.expr) -> Value:
        """The value of an expression here."""
        return self.machine.rules.evaluate(node, self)

    def call(self, callee: Token, arguments: Arguments, node: ast.AST) -> Value:
        """What calling a token here gives."""
        return self.machine.rules.call(frozenset((callee,)), arguments, node, self)

    def call_any(self, callee: Value, arguments: Arguments, node: ast.AST) -> Value:
        """What calling everything that a value may be gives here."""
        return self.machine.rules.call(callee, arguments, node, self)

    def run(self, statements: Sequence[ast.stmt]) -> bool:
        """Walk statements in order here; whether they always leave."""
        return self.machine.rules.run(statements, self)

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Function:
        """The function made here, one for each set of variables around it."""
        inner = self.names is not self.module.fields
        return self.machine.function(node, self, (self.names, *self.closure) if inner else ())

    def place(self, node: ast.AST) -> Place:
        source = self.module.source
        line = getattr(node, "lineno", 1)
        return source.place(line) if source is not None else Place("/".join(self.module.parts), line)


class Machine(Interned):
    """Everything that lives as long as the analysis of one repository."""

    def __init__(self, program: Program, rules: Rules, seconds: float) -> None:
        super().__init__()
        self.program = program
        self.rules = rules
        self.facts = Facts()
        self.round = 0
        self.changed = False
        self.deadline = time.monotonic() + seconds
        self.steps = 0
        self.contexts: dict[Function, dict[tuple[Value, ...], Summary]] = {}  # by what a function was called with
        self.joined: dict[Function, tuple[dict[str, Value], Summary]] = {}  # everything it was called with beyond those
        self.called: set[ast.AST] = set()
        self.instances: dict[ClassInfo, dict[Instance, None]] = {}
        self.functions: dict[ast.AST, Function] = {}
        self.classes: dict[ast.ClassDef, ClassInfo] = {}
        self.stores: dict[tuple[str, str], Value] = {}  # (medium, key) -> what was handed over under it
        self.writers: dict[str, set[Module]] = {}  # field of a record -> who writes it
        self.entry = ""
        self.loss_through: dict[ModelToken, None] = {}
        self.graphs: dict[object, dict[ModelToken, None]] = {}
        self.sessions: dict[object, dict[ModelToken, None]] = {}
        self._flags: dict[ast.AST, dict[str, bool]] = {}
        self._holders: dict[tuple[object, ...], Holder] = {}
        self._models: dict[tuple[object, ...], ModelToken] = {}

    def tick(self) -> None:
        """Once a statement and once a call: stop when the time is up."""
        self.steps += 1
        if self.steps & 63 == 0 and time.monotonic() > self.deadline:
            raise OutOfTime

    def flags(self, node: ast.AST) -> dict[str, bool]:
        """The variables of a function that are set once, to True or False, and never again."""
        found = self._flags.get(node)
        if found is None:
            found = self._flags[node] = constants(node)
        return found

    def function(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        frame: Frame,
        closure: tuple[dict[str, Value], ...],
        owner: ClassInfo | None = None,
    ) -> Function:
        """The function made here in this context, with the variables around it as they are now."""
        key = (Function, (node, frame.context if closure else ()))
        found = self._names.get(key)
        if found is None:
            owner = owner or (frame.owner if closure else None)
            found = self._names[key] = Function(node, frame.module, closure, owner)
            self.functions.setdefault(node, found)  # type: ignore[arg-type]
        elif closure:
            found.closure = closure  # type: ignore[attr-defined]
        return found  # type: ignore[return-value]

    def model(self, place: Place, maker: str, node: ast.AST, frame: Frame) -> ModelToken:
        """The model made here in this context, the same one whenever the line is analysed again."""
        key = (node, frame.context, maker)
        found = self._models.get(key)
        if found is None:
            found = self._models[key] = ModelToken(place, maker, frame.context)
            self.facts.models[found] = None
            self.changed = True
        self.facts.touch(found, self.entry)
        return found

    def named_model(self, name: str, place: Place) -> ModelToken:
        """The one model behind a function of a library, wherever it is called."""
        key = ("function", name)
        found = self._models.get(key)
        if found is None:
            found = self._models[key] = ModelToken(place, name, ())
            self.facts.models[found] = None
            self.changed = True
        found.also[place] = None
        self.facts.touch(found, self.entry)
        return found

    def holder(self, kind: str, node: ast.AST, frame: Frame, tag: object = "") -> Holder:
        """The container or library object made here in this context."""
        key = (node, frame.arguments, tag)
        found = self._holders.get(key)
        if found is None:
            found = self._holders[key] = Holder(kind, frame.place(node), self._depth(frame))
        return found

    def packed(self, values: tuple[Value, ...], node: ast.AST, frame: Frame) -> Value:
        """A tuple of values, the same token for the same values."""
        key = ("packed", node, values)
        found = self._holders.get(key)
        if found is None:
            found = self._holders[key] = Holder("tuple", frame.place(node), self._depth(frame))
            found.fields.update(enumerate(values))
        return frozenset((found,))

    def record(self, values: tuple[tuple[str, Value], ...], node: ast.AST, frame: Frame) -> Value:
        """A dict of keywords, the same token for the same values."""
        key = ("record", node, values)
        found = self._holders.get(key)
        if found is None:
            found = self._holders[key] = Holder("dict", frame.place(node), self._depth(frame))
            found.fields.update(values)
        return frozenset((found,))

    def instance(self, info: ClassInfo, node: ast.AST, frame: Frame) -> tuple[Instance, bool]:
        """The instance made here in this context, and whether it is new."""
        depth = self._depth(frame)
        key = (node, frame.context if depth <= DEEPEST_CONTEXT else (), info)
        found = self._holders.get(key)
        new = found is None
        if found is None:
            found = self._holders[key] = Instance(info, frame.place(node), depth)
            self.instances.setdefault(info, {})[found] = None  # type: ignore[index]
            self.changed = True
        return found, new  # type: ignore[return-value]

    def _depth(self, frame: Frame) -> int:
        return 1 + max((token.depth for token in frame.context if isinstance(token, Holder)), default=0)

    def add(self, holder: Holder, key: object, value: Value) -> None:
        """A field of a holder may from now on also be this."""
        if not value:
            holder.fields.setdefault(key, EMPTY)
            return
        old = holder.fields.get(key)
        if old is None:
            holder.fields[key] = value
            self.changed = True
        elif not value <= old:
            joined = old | value
            if len(joined) <= MOST_TOKENS:
                holder.fields[key] = joined
                self.changed = True

    def store(self, medium: str, key: str, value: Value) -> None:
        """Something was handed over under a name: a file, a queue, a table."""
        old = self.stores.get((medium, key), EMPTY)
        if not value <= old:
            self.stores[(medium, key)] = old | value
            self.changed = True
