"""What a scan found, as the grader of hand-made answers reads it."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.scan_accuracy import BEYOND, PAPER, prediction
from drivetrain.mining import beyond
from drivetrain.mining.findings import GATES, Place, Repository, Training
from drivetrain.mining.topology import integrations
from tests.mining.findings import edge, model, wiring


def test_every_pattern_has_a_word_of_the_graders():
    assert set(BEYOND) == set(beyond.BEYOND)
    assert len({*BEYOND.values(), *PAPER.values()}) == len(BEYOND) + len(PAPER)


def test_every_place_of_a_model_is_handed_over_with_all_edges():
    camera = replace(model("camera"), place=Place("main.py", 3), also=(Place("load.py", 7),))
    reader = replace(model("reader"), place=Place("main.py", 5))
    found = wiring(camera, reader, model("demo", main=False), edge("camera -> reader"), edge("camera -> reader", GATES))
    told = prediction(
        Repository("o/n", wiring=found, integrations=integrations(found), training=Training("individual", code=True))
    )
    assert [(one["file"], one["line"]) for one in told["models"]] == [("main.py", 3), ("load.py", 7), ("main.py", 5)]
    assert told["edges"] == [
        ["camera@main.py:3", "reader@main.py:5", "feeds"],
        ["camera@load.py:7", "reader@main.py:5", "feeds"],
        ["camera@main.py:3", "reader@main.py:5", "gates"],
        ["camera@load.py:7", "reader@main.py:5", "gates"],
    ]
    assert (told["patterns"], told["beyond"]) == (["sequential"], [])
    assert (told["training_scope"], told["has_training_code"]) == ("individual", True)
