"""Integration patterns beyond the paper's three: alternatives, routing, loops, votes, guards, training couples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

import networkx as nx

from drivetrain.mining.aside import judges
from drivetrain.mining.findings import (
    FEEDBACK,
    FEEDS,
    GATES,
    SUPERVISES,
    TRAINS_ON,
    WEIGHTED_SUM,
    Edge,
    Integration,
    Merge,
    Model,
    Place,
    Source,
    Wiring,
)
from drivetrain.mining.flow import Flow
from drivetrain.mining.heads import shared_backbones
from drivetrain.mining.words import all_words, listed, speaks_of, words

ALTERNATIVES = "interchangeable alternatives"
ROUTING = "conditional routing"
FEEDBACK_LOOP = "feedback loop"
INDEPENDENT = "independent parallel"
TRAINED_ON_OUTPUT = "trained on a model's output"
CASCADE = "cascade"
VOTING = "voting ensemble"
SAFEGUARD = "safeguard gate"
SHARED_BACKBONE = "shared backbone"
ADVERSARIAL = "adversarial training"
TEACHER = "teacher-student"
FALLBACK = "fallback"
BEYOND = (
    ALTERNATIVES,
    ROUTING,
    FEEDBACK_LOOP,
    INDEPENDENT,
    TRAINED_ON_OUTPUT,
    CASCADE,
    VOTING,
    SAFEGUARD,
    SHARED_BACKBONE,
    ADVERSARIAL,
    TEACHER,
    FALLBACK,
)


def beyond(
    wiring: Wiring, merges: Sequence[Merge], topology: Flow, sources: Sequence[Source] = ()
) -> tuple[Integration, ...]:
    """Every pattern beyond the paper's, in the order of ``BEYOND``; merges are those outside training.

    * *interchangeable alternatives*: one slot, several models, never run together;
    * *conditional routing*: what a model says decides which model runs next, or whether one does;
    * *feedback loop*: an output goes back to an earlier model at the next step;
    * *independent parallel*: several models, nothing between them;
    * *trained on a model's output*; *cascade*: a model sees only what an earlier one let pass of the same input;
    * *voting ensemble*: equals whose outputs are averaged, summed or counted;
    * *safeguard gate*: a model can stop the rest; *shared backbone*: several heads on one representation;
    * *adversarial training*: two models trained against each other;
    * *teacher-student*: the output of a model that stays as it is, used only in the loss of another;
    * *fallback*: a second model only if the first failed to deliver.
    """
    adversaries = _adversaries(wiring)
    couples = {frozenset(found.models) for found in adversaries}
    found = [
        *_alternatives(topology),
        *_control(topology),
        *_loops(topology),
        *_independent(topology),
        *_trained_on_output(wiring),
        *_votes(merges, topology),
        *_safeguards(topology),
        *(Integration(SHARED_BACKBONE, *heads) for heads in shared_backbones(wiring, sources)),
        *adversaries,
        *(teacher for teacher in _teachers(wiring) if frozenset(teacher.models) not in couples),
    ]
    return tuple(sorted(found, key=lambda integration: BEYOND.index(integration.pattern)))


def _alternatives(topology: Flow) -> Iterator[Integration]:
    for models in topology.models.values():
        kinds = {_kind(model) for model in models}
        stored = {(model.library, "") for model in models if model.loaded and _kind(model)[0] == model.library}
        built = {model.library for model in models if _kind(model)[0] != model.library}
        if len(kinds - {kind for kind in stored if kind[0] in built}) > 1:  # what was built may be what is read back
            places = tuple(model.place for model in models)
            sure = min(model.confidence for model in models)
            yield Integration(ALTERNATIVES, tuple(model.name for model in models), models[0].slot, places, sure)


def _kind(model: Model) -> tuple[str, str]:
    """What a model is: its class, or for what any model of a library is loaded by, the library; and its weights."""
    name = model.maker.rsplit(".", 1)[-1]
    return (model.library or model.maker if name in listed("loader") else model.maker, model.weights)


def _control(topology: Flow) -> Iterator[Integration]:
    """Routing, cascades and fallbacks: who decides over whom, by what it says rather than by having found anything."""
    targets: dict[str, dict[str, Edge]] = {}
    for edge in topology.control:
        if edge.kind == FEEDBACK or _guards(topology, edge) or nx.has_path(topology.graph, edge.target, edge.source):
            continue
        if listed("fallback") & all_words(edge.through):
            yield _of_edges(FALLBACK, (edge.source, edge.target), "", (edge,))
        elif edge in topology.decisive:
            fed = nx.has_path(topology.graph, edge.source, edge.target)
            if edge.kind == GATES and not fed and _same_input(topology, edge):
                yield _of_edges(CASCADE, (edge.source, edge.target), "", (edge,))
            else:
                targets.setdefault(edge.source, {}).setdefault(edge.target, edge)
    for source, edges in targets.items():
        yield _of_edges(ROUTING, (source, *edges), source, tuple(edges.values()))


def _same_input(topology: Flow, edge: Edge) -> bool:
    """Whether one model feeds both, so that the first prunes what the second sees."""
    above = nx.ancestors(topology.graph, edge.source) & nx.ancestors(topology.graph, edge.target)
    return bool(above & set(topology.models))


def _guards(topology: Flow, edge: Edge) -> bool:
    return any(speaks_of(model, "safeguard") for model in topology.models[edge.source])


def _loops(topology: Flow) -> Iterator[Integration]:
    """What goes back to where it came from, within one file.

    Without a way forth it is only the next step of something else; through several files it is mostly the state of a
    window or a session that keeps what was last shown.
    """
    back = [edge for edge in topology.control if edge.kind == FEEDBACK]
    found: dict[tuple[str, str], Edge] = {}
    for edge in (*back, *topology.loops):
        near = edge.at_source and edge.at_target and edge.at_source.file == edge.at_target.file
        if near and nx.has_path(topology.graph, edge.target, edge.source):
            found.setdefault((edge.source, edge.target), edge)
    for pair, edge in found.items():
        yield _of_edges(FEEDBACK_LOOP, pair, edge.target, (edge,))


def _independent(topology: Flow) -> Iterator[Integration]:
    """Models of one program: what stands in scripts of their own was never meant to run together."""
    if len(topology.models) < 2 or topology.graph.edges or topology.control or topology.loops or topology.lone:
        return
    files = {name: {place.file for one in models for place in _places(one)} for name, models in topology.models.items()}
    pairs = [
        (one, other)
        for one, other in combinations(files, 2)
        if files[one] & files[other] and topology.parallel(one, other) and not _in_turn(topology, one, other)
    ]
    together = tuple(name for name in files if any(name in pair for pair in pairs))
    if together:
        yield Integration(INDEPENDENT, together, "", tuple(topology.models[name][0].place for name in together), 1.0)


def _in_turn(topology: Flow, one: str, other: str) -> bool:
    """Whether two models run at the very same lines: a loop or a function tries one after the other."""
    used = [{place for model in topology.models[name] for place in model.uses} for name in (one, other)]
    return bool(used[0]) and used[0] == used[1]


def _places(model: Model) -> tuple[Place, ...]:
    return (model.place, *model.also, *model.uses)


def _trained_on_output(wiring: Wiring) -> Iterator[Integration]:
    edges = {(edge.source, edge.target): edge for edge in wiring.edges if edge.kind == TRAINS_ON}
    for (source, target), edge in edges.items():
        yield _of_edges(TRAINED_ON_OUTPUT, (source, target), target, (edge,))
    for fitting in wiring.fittings:
        for source in fitting.data_from:
            for target in fitting.models:
                if source != target and (source, target) not in edges:
                    yield Integration(TRAINED_ON_OUTPUT, (source, target), target, (fitting.place,), 1.0)


def _votes(merges: Sequence[Merge], topology: Flow) -> Iterator[Integration]:
    known = {model.name: model for models in topology.models.values() for model in models}
    seen: set[frozenset[str]] = set()
    for merge in merges:
        models = [known[name] for name in merge.models if name in known]
        slots = {model.slot or model.name for model in models}
        alike = len(slots) > 1 and all(_equals(a, b) for a, b in combinations(models, 2))
        alike = (alike or (len(slots) > 1 and merge.what == WEIGHTED_SUM)) and _none_after_another(merge, topology)
        if (
            alike
            and (words(merge.what) & listed("vote") or merge.what == WEIGHTED_SUM)
            and not any(slots <= other for other in seen)
        ):
            seen.add(frozenset(slots))
            names = tuple(model.name for model in models)
            yield Integration(VOTING, names, str(merge.place), (merge.place,), merge.confidence)
    for models_of_slot in topology.models.values():
        for model in models_of_slot:
            if model.maker.rsplit(".", 1)[-1] in listed("ensemble"):
                yield Integration(VOTING, (model.name,), model.name, (model.place,), model.confidence)


def _none_after_another(merge: Merge, topology: Flow) -> bool:
    """Whether no voter is handed what another one said: a crop is moved by its box, it does not vote with it."""
    nodes = [node for node, models in topology.models.items() if any(model.name in merge.models for model in models)]
    return not any(nx.has_path(topology.graph, one, other) for one in nodes for other in nodes if one != other)


def _equals(one: Model, other: Model) -> bool:
    """Whether two models do the same, as far as their task or what made them tells."""
    return one.task == other.task if one.task and other.task else one.maker == other.maker


def _safeguards(topology: Flow) -> Iterator[Integration]:
    for name, models in topology.models.items():
        if len(topology.models) < 2 or not any(speaks_of(model, "safeguard") for model in models):
            continue
        edges = tuple(edge for edge in topology.control if edge.source == name)
        guarded = dict.fromkeys((name, *(edge.target for edge in edges)))
        places = _ends(edges) or (models[0].place,)
        yield Integration(SAFEGUARD, tuple(guarded), name, places, 1.0 if edges else 0.5)


def _adversaries(wiring: Wiring) -> tuple[Integration, ...]:
    """Couples of which each is trained with the other's help: by the loss, or by data it makes."""
    helps = {(edge.source, edge.target) for edge in wiring.edges if edge.kind in (SUPERVISES, TRAINS_ON, FEEDS)}
    judged = {(edge.source, edge.target): edge for edge in wiring.edges if edge.kind == SUPERVISES}
    trained = {name: fitting for fitting in wiring.fittings for name in fitting.models}
    unknown = {fitting.place.file for fitting in wiring.fittings if not fitting.models}
    through = {(judge, made) for fitting in wiring.fittings for judge in fitting.through for made in fitting.models}
    models = {model.name: model for model in wiring.models}
    steps = [fitting for fitting in wiring.fittings if fitting.how == "step"]  # what fits itself is no adversary
    by_file = {(name, fitting.place.file) for fitting in steps for name in fitting.models}
    for judge, fitting in judges(wiring).items():
        if (judge, fitting.place.file) in by_file:
            through |= {(judge, made) for made in fitting.models if (made, judge) in helps}
    couples: dict[frozenset[str], Integration] = {}
    taught = trained.keys() | {made for _, made in judged}
    for made, judge in ((a, b) for a in models if a in taught for b in models if a != b):
        both_trained = made in trained and (judge in trained or trained[made].place.file in unknown)
        mutual = (judge, made) in judged and (made, judge) in helps
        in_turn = both_trained and (judge, made) in through
        named = both_trained and speaks_of(models[made], "maker") and speaks_of(models[judge], "judge")
        if (mutual or in_turn or named) and not speaks_of(models[made], "actor"):
            places = tuple(trained[name].place for name in (made, judge) if name in trained)
            places = places or _ends(tuple(edge for pair, edge in judged.items() if set(pair) == {made, judge}))
            sure = 1.0 if mutual or in_turn else 0.7
            couples.setdefault(frozenset((made, judge)), Integration(ADVERSARIAL, (made, judge), "", places, sure))
    return tuple(couples.values())


