"""YOLOv5n stands where the race car's camera stands, and the end loss trains it."""

from __future__ import annotations

import copy
import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from drivetrain import fit
from drivetrain.errors import DataError
from drivetrain.training import Individual, PartialEndLoss, SimultaneousEndLoss
from examples.race_car.losses import box_loss, cone_loss
from examples.race_car.models import CameraNet, decoded
from examples.race_car.simulation import simulate
from examples.race_car.system import build
from examples.race_car.yolo import YoloCamera, train_on_fs_cones
from examples.race_car.yolo.recordings import GAP, TILE, Picture, cut, read_pictures, split
from examples.race_car.yolo.scoring import right_ones

REPOSITORY = Path(__file__).resolve().parents[2]

needs_yolo = pytest.mark.skipif(
    importlib.util.find_spec("ultralytics") is None and os.environ.get("CI") != "true",
    reason='ultralytics is not installed: pip install "drivetrain[yolo]"',
)

ALONE = """
import os, pickle, socket, sys, warnings
def refuse(*arguments, **keywords):
    raise AssertionError(f"the network was asked for {arguments}")
socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse
import numpy, torch
import examples.race_car.yolo
assert "ultralytics" not in sys.modules
def settings():
    printing = dict(vars(torch._tensor_str.PRINT_OPTS)), numpy.get_printoptions()
    return dict(os.environ), torch.save, printing, list(warnings.filters)
before = settings()
"""
BUILT = """
from examples.race_car.yolo import YoloCamera
camera = YoloCamera()
"""
UNPICKLED = """
with open(sys.argv[1], "rb") as file:
    camera = pickle.load(file)
"""
CHANGED = """
assert sys.modules["ultralytics"]
changed = [a for a, b in zip(before, settings()) if a != b]
assert not changed, changed
print(tuple(camera(torch.rand(1, 3, 32, 128)).shape))
"""


@pytest.fixture(scope="module")
def frames() -> dict[str, Any]:
    return simulate(8, seed=3)


@pytest.fixture
def camera() -> YoloCamera:
    return YoloCamera(seed=1)


