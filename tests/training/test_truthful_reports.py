"""What a report of training says is what happened: where it ended, what it cost, what was read, how sure it is."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from drivetrain import Metric, fit
from drivetrain.errors import DataError, MissingEdgeError
from drivetrain.training import FederatedMerge, Individual, MergedLoss, PartialEndLoss, SimultaneousEndLoss, Stages
from tests.training.systems import Rows, adam, assert_same, chain, error_per_sample, fork, join, loader, weights

ERROR = Metric(error_per_sample, "word", higher_is_better=False, name="error")
BOTH = {"light": F.mse_loss, "sign": F.mse_loss}


def stopping_at(epoch, why="enough"):
    def callback(state):
        if state.epoch == epoch:
            state.stop(why)

    return callback


# -- where it ended


def test_a_stop_in_the_middle_of_a_federated_round_says_what_was_not_merged():
    example = fork()
    seen = []

    def watch(state):
        seen.append(weights(example.models))
        if state.epoch == 3:
            state.stop("the afternoon is over")

    report = fit(
        example.system, example.data, FederatedMerge(BOTH, rounds=2), epochs=4, batch_size=99, optimizer=adam,
        callbacks=[watch],
    )  # fmt: skip
    assert "Training was stopped after epoch 3 of 4: the afternoon is over." in report.verdict
    assert (
        "what the tracks have learned since epoch 2 was not merged, so the system is as it was then" in report.verdict
    )
    assert_same(seen[1], weights(example.models))


def test_a_stop_before_the_first_merge_says_that_the_system_is_as_it_was_at_the_start():
    example = fork()
    before = weights(example.models)
    report = fit(example.system, example.data, FederatedMerge(BOTH), epochs=4, callbacks=[stopping_at(2)])
    assert "learned since the start was not merged" in report.verdict
    assert_same(before, weights(example.models))


def test_a_stop_at_the_end_of_a_round_has_lost_nothing_and_says_so_by_silence():
    example = fork()
    report = fit(example.system, example.data, FederatedMerge(BOTH, rounds=2), epochs=4, callbacks=[stopping_at(2)])
    assert "stopped after epoch 2 of 4" in report.verdict
    assert "not merged" not in report.verdict


def test_a_stop_in_an_early_stage_names_the_stages_that_did_not_run():
    example = chain()
    stages = Stages(Individual(example.individual), SimultaneousEndLoss(example.end))
    report = fit(example.system, example.data, stages, epochs=3, callbacks=[stopping_at(1)])
    assert "Training was stopped after epoch 1 of 3 of stage 1 (individual): enough." in report.verdict
    assert "Not run at all: simultaneous end-loss." in report.verdict


@pytest.mark.parametrize("also_stopped", [False, True])
def test_a_requirement_that_was_reached_is_reported_with_its_epoch_and_its_weights(also_stopped):
    example = chain()
    seen = [weights(example.models)]
    report = fit(
        example.system, example.data, SimultaneousEndLoss(example.end), epochs=50, batch_size=8, optimizer=adam,
        validation=example.data, metric={"word": ERROR}, until={"word": 1.0}, seed=0,
        callbacks=[lambda state: seen.append(weights(example.models)),
                   lambda state: state.stop("too") if also_stopped and state.reached else None],
    )  # fmt: skip
    last = report.history[-1]["epoch"]
    assert report.reached is True
    assert f"The required quality was reached after epoch {last} of 50." in report.verdict
    assert set(report.kept[0].values()) == {last}
    assert_same(seen[last], weights(example.models))


def test_a_requirement_that_held_before_training_is_no_failure_of_training():
    example = chain()
    report = fit(
        example.system, example.data, SimultaneousEndLoss(example.end), epochs=3, validation=example.data,
        metric={"word": ERROR}, until={"word": 1e9},
    )  # fmt: skip
    assert "The required quality was reached before training" in report.verdict
    assert "No epoch was better" not in report.verdict


def test_how_training_ended_is_remembered_by_its_checkpoint(tmp_path):
    example = chain()
    options = {"epochs": 4, "seed": 1, "checkpoint": tmp_path / "c"}
    first = fit(example.system, example.data, SimultaneousEndLoss(example.end), callbacks=[stopping_at(2)], **options)
    again = fit(example.system, example.data, SimultaneousEndLoss(example.end), **options)
    assert again.notes == first.notes
    assert again.iterations == first.iterations


# -- what it cost


def test_an_aggregator_sends_every_loss_back_on_its_own_and_is_charged_for_it():
    plain, aggregated = fork(), fork()
    fit(plain.system, plain.data, MergedLoss(BOTH), epochs=1, batch_size=8)
    report = fit(
        aggregated.system, aggregated.data, MergedLoss(BOTH, aggregator=lambda matrix: matrix.sum(0)), epochs=1,
        batch_size=8,
    )  # fmt: skip
    assert {name: passes.backward for name, passes in report.passes.items()} == {"trunk": 6, "lamp": 3, "board": 3}
    assert {name: passes.forward for name, passes in report.passes.items()} == {"trunk": 3, "lamp": 3, "board": 3}


def test_a_branch_whose_truth_a_batch_lacks_is_neither_updated_nor_gone_back_through():
    example = fork()
    sign = [value if row < 8 else None for row, value in enumerate(example.data["sign"])]
    rows = Rows(example.data | {"sign": sign})
    data = torch.utils.data.DataLoader(rows, batch_size=8, collate_fn=lambda samples: _together(samples))
    report = fit(example.system, data, SimultaneousEndLoss(BOTH), epochs=1)
    assert report.updates == {"trunk": 3, "lamp": 3, "board": 1}
    assert report.passes["board"].backward == 1
    assert report.passes["trunk"].backward == 3


def _together(samples):
    whole = {name: [sample[name] for sample in samples] for name in samples[0]}
    return {name: torch.stack(parts) for name, parts in whole.items() if parts[0] is not None}


# -- what was read


def test_labels_of_samples_that_lack_an_input_are_not_paid_for():
    example = join()
    scan = [value if row % 3 else None for row, value in enumerate(example.data["scan"])]
    data = example.data | {"scan": scan}
    report = fit(
        example.system, data, SimultaneousEndLoss(example.end), epochs=2, batch_size=8, validation=data,
        metric={"cones": Metric(error_per_sample, higher_is_better=False)},
    )  # fmt: skip
    assert report.labels.total(edge="cones", use="training") == 16 * 2
    assert report.labels.total(edge="cones", use="validation") == 16 * 2
    without_metric = fit(example.system, data, SimultaneousEndLoss(example.end), epochs=1, validation=data)
    assert without_metric.labels.total(edge="cones", use="validation") == 16 * 2


def test_truth_that_only_stands_in_is_paid_for_where_it_stood_in():
    example = chain()
    word = [value if row < 6 else None for row, value in enumerate(example.data["word"])]
    report = fit(example.system, example.data | {"word": word}, Individual({"word": F.mse_loss}), epochs=1)
    assert report.labels["raw"] == 6 * 4
    assert report.labels["word"] == 6 * 2


def test_a_keyed_loader_that_draws_other_samples_in_each_epoch_pays_for_all_of_them():
    example = chain()
    rows = Rows(example.data | {"key": list(range(24))})
    sampler = torch.utils.data.RandomSampler(rows, num_samples=8, generator=torch.Generator().manual_seed(0))
    drawn = set()
    rows_read = rows.__class__.__getitem__

    class Watched(Rows):
        def __getitem__(self, index):
            drawn.add(index)
            return rows_read(self, index)

    data = torch.utils.data.DataLoader(Watched(rows.data), batch_size=4, sampler=sampler)
    seen = []
    report = fit(
        example.system, data, SimultaneousEndLoss(example.end), epochs=5, callbacks=[lambda s: seen.append(len(drawn))]
    )
    assert seen[-1] > 8
    assert report.labels["word"] == 2 * seen[-1]


@pytest.mark.parametrize("form", [dict, Rows])
def test_keys_that_stand_twice_are_refused_and_never_answered_from_each_others_cache(form):
    example = join()
    data = form(example.data | {"key": torch.arange(24) % 20})
    with pytest.raises(
        DataError, match=r"samples 0 and 20|samples 1 and 21|samples 2 and 22|samples 3 and 23"
    ) as error:
        fit(example.system, data, PartialEndLoss("lidar", example.end), epochs=3, batch_size=4)
    assert "a key names one sample" in str(error.value)
    assert "Make the field 'key' unique" in str(error.value)


def test_a_loader_whose_samples_share_a_key_is_not_answered_from_the_cache():
    shared, alone = (_partial_by_loader(key) for key in (torch.arange(24) % 8, None))
    assert_same(shared, alone)


def _partial_by_loader(key):
    torch.manual_seed(4)
    example = join()
    data = loader(example.data if key is None else example.data | {"key": key})
    report = fit(example.system, data, PartialEndLoss("lidar", example.end), epochs=3, seed=0)
    assert key is None or "a key that several samples share" in report.verdict
    return weights(example.models)


def test_no_sample_with_everything_that_is_read_is_an_error_and_not_a_silence():
    example = chain()
    raw = [value if row < 12 else None for row, value in enumerate(example.data["raw"])]
    word = [value if row >= 12 else None for row, value in enumerate(example.data["word"])]
    with pytest.raises(DataError, match="reader: no sample has all that is read: raw, and the truth of word"):
        fit(example.system, example.data | {"raw": raw, "word": word}, Individual({"word": F.mse_loss}), epochs=1)


def test_many_batches_without_any_truth_do_not_make_a_model_look_cut_off():
    example = fork()
    for model in example.models.values():
        model[1] = torch.nn.Identity()  # batch norm needs more than the one sample that is left of a batch
    rare = {edge: [None] * 23 + [example.data[edge][23]] for edge in ("light", "sign")}
    options = {"epochs": 2, "batch_size": 2, "seed": 0}
    report = fit(example.system, example.data | {"sign": rare["sign"]}, SimultaneousEndLoss(BOTH), **options)
    assert report.updates == {"trunk": 24, "lamp": 24, "board": 2}
    report = fit(example.system, example.data | rare, SimultaneousEndLoss(BOTH), **options)
    assert report.updates == {"trunk": 2, "lamp": 2, "board": 2}


# -- how sure it is


def test_intervals_are_drawn_over_the_unit_whose_values_are_independent():
    example = chain()
    session = [f"drive {row // 8}" for row in range(24)]
    options = {
        "epochs": 2, "optimizer": adam, "seed": 0, "metric": {"word": ERROR},
        "validation": example.data | {"session": session},
    }  # fmt: skip
    report = fit(example.system, example.data, SimultaneousEndLoss(example.end), unit="session", **options)
    assert report.edges["word"].difference.units == 3
    assert report.edges["word"].difference.n == 24
    with pytest.raises(MissingEdgeError, match="unit='drive': the data on which 'word' is measured has no such field"):
        fit(example.system, example.data, SimultaneousEndLoss(example.end), unit="drive", **options)


def test_a_unit_changes_intervals_and_never_which_weights_are_chosen():
    ends = []
    for unit in (None, "session"):
        torch.manual_seed(2)
        example = chain()
        validation = example.data | {"session": torch.arange(24) // 8}
        report = fit(
            example.system, example.data, SimultaneousEndLoss(example.end), epochs=6, batch_size=8, optimizer=adam,
            seed=0, metric={"word": ERROR}, validation=validation, unit=unit,
        )  # fmt: skip
        ends.append((weights(example.models), report.kept))
    assert_same(ends[0][0], ends[1][0])
    assert ends[0][1] == ends[1][1]
