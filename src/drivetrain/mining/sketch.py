"""The way back: a repository as a Python module that declares its models as a system, every guess marked."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import networkx as nx

from drivetrain.errors import DeclarationError
from drivetrain.graph.component import RESERVED
from drivetrain.graph.signature import KEY
from drivetrain.mining.aside import put_to_use
from drivetrain.mining.findings import GATES, SELECTS, Edge, Merge, Model, Repository
from drivetrain.mining.flow import Flow, flow
from drivetrain.mining.words import carries

# Names that the sketch itself needs, or that no component may carry.
_TAKEN = RESERVED | {"component", "system", "StandIn", "left_out", "ALTERNATIVES"}
_WIDTH = 100


def sketch(repository: Repository) -> str:
    """The text of a Python module with the components, signatures and ``@system`` function of what was found.

    It imports, draws (``drivetrain show MODULE:SYSTEM``) and shows the integration patterns that were found, but does
    not run: each model and each piece of code is a stand-in that says what to put in its place. Alternatives of a model
    are listed for ``system.replace``. Nothing of the repository's own text becomes code: it stands in comments and
    quoted strings alone.

    Raises:
        DeclarationError: no model was found, so there is nothing to declare.
    """
    topology = flow(put_to_use(repository.wiring))
    if not topology.models:
        raise DeclarationError(
            f"{repository.name}: no model was found, so there is no system to sketch; "
            f"`drivetrain scan` without --sketch says what was read"
        )
    boxes = _boxes(topology)
    taken = {box.name for box in boxes} | _TAKEN
    name = _fresh(_identifier(repository.name.rsplit("/", 1)[-1], "found"), taken, "system")
    return "\n".join([*_heading(repository, name), *_components(boxes), *_alternatives(boxes), *_body(name, boxes)])


@dataclass
class _Box:
    """One component of the sketch."""

    name: str
    what: tuple[Model, ...] | Merge
    inputs: list[str] = field(default_factory=list)
    output: str = ""
    first: bool = False  # it takes an input of the system
    remarks: list[str] = field(default_factory=list)


def _boxes(topology: Flow) -> list[_Box]:
    taken = set(_TAKEN)
    boxes: dict[str, _Box] = {}
    for node in nx.lexicographical_topological_sort(topology.graph, key=list(topology.graph).index):
        what = topology.models.get(node) or topology.merges[node]
        wish = _identifier(node, "model") if isinstance(what, tuple) else _identifier(what.what.split("(")[0], "merge")
        boxes[node] = _Box(_fresh(wish, taken, "model" if isinstance(what, tuple) else "code"), what)
        taken.add(boxes[node].name)
    _name_edges(topology, boxes)
    for edge in (*topology.control, *topology.loops):
        boxes[edge.source].remarks.append(_remark(edge, boxes[edge.target].name))
    return list(boxes.values())


def _name_edges(topology: Flow, boxes: dict[str, _Box]) -> None:
    """Names for what goes in and out; a component's name is no edge's, as both stand in the body of the system."""
    taken = {box.name for box in boxes.values()} | {KEY}
    inputs: dict[str, str] = {}
    for node, box in boxes.items():
        before = list(topology.graph.predecessors(node))
        if not before and isinstance(box.what, tuple):
            wish = carries(box.what[0])[0]
            inputs.setdefault(wish, _fresh(wish, taken, "in"))
            box.inputs, box.first = [inputs[wish]], True
    taken |= set(inputs.values())
    for node, box in boxes.items():
        box.inputs = box.inputs or [boxes[before].output for before in topology.graph.predecessors(node)]
        made = carries(box.what[0])[1] if isinstance(box.what, tuple) else "merged"
        plain = made != "outputs" and made not in taken
        box.output = made if plain else _fresh(f"{box.name}_{made}", taken, "again")
        taken.add(box.output)


def _remark(edge: Edge, target: str) -> str:
    place = f" ({edge.at_target})" if edge.at_target else ""
    if edge.kind not in (GATES, SELECTS):
        return f"its output goes back to {target} at the next step{place}; a diagram has no loops"
    return f"its output decides whether {target} runs{place}; in the diagram {target} always runs"


def _heading(repository: Repository, name: str) -> list[str]:
    found = [
        f"* {found.pattern}: {', '.join(found.models)}" + (f" at {found.at}" if found.at else "")
        for found in repository.integrations
    ]
    title = f"How the models of {repository.name} work together: a sketch, read off the code; nothing of it was run."
    lines = [
        title,
        "",
        "Every line that ends in `# guess` is one. Put models and functions in the places of StandIn and",
    ]
    lines += [f"left_out; until then {name} can be drawn, not run.", "", "Found:", *(found or ["* no pattern"])]
    text = [f"# {_one_line(line)}".rstrip() for line in lines]
    imports = ["from drivetrain import component, system", "from drivetrain.mining.stand_in import StandIn, left_out"]
    return [*text, "", *imports]


def _components(boxes: Iterable[_Box]) -> list[str]:
    lines = []
    for box in boxes:
        lines += ["", *(f"# {_one_line(remark)}" for remark in [*_known(box), *box.remarks])]
        lines += [f"{box.name} = component(", *_arguments(box, _stand_in(box.what), "    "), ")"]
    return lines


def _arguments(box: _Box, stand_in: str, indent: str) -> list[str]:
    signature = f"{', '.join(box.inputs)} -> {box.output}"
    parts = (f"{json.dumps(box.name)},", f"{stand_in},", f"{json.dumps(signature)},  # guess")
    return [indent + part for part in parts]


def _known(box: _Box) -> list[str]:
    if isinstance(box.what, Merge):
        return [f"{box.what.place}: {box.what.what}"]
    model = box.what[0]
    said = [f"{model.place}: {model.maker}"]
    said += [f"does: {model.task}"] if model.task else []
    said += [f"runs in {', '.join(map(str, model.uses[:5]))}"] if model.uses else []
    return said + ([f"a guess: it may be no model ({model.confidence:.0%} sure)"] if model.confidence < 0.5 else [])


def _stand_in(what: tuple[Model, ...] | Merge) -> str:
    if isinstance(what, Merge):
        return f"left_out({_quoted(what.what)}, {_quoted(str(what.place))})"
    return _of_model(what[0])


def _of_model(model: Model) -> str:
    maker = f"{model.maker}({model.weights!r})" if model.weights else f"{model.maker}(...)"
    return f"StandIn({_quoted(maker)}, {_quoted(str(model.place))})"


def _alternatives(boxes: Iterable[_Box]) -> list[str]:
    slots = [(box, box.what[1:]) for box in boxes if isinstance(box.what, tuple) and len(box.what) > 1]
    if not slots:
        return []
    lines = ["", "# Interchangeable: any of these can come in the place of that name, SYSTEM.replace(PLACE=...)."]
    lines.append("ALTERNATIVES = {")
    for box, others in slots:
        lines.append(f"    {json.dumps(box.name)}: {{")
        for other in others:
            lines += [f"        {_quoted(other.name)}: component(", *_arguments(box, _of_model(other), " " * 12)]
            lines.append("        ),")
        lines.append("    },")
    return [*lines, "}"]


def _body(name: str, boxes: Sequence[_Box]) -> list[str]:
    inputs = dict.fromkeys(box.inputs[0] for box in boxes if box.first)
    used = {edge for box in boxes for edge in box.inputs}
    returned = [box.output for box in boxes if box.output not in used]
    lines = ["", "", "@system", f"def {name}({', '.join(inputs)}):  # guess"]
    lines += [f"    {box.output} = {box.name}({', '.join(box.inputs)})" for box in boxes]
    return [*lines, f"    return {', '.join(returned)}", ""]


def _identifier(text: str, otherwise: str) -> str:
    """A name that Python accepts, as near to a text as can be."""
    name = re.sub(r"\W+", "_", text.rsplit(".", 1)[-1] if "(" not in text else "", flags=re.ASCII).strip("_").lower()
    if not name or keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return otherwise
    return name if not name[0].isdigit() else f"{otherwise}_{name}"


def _fresh(wish: str, taken: Iterable[str], suffix: str) -> str:
    taken, name, count = set(taken), wish, 2
    if name in taken:
        name = f"{wish}_{suffix}"
    while name in taken:
        name, count = f"{wish}_{suffix}_{count}", count + 1
    return name


def _one_line(text: str) -> str:
    """A text as part of a comment: printable, without any kind of line break."""
    return "".join(letter if letter.isprintable() else " " for letter in " ".join(text.split()))


def _quoted(text: str) -> str:
    """A text as a string of Python, shortened."""
    plain = _one_line(text)
    return json.dumps(plain if len(plain) <= _WIDTH else f"{plain[:_WIDTH]}...")
