"""How the models of a repository are trained: each alone, several by one loss, or not at all."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import PurePosixPath

from drivetrain.mining.aside import judges
from drivetrain.mining.findings import TRAINS_ON, Fitting, Place, Source, Training, Wiring
from drivetrain.mining.words import listed, words

NONE, INDIVIDUAL, PIPELINE, MIXED = "none", "individual", "pipeline", "mixed"
PARTIAL, SIMULTANEOUS, ALTERNATING = "partial end-loss", "simultaneous end-loss", "alternating end-loss"

_TEST = re.compile(r"^(?:tests?|testing|conftest|test_.*|.*_tests?)(?:\.py)?$")


def training(wiring: Wiring, sources: Sequence[Source] = ()) -> Training:
    """How the models are trained, read off the places where weights change.

    A loss that moves one model alone is *individual* training. A loss that moves several, or runs through others on
    its way to one, trains a *pipeline*: simultaneously, partially (the others stay as they are), or alternating (each
    in its turn through the other). Where both occur the scope is *mixed*. Code under tests does not count.

    Args:
        wiring: what the analysis found.
        sources: the parsed files; training code there counts even where it could not be told which model it trains.
    """
    slots = {model.name: model.slot or model.name for model in wiring.models}
    fittings = [fitting for fitting in _completed(wiring) if not _of_tests(fitting.place.file)]
    met = _met(wiring)
    joint = [fitting for fitting in fittings if _runs_through(fitting, slots, met)]
    alone = [fitting for fitting in fittings if fitting not in joint and not _in_turn(fitting, joint)]
    places = [fitting.place for fitting in fittings] or list(_training_code(sources))
    on_outputs = any(edge.kind == TRAINS_ON for edge in wiring.edges) or any(
        set(fitting.data_from) - set(fitting.models) for fitting in fittings
    )
    scope = MIXED if joint and alone else PIPELINE if joint else INDIVIDUAL if places else NONE
    return Training(
        scope=scope,
        patterns=_patterns(bool(alone) or not joint, joint, fittings, slots) if places else (),
        code=bool(places),
        staged=bool(places) and (on_outputs or scope == MIXED),
        on_outputs=on_outputs,
        evidence=tuple(dict.fromkeys(places)),
    )


def _of_tests(file: str) -> bool:
    return any(_TEST.match(part) for part in PurePosixPath(file).parts)


def _distinct(models: Sequence[str], slots: dict[str, str]) -> set[str]:
    return {slots.get(name, name) for name in models}


def _completed(wiring: Wiring) -> list[Fitting]:
    """The fittings, with models that judge what is trained and stay as they are among those the loss runs through."""
    trained = {(name, fitting.place.file) for fitting in wiring.fittings for name in fitting.models}
    more: dict[Fitting, tuple[str, ...]] = {}
    unknown = {fitting.place.file for fitting in wiring.fittings if not fitting.models}  # it may train the judge
    for judge, fitting in judges(wiring).items():
        if (judge, fitting.place.file) not in trained and fitting.place.file not in unknown:
            more[fitting] = (*more.get(fitting, ()), judge)
    return [replace(f, through=tuple(dict.fromkeys((*f.through, *more.get(f, ()))))) for f in wiring.fittings]


def _met(wiring: Wiring) -> set[frozenset[str]]:
    """Pairs of models with an edge or a merge between them."""
    pairs = {frozenset((edge.source, edge.target)) for edge in wiring.edges}
    return pairs | {frozenset(pair) for merge in wiring.merges for pair in combinations(merge.models, 2)}


def _runs_through(fitting: Fitting, slots: dict[str, str], met: set[frozenset[str]]) -> bool:
    """Whether one loss moves several models or runs through others; a loop that scripts share is one for each."""
    if len(_distinct((*fitting.models, *fitting.through), slots)) < 2:
        return False
    return bool(fitting.through) or any(frozenset(pair) in met for pair in combinations(fitting.models, 2))


def _in_turn(fitting: Fitting, joint: Sequence[Fitting]) -> bool:
    """Whether a fitting of one model is the other half of one whose loss runs through it."""
    return any(other.place.file == fitting.place.file and set(fitting.models) & set(other.through) for other in joint)


def _patterns(
    alone: bool, joint: Sequence[Fitting], fittings: Sequence[Fitting], slots: dict[str, str]
) -> tuple[str, ...]:
    found = [INDIVIDUAL] if alone else []
    for fitting in joint:
        models = _distinct(fitting.models, slots)
        others = _distinct(fitting.through, slots) - models
        if len(models) > 1:
            found.append(SIMULTANEOUS)
        elif any(others & _distinct(turn.models, slots) for turn in fittings if turn.place.file == fitting.place.file):
            found.append(ALTERNATING)
        else:
            found.append(PARTIAL)
    return tuple(dict.fromkeys(found))


def _training_code(sources: Sequence[Source]) -> Iterator[Place]:
    """Places that train something, in files where that is sure without knowing what."""
    for source in sources:
        if _of_tests(source.path):
            continue
        calls = source.nodes.of(ast.Call)
        named = [(call.func.attr, call) for call in calls if isinstance(call.func, ast.Attribute)]
        steps = any(name == "step" for name, _ in named)
        for name, call in named:
            if name in listed("trains") or (name == "backward" and steps) or (name == "fit" and _fits_model(call)):
                yield source.place(call.lineno)


def _fits_model(call: ast.Call) -> bool:
    """Whether ``thing.fit(...)`` fits a model: it is given data, and the thing is not called a scaler or the like."""
    owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    return bool(call.args or call.keywords) and not words(owner) & listed("no_model") and _holds_model(owner)


def _holds_model(owner: str) -> bool:
    return bool(words(owner) & listed("model"))