def _teachers(wiring: Wiring) -> Iterator[Integration]:
    known = {model.name: model for model in wiring.models}
    for edge in wiring.edges:
        actor = edge.target in known and speaks_of(known[edge.target], "actor")
        if (edge.kind == SUPERVISES and not actor) or (edge.kind == TRAINS_ON and _told_to_teach(edge)):
            yield _of_edges(TEACHER, (edge.source, edge.target), edge.target, (edge,))
    trained = {(name, fitting.place.file) for fitting in wiring.fittings for name in fitting.models}
    for judge, fitting in judges(wiring).items():
        if (judge, fitting.place.file) not in trained:
            yield Integration(TEACHER, (judge, *fitting.models), "", (fitting.place,), 0.8)


def _told_to_teach(edge: Edge) -> bool:
    """Whether the file, or a model, is named for learning from another model."""
    named = (edge.source, edge.target, edge.at_target.file if edge.at_target else "")
    return bool(all_words(named) & listed("teacher"))


def _of_edges(pattern: str, models: Sequence[str], at: str, edges: Sequence[Edge]) -> Integration:
    return Integration(pattern, tuple(models), at, _ends(edges), min(edge.confidence for edge in edges))


def _ends(edges: Iterable[Edge]) -> tuple[Place, ...]:
    ends = (end for edge in edges for end in (edge.at_source, edge.at_target))
    return tuple(dict.fromkeys(end for end in ends if end))
