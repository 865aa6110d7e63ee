"""How well a scan reads repositories that a person has answered by hand: models, edges, patterns, training.

The answers stand in ``benchmarks/scan_answers``; the repositories are clones or checkouts of those that the answers
name, as ``FOLDER/owner+name`` (``--repositories``), and are read at the commit of the answer. Nothing of them is run.

    python -m benchmarks.scan_accuracy --repositories clones --answers benchmarks/scan_answers/third.json

Every figure has the interval that holds 95 of 100 draws of as many repositories from those answered, with replacement.
One row grades the answers themselves as if a scan had found them: models on neighbouring lines pass for each other,
so even they are not all right, and no scan can be expected to be above.
Speed is lines of code for each second of this process's own time; beside it stands what parsing the same files with
``ast`` alone takes on this machine, since machines differ by more than two.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.scan_grading import grade, itself, near, places
from drivetrain.graph.topology import FORKING, JOINING, SEQUENTIAL
from drivetrain.mining import beyond
from drivetrain.mining.findings import Model, Place, Repository
from drivetrain.mining.git import is_repository
from drivetrain.mining.scan import scan
from drivetrain.mining.study_list import Entry, brought

# The grader's words for ours.
PAPER = {SEQUENTIAL: "sequential", JOINING: "joining_parallel", FORKING: "forking_parallel"}
BEYOND = {
    beyond.ALTERNATIVES: "interchangeable_alternatives",
    beyond.ROUTING: "conditional_routing",
    beyond.FEEDBACK_LOOP: "feedback_loop",
    beyond.INDEPENDENT: "independent_parallel",
    beyond.TRAINED_ON_OUTPUT: "train_on_model_output",
    beyond.CASCADE: "cascade_filter",
    beyond.VOTING: "voting_ensemble",
    beyond.SAFEGUARD: "safeguard_gate",
    beyond.SHARED_BACKBONE: "shared_backbone_multi_head",
    beyond.ADVERSARIAL: "adversarial_training",
    beyond.TEACHER: "teacher_student",
    beyond.FALLBACK: "fallback",
}
ANSWERS = Path(__file__).parent / "scan_answers"


def prediction(repository: Repository) -> dict[str, Any]:
    """What a scan found, in the form that the grader reads.

    The grader takes one place of a model, and we may know several (the helper that builds it, the line that asks for
    it): each is handed over under a name of its own, with all edges.
    """
    models = {model.name: _named_places(model) for model in repository.wiring.models if model.main}
    found = {integration.pattern for integration in repository.integrations}
    return {
        "models": [
            {"id": name, "file": place.file, "line": place.line}
            for places in models.values()
            for name, place in places.items()
        ],
        "edges": [
            [source, target, edge.kind]
            for edge in repository.wiring.edges
            for source in models.get(edge.source, ())
            for target in models.get(edge.target, ())
        ],
        "patterns": [word for pattern, word in PAPER.items() if pattern in found],
        "beyond": [word for pattern, word in BEYOND.items() if pattern in found],
        "training_scope": repository.training.scope,
        "has_training_code": repository.training.code,
    }


def _named_places(model: Model) -> dict[str, Place]:
    return {f"{model.name}@{place}": place for place in (model.place, *model.also)}


def precision(repositories: dict[str, Repository], answers: list[dict[str, Any]]) -> tuple[int, int]:
    """How many of the models found stand at a place that the answers know, and how many were found."""
    right = total = 0
    for answer in answers:
        known = set().union(*places(answer).values())
        for model in repositories[answer["repo"]].wiring.models:
            if model.main:
                total += 1
                right += any(near(one.file, one.line, known) for one in (model.place, *model.also))
    return right, total


def read(answer: dict[str, Any], repositories: Path) -> tuple[Repository, float, float]:
    """What a scan finds in the repository of an answer, and this process's seconds for it and for parsing alone."""
    folder = repositories / answer["repo"].replace("/", "+")
    clone = next((one for one in (folder, folder / "repo") if is_repository(one)), None)
    entry = Entry(answer["repo"], str(clone), answer["commit"]) if clone else Entry(answer["repo"], str(folder))
    with brought(entry) as files:
        start = time.process_time()
        found = scan(files, name=answer["repo"]).repository
        return found, time.process_time() - start, parsing(files)


def parsing(files: Path) -> float:
    """The seconds of this process that Python's own parser takes for the scripts in a folder."""
    texts = [file.read_bytes() for file in files.rglob("*.py") if file.is_file() and not file.is_symlink()]
    start = time.process_time()
    for text in texts:
        with contextlib.suppress(SyntaxError, ValueError):
            ast.parse(text)
    return time.process_time() - start


