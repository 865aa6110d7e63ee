"""How the scope of training is read off the places where weights change."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from drivetrain.mining.findings import TRAINS_ON, Place, Source, Training
from drivetrain.mining.training import training
from tests.mining.findings import edge, fitting, merge, model, wiring


def test_no_fitting_is_no_training():
    assert training(wiring("a b")) == Training()


def test_models_that_are_fitted_each_by_its_own_loss_are_trained_individually():
    found = training(wiring("a b", fitting("a"), fitting("b", line=60)))
    assert (found.scope, found.patterns, found.code) == ("individual", ("individual",), True)
    assert [str(place) for place in found.evidence] == ["train.py:50", "train.py:60"]


def test_one_loss_that_moves_several_models_trains_the_pipeline_simultaneously():
    found = training(wiring("a b", edge("a -> b"), fitting("a", "b")))
    assert (found.scope, found.patterns) == ("pipeline", ("simultaneous end-loss",))


def test_one_loop_for_models_that_never_meet_trains_each_of_them_individually():
    assert training(wiring("a b", fitting("a", "b"))).scope == "individual"
    assert training(wiring("a b", merge("a, b"), fitting("a", "b"))).scope == "pipeline"


def test_a_model_that_judges_and_stays_as_it_is_makes_a_partial_end_loss():
    feed = replace(edge("maker -> expert"), at_target=Place("train.py", 40))
    parts = (model("maker"), model("expert", uses=(Place("train.py", 40),)), feed, fitting("maker"))
    assert training(wiring(*parts)).patterns == ("partial end-loss",)
    assert training(wiring(*parts, fitting("expert", line=60))).scope == "individual"


def test_one_loss_that_moves_alternatives_of_one_slot_is_individual():
    assert training(wiring("a b", fitting("a", "b"), a="slot", b="slot")).scope == "individual"


def test_a_loss_through_a_model_that_stays_as_it_is_is_partial():
    found = training(wiring("a b", fitting("a", through=("b",))))
    assert (found.scope, found.patterns) == ("pipeline", ("partial end-loss",))


def test_models_trained_in_turn_through_each_other_alternate():
    found = training(wiring("a b", fitting("a", through=("b",)), fitting("b", through=("a",))))
    assert (found.scope, found.patterns) == ("pipeline", ("alternating end-loss",))


def test_the_judge_of_a_generator_is_not_trained_individually_beside_it():
    found = training(wiring("maker judge", fitting("maker", through=("judge",)), fitting("judge")))
    assert (found.scope, found.patterns) == ("pipeline", ("alternating end-loss",))


def test_both_kinds_are_mixed_and_staged():
    found = training(wiring("a b", edge("a -> b"), fitting("a", file="pretrain.py"), fitting("a", "b")))
    assert (found.scope, found.staged) == ("mixed", True)
    assert found.patterns == ("individual", "simultaneous end-loss")


def test_outputs_as_training_data_are_said():
    assert training(wiring("a b", edge("a -> b", TRAINS_ON), fitting("b"))).on_outputs
    assert training(wiring("a b", fitting("b", data_from=("a",)))).on_outputs
    assert not training(wiring("a b", fitting("b"))).on_outputs


@pytest.mark.parametrize("file", ["tests/train.py", "test_model.py", "pkg/model_test.py"])
def test_training_in_tests_does_not_count(file):
    assert training(wiring("a", fitting("a", file=file))).scope == "none"


@pytest.mark.parametrize(
    ("code", "scope"),
    [
        ("loss.backward(); optimizer.step()", "individual"),
        ("loss.backward()", "none"),
        ("env.step(action)", "none"),
        ("clf.fit(X, y)", "individual"),
        ("self.scaler.fit(X)", "none"),
        ("model.train_on_batch(X, y)", "individual"),
        ("plot.fit(X, y)", "none"),
    ],
)
def test_training_code_of_an_unknown_model_counts_where_it_is_sure(code, scope):
    source = Source("train.py", ast.parse(code), 1)
    assert training(wiring("a"), [source]).scope == scope
