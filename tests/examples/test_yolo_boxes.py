"""YOLOv5n learns boxes from tiles of recorded pictures, is scored by a known measure, and is kept as safetensors."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from typer.testing import CliRunner

from drivetrain.errors import DataError
from examples.race_car.yolo import Recipe, YoloCamera, load_camera, read_pictures, save_camera, train_on_fs_cones
from examples.race_car.yolo.__main__ import app
from examples.race_car.yolo.recordings import GAP, TILE, Picture, cut, split
from examples.race_car.yolo.scoring import Found, average_precision, interval, right_ones

needs_yolo = pytest.mark.skipif(
    importlib.util.find_spec("ultralytics") is None and os.environ.get("CI") != "true",
    reason='ultralytics is not installed: pip install "drivetrain[yolo]"',
)
needs_coco = pytest.mark.skipif(
    importlib.util.find_spec("pycocotools") is None and os.environ.get("CI") != "true",
    reason='pycocotools is not installed: pip install "drivetrain[dev]"',
)


def test_pictures_are_split_by_blocks_of_frames_with_gaps_between_them() -> None:
    pictures = [Picture(15 * number, Path("none.jpg"), torch.zeros(0, 5)) for number in range(700)]
    training, tuning, held_out = split(pictures[::-1])
    assert len(tuning) == len(held_out) == 140
    assert len(training) == 420 - 6 * 2 * GAP
    learned = torch.tensor([picture.frame for picture in training])
    for picture in tuning + held_out:
        assert (learned - picture.frame).abs().min() > 15 * GAP


def test_a_tile_keeps_the_picture_at_full_resolution_and_its_boxes_in_place(tmp_path: Path) -> None:
    picture = made_up_picture(tmp_path)
    for seed in range(8):
        tile, boxes = cut(picture, torch.Generator().manual_seed(seed))
        assert tile.shape == (3, TILE, TILE)
        assert len(boxes) >= 1
        for _, x, y, width, height in boxes.tolist():
            assert tile[0, int(y), int(x)] > 0.8  # the made-up cone is white, and its middle stays inside
            assert width <= 8
            assert height <= 12


def test_tiles_by_colour_show_a_rare_colour_as_often_as_the_others(tmp_path: Path) -> None:
    file = made_up_picture(tmp_path).path
    rare, common = torch.tensor([[0, 60, 100, 8, 12.0]]), torch.tensor([[1, 180, 130, 8, 12.0]])  # 120 pixels apart
    picture = Picture(0, file, torch.cat([rare, common.repeat(19, 1)]))

    def share(by_colour: bool) -> float:
        generator = torch.Generator().manual_seed(0)
        tiles = [cut(picture, generator, by_colour=by_colour)[1] for _ in range(60)]
        return float(np.mean([(boxes[:, 0] == 0).any() for boxes in tiles]))

    assert share(by_colour=True) > 0.4
    assert share(by_colour=False) < 0.25


def test_missing_pictures_are_refused_with_where_they_come_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Formula-Student-Cones-1") as refusal:
        read_pictures(tmp_path)
    assert "set DRIVETRAIN_DATA" in str(refusal.value)


def test_a_damaged_label_file_is_refused_by_name(tmp_path: Path) -> None:
    picture = made_up_picture(tmp_path)
    (tmp_path / "labels" / f"{picture.path.stem}.txt").write_text("1 0.5 oops\n")
    with pytest.raises(DataError, match=r"00000000\.txt is no label file of five numbers a line"):
        read_pictures(tmp_path)


@needs_yolo
def test_a_true_box_is_found_once_and_by_its_own_class_alone() -> None:
    truth = torch.tensor([[1, 50, 50, 8, 12], [2, 90, 50, 8, 12.0]])
    found = torch.tensor([[46, 44, 54, 56, 0.9, 1], [47, 44, 55, 56, 0.8, 1], [86, 44, 94, 56, 0.7, 1.0]])
    assert right_ones(found, truth).tolist() == [True, False, False]  # the last has the other colour


@needs_yolo
@needs_coco
@pytest.mark.parametrize("seed", range(4))
def test_average_precision_agrees_with_coco(seed: int) -> None:
    from torchmetrics.detection import MeanAveragePrecision

    pictures = made_up_answers(torch.Generator().manual_seed(seed))
    ours = average_precision([compared(found, true) for found, true in pictures], classes=3)
    metric = MeanAveragePrecision(iou_thresholds=[0.5], class_metrics=True)
    for found, true in pictures:
        said = {"boxes": found[:, :4], "scores": found[:, 4], "labels": found[:, 5].int()}
        corners = torch.cat([true[:, 1:3] - true[:, 3:] / 2, true[:, 1:3] + true[:, 3:] / 2], dim=1)
        metric.update([said], [{"boxes": corners, "labels": true[:, 0].int()}])
    theirs = metric.compute()
    assert 0.1 < ours[-1] < 0.9  # neither all right nor all wrong
    np.testing.assert_allclose(ours[:3], theirs["map_per_class"].numpy(), atol=0.01)  # COCO has steps, not lines
    np.testing.assert_allclose(ours[3], theirs["map"].item(), atol=0.01)


@needs_yolo
def test_a_class_without_true_boxes_has_no_average_precision_and_the_interval_holds_the_value() -> None:
    generator = torch.Generator().manual_seed(0)
    seeds = [[compared(*one) for one in made_up_answers(generator)] for _ in range(2)]
    value, low, high = interval(seeds, classes=4)
    assert np.isnan(value[3])  # the fifth of five numbers is the mean
    known = [0, 1, 2, 4]
    assert (low[known] < value[known]).all()
    assert (value[known] < high[known]).all()


@needs_yolo
def test_a_camera_is_kept_as_safetensors_and_answers_the_same(tmp_path: Path) -> None:
    camera = YoloCamera(("orange", "blue", "yellow"), seed=5).eval()
    save_camera(camera, tmp_path / "camera.safetensors", {"seed": 5})
    again = load_camera(tmp_path / "camera.safetensors")
    image = torch.rand(1, 3, 32, 128)
    assert again.classes == camera.classes
    assert not again.training
    assert torch.equal(camera(image), again(image))
    assert list(tmp_path.iterdir()) == [tmp_path / "camera.safetensors"]


@needs_yolo
def test_files_that_hold_no_camera_are_refused_with_how_to_make_one(tmp_path: Path) -> None:
    file = tmp_path / "seed-0.safetensors"
    with pytest.raises(DataError, match="holds no camera") as refusal:
        load_camera(file)
    assert f"python -m examples.race_car.yolo train --out {tmp_path}" in str(refusal.value)
    file.write_bytes(b"no weights")
    with pytest.raises(DataError, match="holds no camera"):
        load_camera(file)
    save_file({"weight": torch.zeros(2)}, file)
    with pytest.raises(DataError, match="holds no camera"):
        load_camera(file)
    save_file({"weight": torch.zeros(2)}, file, {"yolo_camera": '{"classes": ["blue", "yellow"]}'})
    with pytest.raises(DataError, match="do not fit YOLOv5n"):
        load_camera(file)


@needs_yolo
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_training_on_recorded_tiles_answers_a_report_and_is_not_done_twice(recorded_data: Any, tmp_path: Path) -> None:
    pictures = read_pictures(recorded_data("fs_cones"))
    recipe = Recipe(epochs=2, pictures=8)
    report = train_on_fs_cones(pictures, (1,), recipe, folder=tmp_path, scored=1)
    assert report.told[0]["iterations"] == 2
    assert np.isfinite(report.told[0]["losses"]).all()
    assert set(report.mean) == {"orange", "blue", "yellow", "mean"}
    assert "one recording" in str(report)
    file = tmp_path / "seed-1.safetensors"
    assert list(tmp_path.iterdir()) == [file]
    written = file.stat().st_mtime_ns
    again = train_on_fs_cones(pictures, (1,), recipe, folder=tmp_path, scored=1)
    assert file.stat().st_mtime_ns == written
    np.testing.assert_equal(again.to_dict(), report.to_dict())
    with pytest.raises(DataError, match=r"seed-1\.safetensors was trained otherwise .*'epochs': 2.*another folder"):
        train_on_fs_cones(pictures, (1,), Recipe(epochs=1, pictures=8), folder=tmp_path, scored=1)


def test_the_command_tells_its_three_steps_and_each_how_long_it_takes() -> None:
    told = CliRunner().invoke(app, ["--help"])
    assert told.exit_code == 0
    for word in ("train", "simulate", "recorded", "AGPL-3.0"):
        assert word in told.output
    for step in ("train", "simulate", "recorded"):
        assert "minutes on one" in " ".join(CliRunner().invoke(app, [step, "--help"]).output.split())


def made_up_picture(folder: Path) -> Picture:
    """A dark picture of 256 x 256 pixels with two white cones of 8 x 12 pixels, as a folder of recordings holds it."""
    pixels = np.zeros((256, 256, 3), np.uint8)
    for x, y in ((60, 100), (180, 130)):
        pixels[y - 6 : y + 6, x - 4 : x + 4] = 255
    for name in ("images", "labels"):
        (folder / name).mkdir()
    Image.fromarray(pixels).save(folder / "images" / "00000000.jpg", quality=100)
    rows = [f"{kind} {x / 256} {y / 256} {8 / 256} {12 / 256}" for kind, x, y in ((1, 60, 100), (2, 180, 130))]
    (folder / "labels" / "00000000.txt").write_text("\n".join(rows))
    return read_pictures(folder)[0]


def made_up_answers(generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
    """Twelve pictures' found boxes [n, 6], surest first, and true ones [m, 5]: doubles, near misses, wrong colours."""

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    def boxes(count: int) -> Tensor:
        return torch.cat([(3 * draw(count, 1)).floor(), 20 + 200 * draw(count, 2), 6 + 10 * draw(count, 2)], dim=1)

    pictures = []
    for _ in range(12):
        true = boxes(1 + int(14 * draw(1)))
        near = true.repeat(2, 1)
        near[:, 1:] += 4 * (draw(len(near), 4) - 0.5)
        near[:, 0] = torch.where(draw(len(near)) < 0.15, (near[:, 0] + 1) % 3, near[:, 0])
        said = torch.cat([near[draw(len(near)) < 0.7], boxes(6)])
        half = said[:, 3:] / 2
        found = torch.cat([said[:, 1:3] - half, said[:, 1:3] + half, draw(len(said), 1), said[:, :1]], dim=1)
        pictures.append((found[found[:, 4].argsort(descending=True)], true))
    return pictures


def compared(found: Tensor, true: Tensor) -> Found:
    return Found(right_ones(found, true), found[:, 4], found[:, 5], true[:, 0])