def main() -> int:
    """Scan, grade, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repositories", type=Path, required=True, help="folder of clones, owner+name each")
    options.add_argument("--answers", type=Path, nargs="+", default=sorted(ANSWERS.glob("*.json")), help="[all]")
    options.add_argument("--resamples", type=int, default=200, help="draws of repositories [%(default)s]")
    options.add_argument("-v", "--verbose", action="store_true", help="print what was found in each repository")
    chosen = options.parse_args()

    answers = [one for file in chosen.answers for one in json.loads(file.read_text())["repos"]]
    folders = {answer["repo"]: chosen.repositories / answer["repo"].replace("/", "+") for answer in answers}
    missing = [str(folder) for folder in folders.values() if not folder.is_dir()]
    if missing:
        options.error(f"no clone at: {', '.join(missing)}")
    repositories, lines, seconds, parsed = {}, 0, 0.0, 0.0
    for answer in answers:
        found, took, alone = read(answer, chosen.repositories)
        repositories[answer["repo"]] = found
        seconds += took
        parsed += alone
        lines += found.lines
        if chosen.verbose:
            show(found)
    predictions = {name: prediction(found) for name, found in repositories.items()}

    def graded(some: list[dict[str, Any]]) -> dict[str, float | None]:
        perfect = grade({answer["repo"]: itself(answer) for answer in some}, some)
        return figures(grade(predictions, some), perfect, repositories, some)

    shown = graded(answers)
    chance = random.Random(0)
    drawn = [graded(chance.choices(answers, k=len(answers))) for _ in range(chosen.resamples)]
    print(f"{len(answers)} repositories, {len([m for a in answers for m in a['models']])} models answered by hand\n")
    print(f"{'':58s} {'must':>6s} {'stretch':>8s} {'found':>6s}  interval")
    for name, (must, stretch) in ROWS.items():
        known = sorted(value for one in drawn if (value := one[name]) is not None)
        low, high = (known[int(0.025 * len(known))], known[int(0.975 * len(known))]) if known else (None, None)
        interval = f"{_number(low)} to {_number(high)}" if known and shown[name] is not None else ""
        print(f"{name:58s} {must:>6s} {stretch:>8s} {_number(shown[name]):>6s}  {interval}")
    print(f"\n{lines} lines in {seconds:.1f} s: {lines / seconds:.0f} lines a second (must 10000, stretch 20000)")
    print(
        f"parsing their scripts with ast alone takes {parsed:.1f} s here; a scan {seconds / parsed:.1f} times as long"
    )
    return 0


# The figures, each with what is asked of it.
ROWS = {
    "models: recall": (".80", ".90"),
    "models: at a place that the answers know (a lower bound)": (".80", ".90"),
    "edges through memory: recall": (".60", ".75"),
    "edges between models answered: precision": (".80", ".90"),
    "  the same, of the answers themselves handed in": ("", ""),
    "  the same, each place as its nearest answer alone": ("", ""),
    "edges through files, queues, databases: recall": (".25", ".45"),
    "gates, feedback, training edges: recall": ("", ""),
    "patterns of the paper: macro F1": (".75", ".85"),
    "  sequential: F1": ("", ""),
    "  joining parallel: F1": ("", ""),
    "  forking parallel: F1": ("", ""),
    "none of the three: recognised": (".80", ".90"),
    "patterns beyond the paper: F1": (".40", ".60"),
    "scope of training: accuracy": (".70", ".85"),
    "training code or not: accuracy": ("", ""),
}


def figures(
    graded: dict[str, Any],
    perfect: dict[str, Any],
    repositories: dict[str, Repository],
    answers: list[dict[str, Any]],
) -> dict[str, float | None]:
    """What the grader says of a scan and of a perfect one, and the share of models found that are answered, by row."""
    right, total = precision(repositories, answers)
    pattern = graded["pattern_F1"]
    values = (
        graded["model_slot_recall"],
        right / total if total else None,
        graded["edge_recall"],
        graded["edge_precision_between_labelled_models"],
        perfect["edge_precision_between_labelled_models"],
        graded["edge_precision_by_nearest"],
        graded["edge_recall_hard"],
        graded["control_edge_recall"],
        graded["pattern_macro_F1"],
        pattern["sequential"],
        pattern["joining_parallel"],
        pattern["forking_parallel"],
        graded["none_correct"],
        graded["beyond_F1"],
        graded["training_scope_accuracy"],
        graded["training_code_accuracy"],
    )
    return dict(zip(ROWS, values, strict=True))


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def show(repository: Repository) -> None:
    """What was found, for a person who looks for what is missing."""
    print(f"\n== {repository.name}: {repository.lines} lines, training {repository.training.scope}")
    for model in repository.wiring.models:
        also = f" also {', '.join(map(str, model.also))}" if model.also else ""
        slot = f" slot {model.slot}" if model.slot else ""
        print(f"  {'' if model.main else '(aside) '}{model.name} {model.place} {model.maker}{slot}{also}")
    for edge in repository.wiring.edges:
        ends = f"{edge.at_source} {edge.at_target} {edge.confidence}"
        print(f"  {edge.source} -> {edge.target} {edge.kind} {edge.medium} {ends}")
    for merge in repository.wiring.merges:
        print(f"  merge {', '.join(merge.models)} at {merge.place} {merge.what!r} into {merge.into}")
    for fitting in repository.wiring.fittings:
        print(f"  {fitting}")
    for found in repository.integrations:
        print(f"  * {found.pattern}: {', '.join(found.models)} {found.at}")


if __name__ == "__main__":
    sys.exit(main())
