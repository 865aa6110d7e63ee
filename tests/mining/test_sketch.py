"""The way back: the sketch of what was found imports as it is, draws, and says what is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from drivetrain import component
from drivetrain.errors import ComponentError, DeclarationError
from drivetrain.mining.findings import FEEDBACK, GATES, Merge, Place, Repository
from drivetrain.mining.sketch import sketch
from drivetrain.mining.topology import integrations
from tests.mining.findings import edge, merge, model, wiring


def repository(*parts, name="owner/plate-reader", **slots) -> Repository:
    found = wiring(*parts, **slots)
    return Repository(name, wiring=found, integrations=integrations(found))


def loaded(text: str):
    """What a sketch defines; it is our own text."""
    names: dict = {}
    exec(compile(text, "sketch.py", "exec"), names)
    return names


def declared(*parts, **more):
    names = loaded(sketch(repository(*parts, **more)))
    (system,) = [value for value in names.values() if type(value).__name__ == "System"]
    return system


PLATES = (
    model(
        "cars", maker="ultralytics.YOLO", task="object detection", weights="yolov8n.pt", uses=(Place("main.py", 39),)
    ),
    model("plates", maker="ultralytics.YOLO", task="object detection"),
    model("ocr", maker="easyocr.Reader"),
    edge("plates -> ocr"),
    edge("cars -> ocr", GATES),
    merge("cars, plates", what="get_car(plate, tracks)", line=47),
)


def test_the_sketch_has_the_components_and_the_patterns_that_were_found():
    system = declared(*PLATES)
    assert system.name == "plate_reader"
    assert system.inputs == ("image",)
    assert set(system.models) == {"cars", "plates", "ocr"}
    assert {str(found) for found in system.patterns} == {
        "joining parallel: cars, plates -> get_car",
        "sequential: plates -> ocr",
    }


def test_the_sketch_says_where_everything_stands_and_marks_every_guess():
    text = sketch(repository(*PLATES))
    assert "ultralytics.YOLO('yolov8n.pt')" in text
    assert "# runs in main.py:39" in text
    assert "# main.py:47: get_car(plate, tracks)" in text
    assert "# its output decides whether ocr runs (main.py:20); in the diagram ocr always runs" in text
    assert "# * joining parallel: cars, plates at main.py:47" in text
    for line in text.splitlines():
        if "->" in line and not line.startswith("#"):
            assert line.endswith("# guess")


def test_running_a_sketch_says_what_to_put_where():
    system = declared(*PLATES)
    with pytest.raises(ComponentError, match=r"no model here yet: ultralytics.YOLO.* of main.py:\d+ belongs"):
        system("picture")
    with pytest.raises(ComponentError, match=r"no code here yet: get_car\(plate, tracks\) of main.py:47 belongs"):
        system.component("get_car")(1, 2)


def test_a_filled_sketch_runs():
    system = declared(*PLATES)
    answers = {"cars": lambda _: "car", "plates": lambda _: "plate", "ocr": lambda _: "AB 12", "get_car": lambda *x: x}
    parts = {name: component(name, run, str(system.component(name).signature)) for name, run in answers.items()}
    assert system.replace(**parts)("picture") == ("AB 12", ("car", "plate"))


def test_alternatives_can_take_each_others_place():
    names = loaded(sketch(repository("eye svm tree", edge("eye -> svm"), edge("eye -> tree"), svm="sign", tree="sign")))
    other = names["plate_reader"].replace(svm=names["ALTERNATIVES"]["svm"]["tree"])
    assert other.component("svm").thing.maker == "nets.Tree(...)"


def test_feedback_stands_beside_the_diagram():
    text = sketch(repository("a b", edge("a -> b"), edge("b -> a", FEEDBACK)))
    assert "# its output goes back to a at the next step (main.py:20); a diagram has no loops" in text
    assert loaded(text)["plate_reader"].models == ("a", "b")


def test_names_that_python_or_a_system_needs_are_given_others():
    names = "class trace text system 2nd plate_reader ünï"
    system = declared(names, edge("class -> trace"), edge("text -> system"))
    assert len(system.models) == 7
    assert system.name == "plate_reader_system"


def test_an_edge_never_hides_a_component_of_the_same_name():
    parts = (model("boxes", task="object detection"), model("image", task="segmentation"), edge("image -> boxes"))
    assert declared(*parts).models == ("image", "boxes")


@pytest.mark.parametrize(
    "evil", ['"); import os  #', "'''", "x\nimport os", "x\rimport os", "x\u2028y", "\\", "{", "\x0c"]
)
def test_text_of_the_repository_never_becomes_code(evil):
    parts = (
        model("a", maker=f"nets.{evil}", task=evil, weights=evil),
        model(f"b{evil}"),
        Merge(Place(f"{evil}.py", 3), ("a", f"b{evil}"), what=f"f{evil}(x)"),
    )
    names = loaded(sketch(repository(*parts, name=f"owner/{evil}")))
    assert "os" not in names
    assert sum(type(value).__name__ == "System" for value in names.values()) == 1


def test_a_repository_without_models_has_no_sketch():
    with pytest.raises(
        DeclarationError, match="owner/plate-reader: no model was found, so there is no system to sketch"
    ):
        sketch(repository())


def test_the_sketch_draws_in_a_new_process(tmp_path):
    (tmp_path / "plates.py").write_text(sketch(repository(*PLATES)))
    shown = subprocess.run(
        [sys.executable, "-c", "from drivetrain.cli import main; main()", "show", "plates:plate_reader"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "joining parallel: cars, plates -> get_car" in shown.stdout
