"""From what the analysis saw to models that a person would name: parts joined, doubtful ones dropped, names given."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from drivetrain.mining.dataflow.facts import Facts
from drivetrain.mining.dataflow.values import Instance, ModelToken, Text
from drivetrain.mining.findings import Model, Place


@dataclass
class Kept:
    """The models that are kept, and which of them every token of the analysis stands for."""

    facts: Facts
    models: list[Model] = field(default_factory=list)
    name_of: dict[ModelToken, str] = field(default_factory=dict)


def keep(facts: Facts) -> Kept:
    """Group the tokens that stand for one model, drop what is none, and name the rest."""
    kept = Kept(facts)
    whole: dict[tuple[object, ...], list[ModelToken]] = {}
    for token in list(facts.models):
        top = token
        for _ in range(8):
            if top.part_of is None:
                break
            top = top.part_of
        if top is not token:
            top.also.setdefault(token.place)
            for place in token.uses:
                top.uses.setdefault(place)
        whole.setdefault(_identity(top), []).append(token)
    taken: dict[str, int] = {}
    groups = [part for group in whole.values() for part in _split(group)]
    for tokens in sorted(groups, key=lambda group: (_main(group[0]), group[0].place)):
        tops = [token for token in tokens if token.part_of is None] or tokens
        if not any(_is_model(token) for token in tops):
            continue
        name = _named(tops[0], taken)
        for token in tokens:
            kept.name_of[token] = name
        kept.models.append(_model(name, tops, facts))
    kept.models.sort(key=lambda model: model.place)
    return kept


def _identity(token: ModelToken) -> tuple[object, ...]:
    said = frozenset(part.text for part in token.context if part.__class__ is Text)  # type: ignore[union-attr]
    return (token.place, token.maker, token.weights, said)


def _split(tokens: list[ModelToken]) -> list[list[ModelToken]]:
    """One model for each instance that owns one, if instances of one file differ; else scripts each make the same."""
    sites: dict[tuple[Place, ...], list[ModelToken]] = {}
    for token in tokens:
        where = tuple(part.site for part in token.context if isinstance(part, Instance))
        sites.setdefault(where, []).append(token)
    files = [where[0].file for where in sites if where]
    if len(files) == len(set(files)):
        return [tokens]
    return list(sites.values())


def _is_model(token: ModelToken) -> bool:
    if token.certain >= 0.9:
        return True
    return bool(token.uses)


_ASIDE = re.compile(
    r"(?:^|/)(?:tests?|testing|examples?|docs?|benchmarks?|third_party|vendor|external|tutorials?|notebooks?)/|(?:^|/)(?:test_\w+|\w+_test|conftest|setup)\.py$"
)


def _main(token: ModelToken) -> bool:
    return bool(_ASIDE.search(token.place.file))


def _named(token: ModelToken, taken: dict[str, int]) -> str:
    name = next(iter(token.source_names), "") or token.class_name or PurePosixPath(token.weights).stem
    name = re.sub(r"\W+", "_", name or token.maker.rsplit(".", 1)[-1]).strip("_").lower() or "model"
    if name[0].isdigit():
        name = f"model_{name}"
    count = taken[name] = taken.get(name, 0) + 1
    return name if count == 1 else f"{name}_{count}"


def _model(name: str, tokens: list[ModelToken], facts: Facts) -> Model:
    first = tokens[0]
    also: dict[Place, None] = {}
    uses: dict[Place, None] = {}
    for token in tokens:
        also.update(token.also)
        uses.update(token.uses)
    also.pop(first.place, None)
    return Model(
        name=name,
        place=first.place,
        maker=first.maker,
        library=first.library,
        task=first.task,
        weights=first.weights,
        also=tuple(sorted(also)),
        uses=tuple(sorted(uses)),
        loaded=any(token.loaded for token in tokens),
        main=not _main(first),
        confidence=max(token.certain for token in tokens),
    )
