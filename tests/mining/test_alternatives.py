"""Which models are taken for interchangeable, and which are not."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from drivetrain.mining.alternatives import with_slots
from drivetrain.mining.findings import Model, Place, Source
from tests.mining.findings import edge, wiring


def slots(code: str, *edges) -> dict[str, str]:
    """The slots of the models that calls of ``Name(...)`` with a capital letter build; the file is ``main.py``."""
    tree = ast.parse(code)
    found: dict[str, Model] = {}
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for node in ast.walk(tree):
        name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        if name.istitle() and name not in own:
            found[name.lower()] = Model(name.lower(), Place("main.py", node.lineno), name)
    models = wiring(*found.values(), *edges)
    known = with_slots(models, [Source("main.py", tree, len(code.splitlines()))])
    return {model.name: model.slot for model in known.models if model.slot}


BRANCHES = """
if fast:
    detector = Yolo()
elif small:
    detector = Ssd()
else:
    other = Rcnn()
"""

METHODS = """
class Face:
    def keras(self):
        self.net = Keras()
    def lite(self):
        self.net = Lite()
"""

RETURNS = """
def load(kind):
    if kind == "a":
        return First()
    return Second()
"""

WRAPPERS = """
class Fast:
    def __init__(self):
        self.net = Yolo()
class Slow:
    def __init__(self):
        self.net = make()
def make():
    return Rcnn()
eye = Fast() if hurry else Slow()
"""

TABLE = """
class A:
    def __init__(self):
        self.net = Yolo()
class B(A):
    pass
class C:
    def __init__(self):
        self.net = Rcnn()
KINDS = {"b": B, "c": C}
eye = KINDS[config.kind]()
"""

SUBCLASSES = """
class Base: pass
class A(Base):
    def load(self):
        return Yolo()
class B(Base):
    def load(self):
        return Rcnn()
choices = {kind.name: kind for kind in Base.__subclasses__()}
"""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (BRANCHES, {"yolo": "detector", "ssd": "detector", "rcnn": "detector"}),
        ("if a:\n    one = Yolo()\nelse:\n    other = Rcnn()", {"yolo": "one", "rcnn": "one"}),
        (METHODS, {"keras": "net", "lite": "net"}),
        (RETURNS, {"first": "load", "second": "load"}),
        (WRAPPERS, {"yolo": "eye", "rcnn": "eye"}),
        (TABLE, {"yolo": "kinds", "rcnn": "kinds"}),
        (SUBCLASSES, {"yolo": "base", "rcnn": "base"}),
        ("try:\n    net = Gpu()\nexcept RuntimeError:\n    net = Cpu()", {"gpu": "net", "cpu": "net"}),
        (
            "match kind:\n    case 1:\n        net = One()\n    case 2:\n        net = Two()",
            {"one": "net", "two": "net"},
        ),
    ],
)
def test_one_of_several_that_take_one_place_is_chosen(code, expected):
    assert slots(code) == expected


@pytest.mark.parametrize(
    "code",
    [
        "net = Yolo()\nnet = Rcnn()",
        "if a:\n    one = Yolo()\n    two = Ssd()\nelse:\n    other = Rcnn()",
        "if a:\n    net = Yolo()\nif b:\n    net = Rcnn()",
        "def f():\n    net = Yolo()\ndef g():\n    net = Rcnn()",
        TABLE + 'first = KINDS["b"]()\nsecond = KINDS["c"]()',
    ],
)
def test_models_that_can_serve_together_are_not_interchangeable(code):
    assert slots(code) == {}


def test_models_of_which_one_feeds_the_other_are_not_interchangeable():
    code = "if a:\n    net = Yolo()\nelse:\n    net = Ssd()"
    assert slots(code) == {"yolo": "net", "ssd": "net"}
    assert slots(code, edge("yolo -> ssd")) == {}


def test_a_slot_that_is_known_stays():
    models = [Model(name, Place("main.py", line), name) for name, line in (("yolo", 3), ("ssd", 5))]
    known = replace(models[0], slot="eye")
    tree = ast.parse(BRANCHES)
    found = with_slots(wiring(known, models[1]), [Source("main.py", tree, 7)])
    assert [model.slot for model in found.models] == ["eye", "detector"]
