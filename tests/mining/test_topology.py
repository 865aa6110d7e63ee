"""How patterns of integration are read off models, edges and merges."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from drivetrain.mining.findings import FEEDBACK, GATES, SELECTS, SUPERVISES, TRAINS_ON, Place, Source
from drivetrain.mining.topology import integrations
from tests.mining.findings import edge, fitting, merge, model, wiring

FORMATS = {"net": "load_model", "net_2": "model_from_json"}


def found(*parts, sources=(), **slots) -> dict[str, list[tuple[str, ...]]]:
    patterns: dict[str, list[tuple[str, ...]]] = {}
    for integration in integrations(wiring(*parts, **slots), sources):
        patterns.setdefault(integration.pattern, []).append(integration.models)
    return patterns


def test_a_chain_is_sequential_from_end_to_end():
    assert found("a b c", edge("a -> b"), edge("b -> c")) == {"sequential": [("a", "b", "c")]}


def test_a_skip_connection_is_a_chain_and_neither_fork_nor_join():
    assert found("a b c", edge("a -> b"), edge("b -> c"), edge("a -> c")) == {"sequential": [("a", "b", "c")]}


def test_two_models_behind_one_are_a_fork():
    assert found("a b c", edge("a -> b"), edge("a -> c")) == {"forking parallel": [("b", "c")]}


def test_two_models_merged_by_code_are_a_join_at_that_line():
    (join,) = integrations(wiring("a b", merge("a, b")))
    assert (join.pattern, join.models, join.at) == ("joining parallel", ("a", "b"), "main.py:30")
    assert str(join.evidence[0]) == "main.py:30"


def test_two_models_merged_by_a_model_are_a_join_at_that_model():
    (join,) = integrations(wiring("a b c", edge("a -> c"), edge("b -> c")))
    assert (join.pattern, join.models, join.at) == ("joining parallel", ("a", "b"), "c")


def test_concatenated_for_a_model_they_meet_in_the_model_and_no_chain_is_left():
    patterns = found("a b c", merge("a, b -> c", what="torch.cat([x, y])"))
    assert patterns == {"joining parallel": [("a", "b")]}


def test_what_code_fused_and_a_model_processes_is_a_join_and_a_chain():
    patterns = found("a b c", merge("a, b -> c", what="match_by_bearing(x, y)"))
    assert patterns == {"joining parallel": [("a", "b")], "sequential": [("c",)]}


def test_the_outputs_of_a_chain_that_meet_are_still_a_chain():
    assert found("a b", edge("a -> b"), merge("a, b")) == {"sequential": [("a", "b")]}


def test_outputs_that_had_met_before_are_one_join():
    patterns = found("a b c", merge("a, b", line=30), merge("a, b", line=40), merge("a, b, c", line=50))
    assert patterns == {"joining parallel": [("a", "b"), ("a", "b", "c")]}


def test_interchangeable_models_are_not_parallel():
    patterns = found("a b c d", edge("a -> b"), edge("a -> c"), edge("b -> d"), edge("c -> d"), b="slot", c="slot")
    assert patterns == {"sequential": [("a", "b", "d")], "interchangeable alternatives": [("b", "c")]}


def test_copies_that_one_line_builds_for_several_callers_are_one_model():
    place = Place("load.py", 7)
    copies = [replace(model(name, maker="load"), place=place) for name in ("net", "net_2")]
    parts = (model("eye"), *copies, edge("eye -> net"), edge("eye -> net_2"))
    assert found(*parts) == {"sequential": [("eye", "net")]}


def test_what_one_line_builds_stays_apart_where_one_follows_the_other_or_weights_differ():
    place = Place("load.py", 7)
    coarse, fine = (replace(model(name, maker="load"), place=place) for name in ("coarse", "fine"))
    assert found(coarse, fine, edge("coarse -> fine")) == {"sequential": [("coarse", "fine")]}
    young, old = replace(coarse, weights="young.pt"), replace(fine, weights="old.pt")
    assert found(model("eye"), young, old, edge("eye -> coarse"), edge("eye -> fine")) == {
        "forking parallel": [("coarse", "fine")]
    }


def test_state_that_goes_through_another_file_is_no_loop():
    back = replace(edge("b -> a", FEEDBACK), at_target=Place("window.py", 20))
    assert "feedback loop" not in found("a b", edge("a -> b"), back)


def test_formats_of_one_model_are_one_slot_and_no_alternatives():
    parts = [model(n, maker=f"keras.models.{m}", library="keras", slot="net") for n, m in FORMATS.items()]
    assert found(*parts) == {}


def test_an_output_for_the_next_step_of_another_model_is_no_loop():
    assert "feedback loop" not in found("a b", edge("b -> a", FEEDBACK))


def test_models_with_nothing_between_them_are_independent():
    assert found("a b c") == {"independent parallel": [("a", "b", "c")]}


def test_one_model_shows_no_pattern():
    assert found("a") == {}


def test_models_of_tests_and_examples_do_not_count_beside_those_of_the_system():
    parts = (model("a"), model("b", main=False), edge("a -> b"))
    assert found(*parts) == {}


ON_LABEL = ("label == 'person'",)  # the condition of a gate


def test_a_model_that_only_lets_another_run_is_not_its_source():
    assert found("a b", edge("a -> b", GATES, through=ON_LABEL)) == {"conditional routing": [("a", "b")]}


def test_branches_of_which_one_lets_the_other_run_are_a_cascade_and_no_fork():
    patterns = found("a b c", edge("a -> b"), edge("a -> c"), edge("b -> c", GATES, through=ON_LABEL))
    assert set(patterns) == {"sequential", "cascade"}


def test_a_gate_that_runs_back_does_not_order_branches():
    patterns = found("a b c", edge("a -> b"), edge("a -> c"), edge("b -> a", GATES, through=ON_LABEL))
    assert patterns == {"forking parallel": [("b", "c")]}


@pytest.mark.parametrize(
    ("test", "routes"),
    [
        ("language in supported", True),
        ("names[int(cls)] == 'light'", True),
        ("len(faces) > 0", False),
        ("faces", False),
        ("score > 0.5", False),
        ("args.language == 'en'", False),
        ("label is not None", False),
    ],
)
def test_a_verdict_routes_and_the_presence_of_something_does_not(test, routes):
    code = ["faces = a(image)", f"if {test}:", "    for face in faces:", "        b(face)"]
    source = Source("main.py", ast.parse("\n".join(code)), 4)
    gate = replace(edge("a -> b", GATES), at_target=Place("main.py", 4))
    assert ("conditional routing" in found("a b", edge("a -> b"), gate, sources=(source,))) == routes


def test_one_model_in_two_scripts_is_no_fork():
    second = replace(model("svm_2", maker="load"), place=Place("other.py", 3))
    parts = (model("eye"), model("svm", maker="load"), second, edge("eye -> svm"), edge("eye -> svm_2"))
    assert found(*parts) == {"sequential": [("eye", "svm"), ("eye", "svm_2")]}


def test_what_only_judges_in_training_is_no_part_of_the_topology():
    judges = [model(name, uses=(Place("train.py", 40),)) for name in ("mpd", "msd")]
    parts = (model("generator"), *judges, model("loss"), edge("generator -> mpd"), edge("generator -> msd"))
    assert set(found(*parts, edge("generator -> loss"), fitting("generator"))) == set()
    assert "forking parallel" in found(*parts)


def test_a_class_that_selects_the_next_model_is_a_fork_with_routing():
    parts = (edge("a -> b"), edge("a -> c"), edge("a -> b", SELECTS), edge("a -> c", SELECTS))
    assert found("a b c", *parts) == {"forking parallel": [("b", "c")], "conditional routing": [("a", "b", "c")]}


def test_a_cycle_is_cut_where_it_is_least_sure_and_called_a_feedback_loop():
    patterns = found("a b", edge("a -> b"), edge("b -> a", confidence=0.4))
    assert patterns == {"sequential": [("a", "b")], "feedback loop": [("b", "a")]}
    assert found("a b", edge("a -> b"), edge("b -> a", FEEDBACK)) == patterns


def test_equals_that_are_averaged_are_a_vote():
    models = (model("a", task="tone"), model("b", task="tone"))
    assert "voting ensemble" in found(*models, merge("a, b", what="np.mean([x, y])"))
    assert "voting ensemble" not in found(*models, merge("a, b", what="fuse(x, y)"))
    assert "voting ensemble" not in found("a b", merge("a, b", what="np.mean([x, y])"))


def test_a_safety_checker_guards_what_it_lets_run():
    parts = (model("safety_checker"), model("painter"), edge("safety_checker -> painter", GATES))
    assert found(*parts) == {"safeguard gate": [("safety_checker", "painter")]}


def test_a_second_model_after_an_exception_is_a_fallback():
    assert found("a b", edge("a -> b", GATES, through=("except",))) == {"fallback": [("a", "b")]}


def test_a_model_in_the_loss_of_another_is_its_teacher():
    assert found("big small", edge("big -> small", SUPERVISES), fitting("small")) == {
        "teacher-student": [("big", "small")]
    }


def test_models_in_each_others_training_are_adversaries_and_no_teachers():
    parts = (edge("judge -> maker", SUPERVISES), edge("maker -> judge", TRAINS_ON))
    assert "adversarial training" in found("maker judge", *parts)
    assert "teacher-student" not in found("maker judge", *parts)


def test_a_loss_through_a_model_that_is_trained_in_its_turn_makes_adversaries():
    parts = (fitting("maker", through=("judge",)), fitting("judge"))
    assert found("maker judge", *parts)["adversarial training"] == [("maker", "judge")]
    assert "adversarial training" not in found("maker judge", parts[0])


def test_a_judge_that_is_trained_beside_its_maker_is_an_adversary_and_one_that_is_not_a_teacher():
    feed = replace(edge("maker -> judge"), at_target=Place("train.py", 40))
    parts = (model("maker"), model("judge", uses=(Place("train.py", 40),)), feed, fitting("maker"))
    assert found(*parts)["teacher-student"] == [("judge", "maker")]
    beside = found(*parts, fitting("judge", line=60))
    assert beside["adversarial training"] == [("maker", "judge")]
    assert "teacher-student" not in beside


def test_outputs_as_training_data_are_said():
    assert found("a b", edge("a -> b", TRAINS_ON))["trained on a model's output"] == [("a", "b")]
    assert found("a b", fitting("b", data_from=("a",)))["trained on a model's output"] == [("a", "b")]


FACE = """
class Face(nn.Module):
    def forward(self, image):
        features = self.trunk(image)
        age = torch.relu(self.age(features))
        return age, {last}
"""


@pytest.mark.parametrize(
    ("last", "shared"),
    [
        ("self.gender(features)", True),
        ("features", False),
        ("self.gender(image)", False),
        ("self.log_var(features)", False),
    ],
)
def test_heads_on_one_representation_share_a_backbone(last, shared):
    source = Source("nets.py", ast.parse(FACE.format(last=last)), 6)
    assert ("shared backbone" in found("face", sources=(source,))) == shared


def test_a_pattern_is_as_sure_as_its_weakest_edge():
    parts = ("a b c", edge("a -> b", confidence=0.9), edge("b -> c", confidence=0.5))
    (chain,) = integrations(wiring(*parts))
    assert chain.confidence == 0.5
