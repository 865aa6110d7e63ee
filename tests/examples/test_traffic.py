"""The fork on street pictures: what is read, what counts as known, how objects are found, and how every arm begins."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("keras", reason="the reader of signs is a Keras model: pip install drivetrain[keras]")

from drivetrain import System, evaluate, fit
from drivetrain.errors import DataError
from drivetrain.training import MergedLoss
from examples.protocol.command import command
from examples.traffic import pictures as traffic_pictures
from examples.traffic.augmentation import anew, cuttings
from examples.traffic.case import BRANCHES, THRESHOLDS, arms, dusk, tune, with_both
from examples.traffic.crops import CANDIDATES, CROP, GRID, candidates, crops_at
from examples.traffic.drawn import drawn
from examples.traffic.folders import kind_of, read_folder
from examples.traffic.gradients import agreement, gradients, out_of_reach
from examples.traffic.losses import map_loss, scene_loss
from examples.traffic.metrics import (
    CHOOSING,
    LEVELS,
    LIGHTS,
    RECALL,
    SIGNS,
    boxes_of,
    candidate_recall,
    right_at_every_level,
    right_at_place,
)
from examples.traffic.near import far_from, places
from examples.traffic.overlaps import overlaps
from examples.traffic.picture import FAMILIES, SIZE, Picture
from examples.traffic.recall import RULES, Outputs, found_alone, system_rows
from examples.traffic.recall import judged as judge_gate
from examples.traffic.recall import table as gate_table
from examples.traffic.samples import FreshScenes, Scenes, alone, judged, together
from examples.traffic.sheet import sheet
from examples.traffic.start import individually, train
from examples.traffic.system import untrained
from examples.traffic.targets import truth_map
from examples.traffic.tuned import crop_for_looking, tuned

# Keras copies a model by storing it, and what TensorFlow hands over for that does not know NumPy 2's words.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


@pytest.fixture(scope="module")
def few() -> list[Picture]:
    return drawn(48)


def perfect(boxes: dict[str, Any]) -> torch.Tensor:
    """The map of a detector that makes no error, as logits: [1, 2, 5, 20, 20]."""
    told = truth_map(boxes)[None].nan_to_num()
    told[:, :, 0] = (told[:, :, 0].clamp(1e-4, 1 - 1e-4)).logit()
    return told


# What is read


def folder_of(place: Path, pictures: list[Picture], names: list[str]) -> Path:
    place.mkdir()
    (place / "classes.txt").write_text("\n".join(names))
    for picture in pictures:
        for kind in ("images", "labels"):
            (place / picture.split / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.pixels.transpose(1, 2, 0)).save(place / picture.split / f"images/{picture.name}.png")
        lines = [
            f"{int(kind) + 2 * (family == 'signs')} {' '.join(map(str, box))}"
            for family, boxes in picture.boxes.items()
            for kind, *box in boxes.tolist()
        ]
        (place / picture.split / f"labels/{picture.name}.txt").write_text("\n".join(lines))
    return place


NAMES = ["Green Light", "Red Light", *(f"Speed Limit {limit}" for limit in range(10, 130, 10)), "Stop"]


def test_a_folder_is_read_as_it_was_written(few: list[Picture], tmp_path: Path) -> None:
    read, said = read_folder(folder_of(tmp_path / "street", few, NAMES))
    assert "street" in said
    known = {picture.name: picture for picture in few}
    assert len(read) == len(few)
    for picture in read:
        assert picture.split == known[picture.name].split
        assert np.array_equal(picture.pixels, known[picture.name].pixels)
        for family, boxes in picture.boxes.items():
            assert np.allclose(boxes, known[picture.name].boxes[family], atol=1e-6)


def test_classes_are_known_by_their_names_in_any_order_and_others_are_left_out_and_named(
    few: list[Picture], tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "street", few, ["zebra crossing", *NAMES[1:]])
    read, said = read_folder(folder)
    assert "zebra crossing" in said
    assert all((picture.boxes.get("lights", np.ones((1, 5)))[:, 0] == 1).all() for picture in read)
    assert kind_of("speedlimit") is None
    assert kind_of("speed_limit_30") == kind_of("Speed Limit 30") == ("signs", 2)
    assert kind_of("red") == kind_of("Red traffic light") == ("lights", 1)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: shutil.rmtree(f), "is not a folder"),
        (lambda f: (f / "classes.txt").unlink(), "no classes.txt"),
        (lambda f: (f / "classes.txt").write_text("cat\ndog"), "no class is a light or a sign; found: cat, dog"),
        (lambda f: [shutil.rmtree(f / split) for split in ("train", "valid", "test")], "has none of train/images"),
        (lambda f: next((f / "train/labels").iterdir()).write_text("1 0.5 0.5"), "is no box; a box is"),
        (lambda f: next((f / "train/labels").iterdir()).write_text("99 0.5 0.5 0.1 0.1"), "is no box; a box is"),
        (lambda f: next((f / "train/images").iterdir()).write_bytes(b"GIF"), "is no picture that can be read"),
    ],
)
def test_a_bad_folder_is_refused_with_words_that_help(
    damage: Any, words: str, few: list[Picture], tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "street", few, NAMES)
    damage(folder)
    with pytest.raises(DataError, match=words):
        read_folder(folder)


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("DRIVETRAIN_DATA", "/nowhere")
    yield monkeypatch
    traffic_pictures._collected.cache_clear()


def test_held_out_pictures_take_the_place_of_the_test_pictures(
    few: list[Picture], tmp_path: Path, named: pytest.MonkeyPatch
) -> None:
    named.setenv(traffic_pictures.DATA, str(folder_of(tmp_path / "street", few, NAMES)))
    tested = [p._replace(split="test") for p in drawn(12, seed=5)]
    folder = folder_of(tmp_path / "elsewhere", tested, NAMES) / "test"
    (folder / "classes.txt").write_text("\n".join(NAMES))  # images/ and labels/ alone
    named.setenv(traffic_pictures.HELD_OUT, str(folder))
    found = traffic_pictures.collection()
    assert {p.name for p in found.test} == {p.name for p in tested}
    assert "held out" in found.about


def test_a_folder_with_nothing_to_train_on_says_how_to_give_it(
    few: list[Picture], tmp_path: Path, named: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path / "street", [p for p in few if p.split == "test"], NAMES)
    named.setenv(traffic_pictures.DATA, str(folder))
    with pytest.raises(DataError, match=r"no train picture has lights labelled.*--held-out"):
        traffic_pictures.collection()


def test_pictures_that_look_alike_are_taken_out_and_are_one_place(few: list[Picture]) -> None:
    darker = [p._replace(pixels=(p.pixels * 0.8).astype(np.uint8)) for p in few[:3]]
    assert far_from(darker, few) == []
    assert len(far_from(few[3:], few[:3])) == len(few) - 3
    numbers = places([*few[:5], *darker])
    assert numbers[5:].tolist() == numbers[:3].tolist()
    assert len(set(numbers.tolist())) == 5


@pytest.mark.slow
def test_recorded_pictures_with_both_families_are_all_tested_on(recorded_data: Any, named: pytest.MonkeyPatch) -> None:
    named.setenv(traffic_pictures.DATA, str(recorded_data("traffic_scenes")))
    found = traffic_pictures.collection()
    assert sum(len(picture.boxes) == 2 for picture in found.test) == 38
    assert not any(len(picture.boxes) == 2 for picture in [*found.train, *found.valid])
    assert far_from(found.train, found.test) == found.train
    assert not any("fisheye" in picture.name for picture in found.train)


@pytest.mark.parametrize(
    ("example", "options", "words"),
    [
        ("traffic", ["--held-out", "/nowhere"], "DataError: /nowhere is not a folder"),
        ("traffic", ["--data", "/nowhere"], "DataError: /nowhere is not a folder"),
        ("speech", ["--held-out", "/nowhere"], "--held-out: speech reads no such folder"),
    ],
)
def test_the_comparisons_command_says_what_is_wrong_with_a_folder(
    example: str, options: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["comparison", *options, "--out", str(tmp_path)])
    for variable in (traffic_pictures.DATA, traffic_pictures.HELD_OUT):
        monkeypatch.setenv(variable, "")  # put back afterwards: the command sets it
    taken = {"data": traffic_pictures.DATA, "held_out": traffic_pictures.HELD_OUT}
    folders = taken if example == "traffic" else {}
    with pytest.raises(SystemExit, match=words):
        command(f"examples.{example}.case:fork", example, default_out="report", folders=folders)


# What counts as known


def test_a_family_that_nobody_labelled_is_unknown_not_empty(few: list[Picture]) -> None:
    alone_labelled = next(p for p in few if list(p.boxes) == ["signs"])
    told = truth_map(alone_labelled.boxes)
    inside = told[0, 0] == 0  # a sign is no light
    assert 0 < inside.sum() < 30
    assert told[0, 0][~inside].isnan().all()
    assert told[0, 1:].isnan().all()
    assert not told[1, 0].isnan().any()
    found = torch.zeros(1, 2, 5, GRID, GRID, requires_grad=True)
    sum(map_loss(found, told[None]).values()).backward()  # type: ignore[union-attr]
    assert found.grad is not None
    assert torch.count_nonzero(found.grad[0, 0][:, ~inside]) == 0
    assert torch.count_nonzero(found.grad[0, 0, 1:]) == 0
    assert torch.count_nonzero(found.grad[0, 1]) > 0


def test_around_an_object_that_was_laid_in_the_family_is_known_and_elsewhere_not() -> None:
    box = np.float32([[0, 0.5, 0.5, 0.1, 0.1]])
    told = truth_map({}, {"lights": box})
    assert told[0, 0, GRID // 2, GRID // 2] == 1
    assert told[0, 0, 0, 0].isnan()
    assert told[1].isnan().all()


def test_the_map_tells_the_boxes_that_it_was_made_of(few: list[Picture]) -> None:
    for picture in few:
        told = truth_map(picture.boxes)
        for place, family in enumerate(FAMILIES):
            if family in picture.boxes:
                shared = overlaps(boxes_of(told[place]), torch.from_numpy(picture.boxes[family][:, 1:]))
                assert (shared.amax(0) > 0.99).all()


@pytest.mark.parametrize("seed", range(20))
def test_anew_a_box_still_lies_on_its_object(seed: int) -> None:
    square = np.zeros((3, SIZE, SIZE), np.uint8)
    square[0, 60:120, 180:240] = 255
    boxes = {"signs": np.float32([[0, 210 / SIZE, 90 / SIZE, 60 / SIZE, 60 / SIZE]])}
    seen = anew(Picture("square", "train", square, boxes), [], np.random.default_rng(seed), mirror=True)
    assert len(seen.boxes["signs"]) == 1
    x, y, width, height = (SIZE * seen.boxes["signs"][0, 1:]).tolist()
    row, column = (seen.pixels[0].float() > 100 + seen.pixels[1].float()).nonzero(as_tuple=True)
    assert abs(float(column.float().mean()) + 0.5 - x) < 3
    assert abs(float(row.float().mean()) + 0.5 - y) < 3
    assert abs(len(row) / (width * height) - 1) < 0.12


def test_what_was_laid_in_counts_as_labelled_only_where_its_family_is(few: list[Picture]) -> None:
    bank, drawing = cuttings(few), np.random.default_rng(0)
    picture = next(p for p in few if list(p.boxes) == ["signs"])
    seen = [anew(picture, bank, drawing, mirror=False) for _ in range(20)]
    assert all(list(each.boxes) == ["signs"] and set(each.laid) <= {"lights"} for each in seen)
    assert any(each.laid for each in seen)


def test_a_sample_is_read_the_same_twice_from_one_seed(few: list[Picture]) -> None:
    scenes = FreshScenes(few, mirror=True)
    torch.manual_seed(3)
    one = scenes[0]
    torch.manual_seed(3)
    assert torch.equal(one["picture"], scenes[0]["picture"])
    assert not torch.equal(one["picture"], scenes[0]["picture"])


# What is found and what is right


def test_candidates_of_a_perfect_map_are_the_objects(few: list[Picture]) -> None:
    for picture in few:
        found = perfect(picture.boxes)
        right, number = candidate_recall(found, truth_map(picture.boxes)[None])
        assert right.sum() == number.sum() > 0
        assert candidates(found).shape == (1, 2, CANDIDATES, 5)


def test_a_crop_shows_the_box_and_moves_with_it() -> None:
    picture = torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8)
    picture[:, :, 100:200, 100:200] = 255
    box = torch.tensor([[[150 / SIZE, 150 / SIZE, 80 / SIZE, 80 / SIZE]]], requires_grad=True)
    seen = crops_at(picture, box)
    assert seen.shape == (1, 1, CROP, CROP, 3)
    assert (seen == 1).all()
    crops_at(picture, box * 1.3).mean().backward()
    assert torch.isfinite(box.grad).all()  # type: ignore[arg-type]


def test_the_end_metric_wants_the_right_class_at_the_right_place_once() -> None:
    truth = [torch.tensor([[1.0, 0.5, 0.5, 0.2, 0.2]])]

    def score(*spots: list[float]) -> float:
        right, number = right_at_place(torch.tensor([spots]), truth)
        return float(right / number)

    there, elsewhere = [0.5, 0.5, 0.2, 0.2], [0.1, 0.1, 0.2, 0.2]
    assert score([*there, 0.0, 0.9]) == 1
    assert score([*there, 0.9, 0.0]) == 0
    assert score([*elsewhere, 0.0, 0.9]) == 0
    assert score([*there, 0.0, 0.0]) == 0
    assert score([*there, 0.0, 0.9], [*there, 0.0, 0.8]) == pytest.approx(2 / 3)


def test_the_epochs_score_tells_apart_what_one_threshold_takes_for_equal() -> None:
    truth, there = [torch.tensor([[1.0, 0.5, 0.5, 0.2, 0.2]])], [0.5, 0.5, 0.2, 0.2]

    def score(chance: float) -> float:
        right, number = right_at_every_level(torch.tensor([[[*there, 0.0, chance]]]), truth)
        return float(right / number)

    assert [score(chance) > score(chance - 0.1) for chance in (0.35, 0.45, 0.55, 0.65)] == [True] * 4
    assert score(max(LEVELS) + 0.1) == 1
    assert {str(metric.edge) for metric in CHOOSING} == set(FAMILIES)


def test_before_validation_has_spoken_the_reports_drop_nothing() -> None:
    faint = torch.full((1, 2, 4, 5), 0.1)
    faint[..., 0] = -4
    street = untrained(0)
    assert (street.component("light_report")(faint, [torch.full((4, 3), 1 / 3)])[..., 4:] > 0).all()
    assert (street.component("sign_report")(faint, torch.zeros(1, 4, 14))[..., 4:] > 0).all()


def test_an_object_that_no_candidate_overlaps_gives_no_gradient_of_class_or_place() -> None:
    found = torch.tensor([[[0.1, 0.1, 0.1, 0.1, 0.2, 0.3]]], requires_grad=True)
    terms = scene_loss(found, [torch.tensor([[1.0, 0.8, 0.8, 0.1, 0.1]])])
    assert terms["right"] == 0
    assert terms["place"] == 0
    assert terms["invented"] > 0


# The system and its training


def test_the_fork_is_seen_as_one_and_mixes_three_frameworks(few: list[Picture]) -> None:
    street = untrained(0)
    assert "forking parallel: detector -> lamp, plate" in str(street)


def test_every_arm_can_be_declared_on_the_fork() -> None:
    street = untrained(0)
    for arm in arms().values():
        assert arm.pattern.tracks(street)


def test_the_detectors_own_loss_can_be_kept_beside_the_end_losses_and_costs_no_label(few: list[Picture]) -> None:
    street, case = untrained(0), tuned()
    kept = [arm for name, arm in case.arms.items() if "kept" in name]
    assert len(kept) == 2
    for arm in kept:
        (track,) = arm.pattern.tracks(street)  # type: ignore[union-attr]
        assert [loss.name for loss in track.losses] == ["map", "lights", "signs"]
        assert track.system.component("detector") is street.component("detector")
    labels = together(few).labels
    assert labels["map"].count(truth_map(few[0].boxes)) == 0


def test_a_cutting_for_looking_alone_leaves_the_spots_their_way_back_and_nothing_else() -> None:
    found = torch.zeros(1, 2, 5, GRID, GRID, requires_grad=True)
    picture = torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8)
    spots, lamps, plates = crop_for_looking(found, picture)
    assert spots.requires_grad
    assert not plates.requires_grad
    assert not lamps[0].requires_grad


@pytest.mark.slow
def test_training_pays_for_each_object_once_by_every_pattern(few: list[Picture]) -> None:
    part = [picture for picture in few if picture.split == "train"]
    objects = sum(len(boxes) for picture in part for boxes in picture.boxes.values())
    street = untrained(0)
    train(street, part, 0, epochs=1)
    for pattern, data in ((individually(), alone(part, 0)), (MergedLoss(BRANCHES), together(part))):
        report = fit(
            street, data, pattern, epochs=1, batch_size=8, seed=0, device="cpu",
            validation=judged([picture for picture in few if picture.split == "valid"]), metric={"signs": SIGNS},
        )  # fmt: skip
        assert report.labels.total(use="training") == pytest.approx(5 * objects)


@pytest.mark.slow
def test_on_drawn_pictures_individual_training_finds_and_reads_and_the_thresholds_are_tuned() -> None:
    pictures = drawn(160)
    parts = {split: [p for p in pictures if p.split == split] for split in ("train", "valid", "test")}
    street = untrained(0)
    train(street, parts["train"], 0, epochs=25)
    tuned, chosen = tune(street, judged(parts["valid"]))
    assert set(chosen.values()) <= set(THRESHOLDS)
    assert tuned.component("detector") is street.component("detector")
    test = Scenes(parts["test"], range(len(parts["test"])))
    told = evaluate(tuned, test, {m.edge: m for m in (LIGHTS, SIGNS, RECALL)}, unit="place", show_progress=False)
    assert told["map"].value > 0.6
    assert told["lights"].value > 0.5
    both = with_both(test, 0)
    assert 0 < len(both) < len(test)
    assert not torch.equal(dusk(test, 0)[0]["picture"], test[0]["picture"])
    assert sheet(tuned, parts["test"][:3]).size == (6 * 208, 208)


# Should the detector favour recall?


def told(boxes: list[list[float]], seen: list[float], read: list[list[float]]) -> Outputs:
    truth = [torch.tensor([[1.0, 0.5, 0.5, 0.2, 0.2]])]
    return Outputs(torch.tensor([boxes]), torch.tensor([seen]), torch.tensor([read]), truth, [0])


def test_what_the_gate_drops_no_reader_recovers_and_what_it_keeps_a_reader_can_discard() -> None:
    there, elsewhere = [0.5, 0.5, 0.2, 0.2], [0.1, 0.1, 0.2, 0.2]
    both = told([there, elsewhere], [0.2, 0.3], [[0.0, 0.9], [0.05, 0.05]])
    hits, said, objects = found_alone(both, 0.1)
    assert (float(hits), float(said), float(objects)) == (1, 2, 1)
    right, number = system_rows(both, 0.1, "readers alone", 0.5)
    assert float(right / number) == 1
    right, _ = system_rows(both, 0.25, "readers alone", 0.5)
    assert float(right) == 0
    assert float(found_alone(both, 0.9)[0]) == 0


def test_the_table_of_gates_compares_each_with_the_detectors_best() -> None:
    there = [0.5, 0.5, 0.2, 0.2]
    one = {family: told([there], [0.45], [[0.0, 0.9]]) for family in FAMILIES}
    gates = (None, 0.0, 0.8)
    kept = {(g, rule): [judge_gate(one, one, g, rule, seed) for seed in (0, 1)] for g in gates for rule in RULES}
    lines = gate_table(kept, gates, 2, "about").splitlines()
    assert [line.split("|")[1].strip() for line in lines[-3:]] == ["the detector's best", "0", "0.8"]
    assert "1.00" in lines[-2]
    assert "-1.00" in lines[-1]


@pytest.fixture(scope="module")
def begun(few: list[Picture]) -> System:
    """A street that can answer, though not well."""
    street = untrained(0)
    train(street, [picture for picture in few if picture.split == "train"], 0, epochs=1)
    return street


@pytest.mark.slow
def test_the_end_loss_moves_the_chosen_cells_alone_and_the_detectors_own_loss_all_labelled_ones(
    few: list[Picture], begun: System
) -> None:
    scenes = Scenes(few[:8])
    rows = [[scenes[place] for place in range(first, first + 4)] for first in (0, 4)]
    found = gradients(begun, rows)
    assert float(found["own loss"].cells.min()) > 0.9
    assert 0 < float(found["end loss"].cells.max()) <= CANDIDATES / GRID**2
    assert all(loss.weights.shape[0] == 2 and loss.weights.isfinite().all() for loss in found.values())
    parts = sum(loss.weights for name, loss in found.items() if "by" in name)
    assert float(torch.nn.functional.cosine_similarity(parts, found["end loss"].weights).min()) > 0.999
    assert float(found["end loss, lights by the reader"].weights.norm()) > 0  # estimated: a forest has none


@pytest.mark.slow
def test_after_one_reading_the_detector_leaves_most_objects_out_of_the_end_losss_reach(
    few: list[Picture], begun: System
) -> None:
    scenes = Scenes(few[:8])
    assert out_of_reach(begun, [[scenes[place] for place in range(8)]]) > 0.5


def test_gradients_agree_where_both_halves_point_one_way() -> None:
    assert agreement(torch.tensor([[1.0, 0.0], [2.0, 0.0]])) == pytest.approx(1)
    assert agreement(torch.tensor([[1.0, 0.0], [-2.0, 0.0]])) == pytest.approx(-1)
