"""What serves training alone, or stands inside a network, is no part of the system that is put to use."""

from __future__ import annotations

import ast
from dataclasses import replace

from drivetrain.mining.aside import put_to_use
from drivetrain.mining.findings import Place, Source
from tests.mining.findings import edge, fitting, merge, model, wiring

TRAIN = """
class Net(nn.Module):
    def __init__(self):
        self.trunk = resnet()

def run(batch):
    return net(batch)

def step(batch):
    made = net(batch)
    verdict = critics(made)
    (one(made) + two(made)).backward()
"""
SOURCE = Source("train.py", ast.parse(TRAIN), 13)


def used(name: str, line: int, **more):
    return model(name, uses=(Place("train.py", line),), **more)


def kept(*parts) -> set[str]:
    return {one.name for one in put_to_use(wiring(*parts), [SOURCE]).models}


def test_a_model_that_runs_only_where_another_is_trained_judges_it():
    parts = (used("net", 7), used("teacher", 11), edge("net -> teacher"))
    assert kept(*parts) == {"net"}
    assert kept(used("net", 7), used("teacher", 7), edge("net -> teacher")) == {"net", "teacher"}


def test_models_that_are_trained_together_stay():
    parts = (used("net", 10), used("decoder", 11), edge("net -> decoder"))
    assert kept(*parts, fitting("net", "decoder")) == {"net", "decoder"}
    assert kept(*parts, fitting("net")) == {"net"}


def test_losses_and_the_layers_of_a_network_are_left_out():
    layer = replace(model("trunk"), place=Place("train.py", 4))
    assert kept(model("net"), model("face_loss"), layer) == {"net"}
    assert kept(model("net"), replace(layer, loaded=True)) == {"net", "trunk"}


def test_what_comes_together_in_training_is_a_loss_and_no_merge():
    parts = ("one two", replace(merge("one, two"), place=Place("train.py", 12)))
    assert put_to_use(wiring(*parts), [SOURCE]).merges == ()
    assert len(put_to_use(wiring("one two", merge("one, two")), [SOURCE]).merges) == 1


def test_where_nothing_would_be_left_everything_stays():
    assert kept(model("loss")) == {"loss"}
