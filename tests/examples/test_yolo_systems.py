"""YOLOv5n in whole systems: compared in simulation, and fine-tuned by the end loss on the real car's pictures."""

from __future__ import annotations

import importlib.util
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from drivetrain import fit
from drivetrain.errors import DataError
from drivetrain.training import PartialEndLoss
from examples.race_car import real
from examples.race_car.models import BOX_CHANNELS, HEIGHT, OBJECTNESS, WIDTH, YELLOW, X, Y
from examples.race_car.real.fusion import HALF_WIDTH
from examples.race_car.yolo import YoloCamera
from examples.race_car.yolo.photo_fusion import SCALE, TOP, boxes_of, hard, soft
from examples.race_car.yolo.recorded import IllustrationReport, car_with, frames, stretches_of, with_photos
from examples.race_car.yolo.simulated import CAMERAS, PATTERNS, Sizes, compare

needs_yolo = pytest.mark.skipif(
    importlib.util.find_spec("ultralytics") is None and os.environ.get("CI") != "true",
    reason='ultralytics is not installed: pip install "drivetrain[yolo]"',
)


@needs_yolo
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_both_cameras_are_compared_at_equal_sizes_and_not_twice(tmp_path: Path) -> None:
    sizes, said = Sizes(scenes=20, test=20, first=1, then=1), []
    report = compare([7], sizes, out=tmp_path, say=said.append)
    assert len(said) == len(CAMERAS) * len(PATTERNS)
    assert all(0 <= value <= 1 for by in report.f1.values() for (value,) in by.values())
    assert report.weights["YOLOv5n"] > 300 * report.weights["CameraNet"]
    assert "YOLOv5n minus CameraNet" in str(report)
    again = compare([7], sizes, out=tmp_path, say=said.append)
    assert len(said) == len(CAMERAS) * len(PATTERNS)
    assert again.to_dict() == report.to_dict()


@needs_yolo
def test_a_box_found_twice_is_one_row_in_the_pixels_of_the_recorded_picture() -> None:
    grid = empty_grid()
    put(grid, row=10, column=20, sure=3.0, yellow=4.0)
    put(grid, row=10, column=21, sure=2.0, yellow=4.0, x=-1.0)  # the same place, said by its neighbour
    put(grid, row=10, column=60, sure=1.0, yellow=-4.0)
    put(grid, row=30, column=30, sure=-2.0, yellow=4.0)  # not sure enough
    rows = boxes_of(grid)[0]
    assert rows.shape == (64, 6)
    assert rows[:, 5].tolist() == [1.0, 1.0] + 62 * [0.0]
    assert rows[:2, 4].tolist() == [1.0, 0.0]
    middle, foot = SCALE * 4 * 20.5, TOP + SCALE * (4 * 10.5 + 6)
    torch.testing.assert_close(rows[0, :4], torch.tensor([middle - 8, foot - 24, middle + 8, foot]))


@needs_yolo
def test_relaxed_fusion_reads_a_box_before_suppression_as_the_hard_one_reads_it_after() -> None:
    inputs = one_cone()
    for yellow, side in ((4.0, 1.0), (-4.0, 0.0)):
        grid = empty_grid()
        put(grid, row=40, column=128, sure=5.0, yellow=yellow)
        put(grid, row=40, column=129, sure=4.0, yellow=yellow, x=-1.0)
        with torch.no_grad():
            decided, softened = (fusion(*inputs, grid)[0] for fusion in (hard, soft))
        slot = int(decided[:, 2].argmax())
        assert decided[slot, 2] > 0.5
        assert decided[slot, 3].round() == side
        torch.testing.assert_close(softened[slot], decided[slot], atol=0.06, rtol=0)
        assert softened[slot, 2] > soft(*inputs, empty_grid())[0, slot, 2]  # a box makes the cone surer