@needs_yolo
@pytest.mark.slow
@pytest.mark.parametrize("way", [BUILT, UNPICKLED], ids=["built", "unpickled"])
def test_a_new_process_writes_no_file_asks_no_network_and_changes_no_setting(
    camera: YoloCamera, tmp_path: Path, way: str
) -> None:
    home, pickled = tmp_path / "home", tmp_path / "camera.pickle"
    home.mkdir()
    pickled.write_bytes(pickle.dumps(camera))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("YOLO_", "XDG_"))}
    paths = {"PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{REPOSITORY}", "HOME": str(home), "TMPDIR": str(home)}
    run = subprocess.run(
        [sys.executable, "-c", ALONE + way + CHANGED, str(pickled)],
        cwd=REPOSITORY, env={**kept, **paths}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout == "(1, 6, 8, 32)\n"
    assert [path for path in home.rglob("*") if "torch" not in path.name] == []


@needs_yolo
def test_it_answers_the_same_grid_as_the_compact_camera_in_training_and_evaluation(
    camera: YoloCamera, frames: dict[str, Any]
) -> None:
    expected = CameraNet()(frames["image"]).shape
    assert camera.train()(frames["image"]).shape == expected
    assert camera.eval()(frames["image"]).shape == expected
    assert camera(frames["image"]).isfinite().all()


@needs_yolo
def test_untrained_boxes_have_the_size_of_a_cone_and_stand_in_their_cells(
    camera: YoloCamera, frames: dict[str, Any]
) -> None:
    x, y, width, height = decoded(camera.eval()(frames["image"])).unbind(dim=1)
    assert 4 < width.median() < 12
    assert 4 < height.median() < 12
    assert (x[:, 0, 0] < 8).all()
    assert (x[:, 0, -1] > 120).all()
    assert (y[:, -1] > 24).all()


@needs_yolo
def test_the_same_seed_gives_the_same_weights_and_leaves_the_generator_alone() -> None:
    before = torch.get_rng_state()
    first, again, other = YoloCamera(seed=4), YoloCamera(seed=4), YoloCamera(seed=5)
    assert torch.equal(before, torch.get_rng_state())
    weights = [model.network.model[0].conv.weight for model in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@needs_yolo
def test_a_coarse_box_goes_to_the_cell_of_its_centre_and_the_surest_stays(camera: YoloCamera) -> None:
    image = torch.rand(1, 3, 32, 128)
    with torch.no_grad():
        raw = camera.eval().raw(image)
    coarse = 8 * 32 + 3 * 16 + 5  # row 3, column 5 of the middle level: finest rows 6-7, columns 10-11
    raw["scores"][0, :, coarse] = torch.tensor([-9.0, 6.0])
    camera.raw = lambda _: raw  # type: ignore[method-assign]
    grid = camera(image)[0].detach()
    row, column = divmod(int(grid[0].argmax()), 32)
    assert row in (6, 7)
    assert column in (10, 11)
    assert grid[0, row, column] == pytest.approx(6.0, abs=1e-4)
    assert grid[1, row, column] == pytest.approx(15.0)
    assert (grid[2:4, row, column].abs() <= 0.5).all()


@needs_yolo
def test_the_gradient_of_the_end_loss_reaches_the_first_layer(camera: YoloCamera, frames: dict[str, Any]) -> None:
    perception = build(camera=camera).train()
    sum(cone_loss(perception(frames["image"], frames["scan"]), frames["cones"]).values()).backward()
    gradient = camera.network.model[0].conv.weight.grad
    assert gradient is not None
    assert gradient.isfinite().all()
    assert gradient.norm() > 0
    backbone = [weight for layer in camera.network.model[:10] for weight in layer.parameters()]
    assert all(weight.grad is not None and weight.grad.any() for weight in backbone)


@needs_yolo
@pytest.mark.parametrize(
    "pattern",
    [SimultaneousEndLoss(cone_loss), PartialEndLoss("camera", cone_loss), Individual({"boxes": box_loss})],
    ids=["simultaneous", "partial", "individual"],
)
def test_a_few_iterations_of_every_pattern_lower_the_training_loss(
    camera: YoloCamera, frames: dict[str, Any], pattern: Any
) -> None:
    report = fit(build(camera=camera), frames, pattern, epochs=4, batch_size=8, seed=0)
    assert report.history[-1]["loss"] < report.history[0]["loss"]
    assert report.updates["camera"] == 4


@needs_yolo
def test_a_copy_and_a_pickle_answer_the_same_and_stand_alone(camera: YoloCamera, frames: dict[str, Any]) -> None:
    camera.eval()
    expected = camera(frames["image"])
    copied, pickled = copy.deepcopy(camera), pickle.loads(pickle.dumps(camera))
    with torch.no_grad():
        camera.network.model[0].conv.weight.zero_()
    for other in (copied, pickled):
        torch.testing.assert_close(other(frames["image"]), expected, rtol=0, atol=0)
    assert not torch.equal(camera(frames["image"]), expected)


@needs_yolo
def test_pictures_of_other_sizes_are_refused_with_what_would_fit(camera: YoloCamera) -> None:
    with pytest.raises(ValueError, match="30 x 128 pixels; sides have to be multiples of 16"):
        camera(torch.rand(1, 3, 30, 128))


def test_classes_without_a_colour_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"lack \['yellow'\]"):
        YoloCamera(classes=("blue",))


def test_without_the_package_the_line_to_install_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("ultralytics")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "drivetrain\[yolo\]"'):
        YoloCamera()


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
@pytest.mark.slow
def test_two_steps_on_recorded_tiles_answer_a_report(recorded_data: Any) -> None:
    report = train_on_fs_cones(recorded_data("fs_cones"), epochs=2, limit=8, scored=1)
    assert report.iterations == 2
    assert len(report.losses) == 2
    assert all(np.isfinite(report.losses))
    assert set(report.f1) <= {"orange", "blue", "yellow"}
    assert all(0 <= value <= 1 for value in (*report.f1.values(), *report.average_precision.values()))
    assert "AP at IoU .5" in str(report)


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
