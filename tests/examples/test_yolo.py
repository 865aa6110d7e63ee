"""YOLOv5n stands where the race car's camera stands, and the end loss trains it."""

from __future__ import annotations

import copy
import importlib.util
import os
import pickle
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from drivetrain import component, fit
from drivetrain.training import AlternatingEndLoss, Individual, PartialEndLoss, SimultaneousEndLoss
from drivetrain.training.base import State
from examples.race_car.losses import box_loss, cone_loss
from examples.race_car.models import CameraNet, decoded
from examples.race_car.simulation import simulate
from examples.race_car.system import build
from examples.race_car.yolo import YoloCamera

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
def test_replacing_the_compact_camera_builds_the_same_system(camera: YoloCamera, frames: dict[str, Any]) -> None:
    built, replaced = build(3, camera=camera), build(3).replace(camera=component("camera", camera, "image -> boxes"))
    inputs = frames["image"], frames["scan"]
    assert torch.equal(built.eval()(*inputs), replaced.eval()(*inputs))
    assert replaced.component("camera").thing is camera


@needs_yolo
@pytest.mark.slow
def test_out_of_turn_yolo_stays_bitwise_still_with_its_batch_norms(camera: YoloCamera, frames: dict[str, Any]) -> None:
    turns: list[tuple[str, dict[str, torch.Tensor]]] = []

    def in_turn(state: State) -> str:
        turns.append((("lidar", "camera")[len(turns) % 2], copy.deepcopy(camera.state_dict())))
        return turns[-1][0]

    fit(build(camera=camera), frames, AlternatingEndLoss(cone_loss, order=in_turn), epochs=4, batch_size=4, seed=0)
    assert [name for name, _ in turns[:8]] == ["lidar", "camera"] * 4
    norm = "network.model.0.bn.running_mean"
    for (name, before), (_, after) in pairwise(turns):
        changed = {key for key in before if not torch.equal(before[key], after[key])}
        if name == "lidar":
            assert changed == set()
        else:
            assert {norm, "network.model.0.bn.num_batches_tracked", "network.model.0.conv.weight"} <= changed


@needs_yolo
def test_batch_norms_follow_a_short_training_where_those_of_the_package_lag(frames: dict[str, Any]) -> None:
    def lag(momentum: float | None) -> float:
        """How much of a batch norm's mean is still missing after twenty readings of the same pictures, at worst."""
        camera = YoloCamera(seed=1).train()
        norms = [layer for layer in camera.modules() if isinstance(layer, nn.BatchNorm2d)]
        for layer in norms:
            layer.momentum = momentum or layer.momentum
        with torch.no_grad():
            for _ in range(20):
                camera(frames["image"][:2])
            kept = [layer.running_mean.clone() for layer in norms]
            for layer in norms:
                layer.momentum = 1.0  # the next reading alone counts
            camera(frames["image"][:2])
        return max(float((old - n.running_mean).norm() / n.running_mean.norm()) for old, n in zip(kept, norms))

    assert lag(None) < 0.15
    assert lag(momentum=0.03) > 0.5  # as ultralytics builds it


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
