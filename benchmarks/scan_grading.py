"""Grades what a scan found in repositories against what a person answered about them.

A model found counts for an answer if it stands in the same file, at most three lines away; answers of one ``slot`` are
one model. An edge found counts if both its ends do. An edge between answered models is right if the answers have it, or
a way along their edges. Patterns that an answer calls acceptable neither count for nor against.
"""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

PAPER = ("sequential", "joining_parallel", "forking_parallel")
NO_PATTERN = {"single_model", "no_model"}
TOLERANCE = 3  # lines
CONTROL = ("gates", "selects", "feedback", "trains_on", "supervises")

Answer = dict[str, Any]
Prediction = dict[str, Any]


def grade(predictions: dict[str, Prediction], answers: list[Answer]) -> dict[str, Any]:
    """Every figure over the repositories answered, by name; None where nothing was asked."""
    counts: Counter[str] = Counter()
    for answer in answers:
        found = predictions[answer["repo"]]
        counts.update(_models_and_edges(found, answer))
        counts.update(_patterns(found, answer))
        counts["repos"] += 1
        counts["scope"] += found["training_scope"] == answer["training"]["scope_class"]
        counts["code"] += found["has_training_code"] == answer["training"]["training_code"]
    f1 = {name: _f1(counts, name) for name in PAPER}
    return {
        "repos": counts["repos"],
        "model_slot_recall": _share(counts, "models found", "models"),
        "edge_recall": _share(counts, "edges found", "edges"),
        "edge_recall_hard": _share(counts, "hard edges found", "hard edges"),
        "edge_precision_between_labelled_models": _share(counts, "predicted edges right", "predicted edges"),
        "edge_precision_by_nearest": _share(counts, "edges by nearest right", "edges by nearest"),
        "control_edge_recall": _share(counts, "control edges found", "control edges"),
        "pattern_F1": f1,
        "pattern_macro_F1": sum(value or 0.0 for value in f1.values()) / len(PAPER),
        "none_correct": _share(counts, "none right", "none"),
        "beyond_F1": _f1(counts, "beyond"),
        "training_scope_accuracy": _share(counts, "scope", "repos"),
        "training_code_accuracy": _share(counts, "code", "repos"),
    }


def places(answer: Answer) -> dict[str, set[tuple[str, int]]]:
    """Slot -> the places where its models are made."""
    found: dict[str, set[tuple[str, int]]] = {}
    for model in answer["models"]:
        for place in (model["loaded_at"], *model.get("also_at", ())):
            file, _, line = place.rpartition(":")
            found.setdefault(model.get("slot") or model["id"], set()).add((file, int(line)))
    return found


def itself(answer: Answer) -> Prediction:
    """An answer as a prediction: each model at the one place where the pipeline loads it, each edge once."""
    at = {model["id"]: model["loaded_at"].rpartition(":") for model in answer["models"]}
    return {
        "models": [{"id": name, "file": file, "line": int(line)} for name, (file, _, line) in at.items()],
        "edges": [
            [edge["from"], edge["to"], edge["kind"]]
            for edge in answer["edges"]
            if {edge["from"], edge["to"]} <= set(at)
        ],
        "patterns": answer["patterns"]["paper"],
        "beyond": answer["patterns"]["beyond"],
        "training_scope": answer["training"]["scope_class"],
        "has_training_code": answer["training"]["training_code"],
    }


def near(file: str, line: int, known: set[tuple[str, int]]) -> bool:
    """Whether a line is one of those, give or take three."""
    return any(file == other and abs(line - at) <= TOLERANCE for other, at in known)


def _models_and_edges(found: Prediction, answer: Answer) -> Counter[str]:
    known = places(answer)
    slots = {
        model["id"]: {slot for slot, where in known.items() if near(model["file"], model["line"], where)}
        for model in found["models"]
    }
    nearest = {model["id"]: _nearest(model["file"], model["line"], known) for model in found["models"]}
    counts = Counter({"models": len(known), "models found": len(set().union(*slots.values()))})
    predicted: dict[tuple[str, str], set[str]] = {}
    for source, target, kind in found["edges"]:
        for one in slots.get(source, ()):
            for other in slots.get(target, ()):
                predicted.setdefault((one, other), set()).add(kind)
    slot_of = {model["id"]: model.get("slot") or model["id"] for model in answer["models"]}
    answered = set()
    for edge in answer["edges"]:
        pair = (slot_of.get(edge["from"], edge["from"]), slot_of.get(edge["to"], edge["to"]))
        answered.add(pair)
        if not set(pair) <= set(known):
            continue
        if edge["kind"] == "feeds":
            name = "hard edges" if edge.get("hard") else "edges"
            counts[name] += 1
            counts[f"{name} found"] += pair in predicted
        elif edge["kind"] in CONTROL:
            counts["control edges"] += 1
            counts["control edges found"] += edge["kind"] in predicted.get(pair, ())
    ways = _ways(answered)
    for (one, other), kinds in predicted.items():
        if one != other and "feeds" in kinds:
            counts["predicted edges"] += 1
            counts["predicted edges right"] += (one, other) in ways
    for source, target, kind in found["edges"]:
        for one, other in product(nearest[source], nearest[target]) if kind == "feeds" else ():
            counts["edges by nearest"] += one != other
            counts["edges by nearest right"] += one != other and (one, other) in ways
    return counts


def _nearest(file: str, line: int, known: dict[str, set[tuple[str, int]]]) -> list[str]:
    """The slots that a line is nearest to; models built on neighbouring lines are then told apart."""
    close = ((abs(line - at), slot) for slot, where in known.items() for other, at in where if file == other)
    distances = [(distance, slot) for distance, slot in close if distance <= TOLERANCE]
    return sorted({slot for distance, slot in distances if distance == min(distances)[0]})


def _ways(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """All pairs with a way from the one to the other."""
    ways = set(edges)
    while True:
        more = {(a, d) for a, b in ways for c, d in ways if b == c} - ways
        if not more:
            return ways
        ways |= more


def _patterns(found: Prediction, answer: Answer) -> Counter[str]:
    asked = answer["patterns"]
    wanted, told = set(asked["paper"]), set(found["patterns"]) & set(PAPER)
    extra, missing = set(asked["acceptable_extra"]), set(asked["acceptable_missing"])
    counts: Counter[str] = Counter()
    for name in PAPER:
        counts[f"{name} +"] += name in wanted & told
        counts[f"{name} missed"] += name in wanted - told - missing
        counts[f"{name} false"] += name in told - wanted - extra
    counts["none"] += not wanted
    counts["none right"] += not wanted and not told - extra
    beyond, tagged = set(asked["beyond"]) - NO_PATTERN, set(found["beyond"])
    counts["beyond +"] += len(beyond & tagged)
    counts["beyond missed"] += len(beyond - tagged)
    counts["beyond false"] += len(tagged - beyond)
    return counts


def _share(counts: Counter[str], part: str, whole: str) -> float | None:
    return counts[part] / counts[whole] if counts[whole] else None


def _f1(counts: Counter[str], name: str) -> float | None:
    right, wrong = 2 * counts[f"{name} +"], counts[f"{name} missed"] + counts[f"{name} false"]
    return right / (right + wrong) if right + wrong else None