def test_the_relaxed_gradient_is_that_of_finite_differences() -> None:
    inputs = [value.double() for value in one_cone()]
    near = torch.tensor([0.3, -0.4, 0.2, -0.3, 0.7, 1.0], dtype=torch.float64)

    def loss(values: Tensor) -> Tensor:
        grid = empty_grid().double()
        grid = grid.index_put((torch.tensor([0]), torch.arange(6), torch.tensor([40]), torch.tensor([128])), values)
        cones = soft(*inputs, grid)
        return (cones[..., 2] + 2 * cones[..., 3]).sum()

    values = near.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(values), values)
    step = 1e-5 * torch.eye(6, dtype=torch.float64)
    measured = torch.stack([(loss(near + one) - loss(near - one)) / 2e-5 for one in step])
    torch.testing.assert_close(gradient, measured, rtol=1e-4, atol=1e-7)
    assert (gradient[[OBJECTNESS, YELLOW, X, Y, HEIGHT]].abs() > 1e-6).all()
    assert gradient[WIDTH] == 0  # the fusion asks for the foot and the height alone


def test_frames_that_follow_each_other_form_a_stretch() -> None:
    assert stretches_of(["0000012", "0000013", "0000018", "0000020", "0000021"]) == [[0, 1], [2], [3, 4]]


def test_the_illustration_says_what_it_is_not() -> None:
    report = IllustrationReport(
        stretches=[["0000001"], ["0000003", "0000004"]],
        counts={"LiDAR alone": [(3, 4, 6), (1, 2, 2)]},
        losses=[(2.0, 1.0), (2.0, 1.5)],
        epochs=3,
    )
    assert report.f1("LiDAR alone") == pytest.approx(2 * 4 / (6 + 8))
    assert "4 of 6, 8" in str(report)
    assert "no measurement" in str(report)


def test_absent_pictures_are_refused_with_where_they_come_from(recorded_data: Any, tmp_path: Path) -> None:
    for name in ("labels", "points", "metadata", "scans_1d.npz"):
        (tmp_path / name).symlink_to(recorded_data("fskitti") / name)
    with pytest.raises(DataError, match="no pictures camera_estoril_autox2") as refusal:
        with_photos(tmp_path)
    assert "elpatoo/FSKITTI" in str(refusal.value)


@needs_yolo
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_end_loss_on_real_cones_moves_yolo_and_leaves_the_lidar_alone(recorded_data: Any) -> None:
    data = with_photos(recorded_data("fskitti"))
    assert data["photo"].shape == (23, 3, 256, 1024)
    assert [len(stretch) for stretch in stretches_of(data["number"])] == [4, 3, 11, 5]
    car = car_with(YoloCamera(("orange", "blue", "yellow")), real.build())
    before = {name: value.clone() for name, value in car.state_dict().items()}
    fit(car, frames(data, [0, 1]), PartialEndLoss("camera", real.cone_loss), epochs=1, batch_size=2, seed=0)
    moved = {name.split(".")[0] for name, value in car.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"camera"}, moved


def empty_grid() -> Tensor:
    """[1, 6, 64, 256] in which no cell holds anything; boxes of 8 x 12 pixels of the photo."""
    grid = torch.zeros(1, BOX_CHANNELS, 64, 256)
    grid[:, OBJECTNESS] = -8.0
    grid[:, WIDTH], grid[:, HEIGHT] = math.log(2), math.log(3)
    return grid


def put(grid: Tensor, *, row: int, column: int, sure: float, yellow: float, x: float = 0.0) -> None:
    grid[0, [OBJECTNESS, YELLOW, X], row, column] = torch.tensor([sure, yellow, x])


def one_cone() -> list[Tensor]:
    """scan, hits, tints, feet of one frame: a cone ahead that the LiDAR half believes in, its foot at (40, 128)'s."""
    scan = torch.zeros(1, 3, 720)
    beams = slice(358, 363)
    scan[0, 0, beams], scan[0, 1, beams], scan[0, 2, beams] = 6.0, 1.0, 1.0
    hits = torch.full((1, 720), -4.0)
    hits[0, beams] = 0.5
    tints = torch.zeros(1, 3, 720)
    foot = torch.tensor([SCALE * 4 * 128.5 - 1024, TOP + SCALE * (4 * 40.5 + 6) - 768]) / HALF_WIDTH
    feet = foot[None, :, None].expand(1, 2, 720).clone()
    return [scan, hits, tints, feet]
