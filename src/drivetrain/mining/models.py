"""From what the analysis saw to models that a person would name: parts joined, doubtful ones dropped, names given."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from drivetrain.mining.dataflow.facts import Facts
from drivetrain.mining.dataflow.repository import Instance
from drivetrain.mining.dataflow.values import ModelToken, Text
from drivetrain.mining.findings import FEEDS, Model, Place

# Folders and files that are not the system itself.
_ASIDE = re.compile(
    r"(?:^|/)(?:tests?|testing|examples?|docs?|benchmarks?|third_party|vendor|external|tutorials?|samples?)/"
    r"|(?:^|/)(?:test_\w+|\w+_test|conftest|setup)\.py$",
    re.IGNORECASE,
)


@dataclass
class Kept:
    """The models that are kept, and which of them every token of the analysis stands for."""

    facts: Facts
    models: list[Model] = field(default_factory=list)
    name_of: dict[ModelToken, str] = field(default_factory=dict)


def keep(facts: Facts) -> Kept:
    """Group the tokens that stand for one model, drop what is none, and name the rest."""
    kept = Kept(facts)
    _join_stored(facts)
    _join_heads(facts)
    sites: dict[tuple[Place, str], list[ModelToken]] = {}
    for token in list(facts.models):
        top = _whole(token)
        if top is not token:
            top.also.setdefault(token.place)
            for place in token.uses:
                top.uses.setdefault(place)
        sites.setdefault((top.place, top.maker), []).append(token)
    fed = {(source, target) for source, target, kind, _ in facts.edges if kind == FEEDS}
    groups = [part for tokens in sites.values() for part in _apart(tokens, fed)]
    taken: dict[str, int] = {}
    found: list[tuple[list[ModelToken], Place]] = []
    for tokens, place in groups:
        tops = [token for token in tokens if token.part_of is None] or tokens
        if any(_is_model(token) for token in tops):
            found.append((tokens, place))
    for tokens, place in sorted(found, key=lambda one: (aside(one[1].file), one[1])):
        tops = [token for token in tokens if token.part_of is None] or tokens
        name = _named(tops[0], taken)
        for token in tokens:
            kept.name_of[token] = name
        kept.models.append(_model(name, tops, place))
    kept.models.sort(key=lambda model: model.place)
    return kept


def _whole(token: ModelToken) -> ModelToken:
    top = token
    for _ in range(8):
        if top.part_of is None:
            break
        top = top.part_of
    return top


def _join_stored(facts: Facts) -> None:
    """What is read back into the variable of a model that the same file makes is that model."""
    made: dict[tuple[str, str], ModelToken] = {}
    for token in facts.models:
        if not token.loaded:
            for name in token.source_names:
                made.setdefault((token.place.file, name), token)
    for token in facts.models:
        if token.certain < 0.9 and token.loaded and token.part_of is None:
            whole = next((made[token.place.file, n] for n in token.source_names if (token.place.file, n) in made), None)
            if whole is not None:
                token.part_of = whole


def _join_heads(facts: Facts) -> None:
    """A plain stack of layers on one model, trained by the same steps as that, is the head of it."""
    before: dict[ModelToken, set[ModelToken]] = {}
    for source, target, kind, _ in facts.edges:
        if kind == FEEDS:
            before.setdefault(target, set()).add(source)
    for change in facts.changes.values():
        for head in change.models:
            feeding = before.get(head, set())
            stack = head.maker.endswith(".Sequential") and not head.loaded and head.part_of is None
            if stack and change.how == "step" and len(feeding) == 1 and feeding <= set(change.models):
                head.part_of = next(iter(feeding))
                head.source_names.clear()  # from now on it goes by the name of the whole


def _apart(tokens: list[ModelToken], fed: set[tuple[ModelToken, ModelToken]]) -> list[tuple[list[ModelToken], Place]]:
    """The models made at one line: several, if they are held by different variables or feed each other."""
    first = tokens[0]
    if len(tokens) == 1:
        return [(tokens, _whole(first).place)]
    names = {token: _names(token) for token in tokens}
    common = set.intersection(*(set(known) for known in names.values()))
    groups: list[tuple[set[object], list[ModelToken], Place]] = []
    for token in sorted(tokens, key=lambda one: -len(names[one])):
        own: dict[object, Place] = {name: place for name, place in names[token].items() if name not in common}
        feeding = any((token, other) in fed or (other, token) in fed for other in tokens)
        if not own and feeding:
            own = {part.text: token.place for part in token.context if isinstance(part, Text)}
        for known, members, _ in groups:
            if not own or known & set(own):
                known.update(own)
                members.append(token)
                break
        else:
            place = next(iter(own.values())) if own else _whole(token).place
            groups.append((set(own), [token], place))
    if sum(not aside(place.file) for _, _, place in groups) < 2:  # apart from tests and examples there is but one
        return [(tokens, _whole(first).place)]
    return [(members, place) for _, members, place in groups]


def _names(token: ModelToken) -> dict[str, Place]:
    found = {name: place for part in token.context if isinstance(part, Instance) for name, place in part.names.items()}
    return {**found, **token.source_names}


def _is_model(token: ModelToken) -> bool:
    if token.loaded and token.certain >= 0.9:
        return True
    return bool(token.uses or token.fitted)


def aside(file: str) -> bool:
    """Whether a file is a test, an example, or somebody else's code."""
    return bool(_ASIDE.search(file))


def _named(token: ModelToken, taken: dict[str, int]) -> str:
    known = [name for name in token.source_names if name not in ("_model", "model", "net", "_", "m", "self")]
    name = next(iter(known), "") or token.class_name or PurePosixPath(token.weights).stem
    name = re.sub(r"\W+", "_", name or token.maker.rsplit(".", 1)[-1]).strip("_").lower() or "model"
    if name[0].isdigit():
        name = f"model_{name}"
    count = taken[name] = taken.get(name, 0) + 1
    return name if count == 1 else f"{name}_{count}"


def _model(name: str, tokens: list[ModelToken], place: Place) -> Model:
    first = tokens[0]
    also = dict.fromkeys(where for token in tokens for where in (token.place, *token.also))
    also.pop(place, None)
    return Model(
        name=name,
        place=place,
        maker=first.maker,
        library=first.library,
        task=first.task,
        weights=first.weights,
        also=tuple(sorted(also)),
        uses=_places(token.uses for token in tokens),
        loaded=any(token.loaded for token in tokens),
        main=not aside(place.file),
        confidence=max(token.certain for token in tokens),
    )


def _places(parts: Iterable[dict[Place, None]]) -> tuple[Place, ...]:
    return tuple(sorted({place for part in parts for place in part}))
