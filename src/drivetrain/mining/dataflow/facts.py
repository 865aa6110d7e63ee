"""What the analysis has seen so far: models, who feeds and gates whom, where outputs meet, where weights change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from drivetrain.mining.dataflow.contents import members
from drivetrain.mining.dataflow.values import Mixed, ModelToken, Output, Token
from drivetrain.mining.findings import FEEDBACK, FEEDS, GATES, MEMORY, SELECTS, Place

BY_NAME = 0.7  # the confidence of what is handed over under a name, through a file or a queue


@dataclass
class Seen:
    """One edge with its evidence."""

    at_source: Place
    at_target: Place
    via: dict[str, None] = field(default_factory=dict)
    confidence: float = 1.0


@dataclass
class Meeting:
    """Outputs that ordinary code brings together at one place."""

    models: dict[ModelToken, None]
    what: str
    confidence: float
    into: dict[ModelToken, None] = field(default_factory=dict)


@dataclass
class Change:
    """A place where weights change."""

    how: str
    models: dict[ModelToken, None] = field(default_factory=dict)
    through: dict[ModelToken, None] = field(default_factory=dict)
    data_from: dict[ModelToken, None] = field(default_factory=dict)
    drivers: set[object] = field(default_factory=set)


class Facts:
    """Everything seen, each thing once."""

    def __init__(self) -> None:
        self.models: dict[ModelToken, None] = {}
        self.edges: dict[tuple[ModelToken, ModelToken, str, str], Seen] = {}
        self.meetings: dict[Place, Meeting] = {}
        self.changes: dict[Place, Change] = {}
        self.entries: dict[ModelToken, dict[str, None]] = {}
        self.imported: set[str] = set()
        self.loss_of: dict[Token, None] = {}

    def touch(self, model: ModelToken, entry: str) -> None:
        """A model is made or used by what this entry runs."""
        self.entries.setdefault(model, {})[entry] = None

    def edge(self, output: Output, target: ModelToken, kind: str, place: Place, confidence: float = 1.0) -> None:
        """What ``output.model`` put out reaches ``target``."""
        source = output.model
        if source is target:
            return
        if output.again and kind == FEEDS:
            kind = FEEDBACK
        if output.medium != MEMORY:
            confidence = min(confidence, BY_NAME)
        key = (source, target, kind, output.medium)
        seen = self.edges.get(key)
        if seen is None:
            seen = self.edges[key] = Seen(output.place, place, confidence=confidence)
        seen.confidence = max(seen.confidence, confidence)
        if output.via:
            seen.via[output.via] = None

    def flow(
        self, tokens: Iterable[Token], target: ModelToken, kind: str, place: Place, confidence: float = 1.0
    ) -> None:
        """Outputs and mixtures reach a model."""
        for token in tokens:
            if token.__class__ is Mixed:
                meeting = self.meetings.get(token.place)  # type: ignore[attr-defined]
                if meeting is not None and kind == FEEDS:
                    meeting.into[target] = None
        for output in members(tokens):
            self.edge(output, target, kind, place, confidence)

    def control(self, tokens: Iterable[Token], target: ModelToken, place: Place, sure: bool) -> None:
        """Outputs decide whether a model runs."""
        for output in members(tokens):
            self.edge(output, target, GATES, place, 0.9 if sure else 0.5)

    def choice(self, tokens: Iterable[Token], one: set[ModelToken], other: set[ModelToken], place: Place) -> None:
        """Outputs decide which of several models runs."""
        for target in one ^ other:
            for output in members(tokens):
                self.edge(output, target, SELECTS, place, 0.9)

    def meet(self, tokens: set[Output], place: Place, what: str, confidence: float) -> None:
        """Outputs come together in one value or decision."""
        meeting = self.meetings.setdefault(place, Meeting({}, what, confidence))
        for output in tokens:
            meeting.models[output.model] = None
        meeting.confidence = max(meeting.confidence, confidence)

    def change(self, place: Place, how: str) -> Change:
        """The place where weights change, to be filled in."""
        return self.changes.setdefault(place, Change(how))


__all__ = ["MEMORY", "Change", "Facts", "Meeting", "Seen"]
