"""The real race car: its recordings are read as they are, split by layout, and scored by the fixed rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from drivetrain import fit
from drivetrain.training import Individual, SimultaneousEndLoss
from examples.race_car import real
from examples.race_car.real.audit import register
from examples.race_car.real.augmentation import mirrored, turned
from examples.race_car.real.candidates import candidates
from examples.race_car.real.committee import committee
from examples.race_car.real.dataset import YELLOW
from examples.race_car.real.fusion import doubled, fuse
from examples.race_car.real.models import NOMINAL_POSE, project, to_ground
from examples.race_car.real.relaxation import relaxed_fuse
from examples.race_car.real.scan import beam_angles, make_scan
from examples.race_car.real.scoring import judge
from examples.race_car.real.sessions import parse_labels, parse_metadata

SESSION = "camera_estoril_small"
CONE = "yellow_cone 0.00 0 0.00 0.00 0.00 0.00 0.00 0.358 0.251 0.251 8.000 -1.500 -0.971 0.00"
MATCHED = "blue_cone 0.00 0 0.00 900.00 600.00 950.00 670.00 0.358 0.251 0.251 6.000 1.500 -0.971 0.00"
BOX_WITHOUT_ALPHA = "orange_cone 0.00 0 100.000 200.000 140.000 260.000 0.00 0.00 0.00 0.00 0.00 0.00 0.00"

needs_recordings = pytest.mark.skipif(
    not (real.recordings_path() / "labels").is_dir(),
    reason="the real recordings are not here: set DRIVETRAIN_DATA to the folder that holds fskitti/ "
    "(docs/race-car-real.md says where they come from)",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A made-up session of three frames in the format of the recordings, without 1-D scans."""
    generator = np.random.default_rng(0)
    for name in ("labels", "points", "metadata"):
        (tmp_path / name).mkdir()
    (tmp_path / "labels" / SESSION).mkdir()
    frames, entries = {}, []
    for frame in range(3):
        number = f"{frame:07d}"
        (tmp_path / "labels" / SESSION / f"{number}.txt").write_text(f"{MATCHED}\n{CONE}\n")
        frames[number] = made_up_points(generator)
        image = f', "image": {{"file": "images/{number}.png"}}' if frame else ""
        entries.append(f'{{"id": {frame}, "odom": {{"timestamp": {frame}.5, "x": 1.0, "y": 2.0, "yaw": 0.1}}{image}}}')
    np.savez(tmp_path / "points" / f"{SESSION}.npz", **frames)
    text = '{"info": {}, "data": [\n{"info": {}, "data": [\n' + entries[0] + ",\n" + ",\n".join(entries) + "\n]}"
    (tmp_path / "metadata" / f"{SESSION}.json").write_text(text)
    return tmp_path


def made_up_points(generator: np.random.Generator) -> np.ndarray:
    """Flat ground 0.95 m below the sensor, and a cone at (6, 1.5) and at (8, -1.5)."""
    ground = np.column_stack([generator.uniform(1, 20, 4000), generator.uniform(-10, 10, 4000), np.full(4000, -0.95)])
    cones = [
        np.column_stack(
            [generator.normal(x, 0.03, 60), generator.normal(y, 0.05, 60), generator.uniform(-0.85, -0.6, 60)]
        )
        for x, y in ((6.0, 1.5), (8.0, -1.5))
    ]
    places = np.concatenate([ground, *cones])
    return np.column_stack([places, generator.uniform(0, 20, len(places))]).astype(np.float16)


def test_a_session_that_is_not_in_the_shared_data_loads_and_its_scan_is_made_from_points(folder: Path) -> None:
    data = real.load(SESSION, folder)
    assert data["scan"].shape == (3, 4, 720)
    assert data["picture"].shape == (3, 18, 720)
    assert (data["hits"] == 1).sum(1).min() > 0
    assert data["layout"] == [SESSION] * 3
    assert data["key"][0] == f"{SESSION}/0000000"
    torch.testing.assert_close(data["cones"][0], torch.tensor([[6.0, 1.5, 0.0], [8.0, -1.5, 1.0]]))


def test_a_folder_of_recordings_and_a_folder_of_labels_name_sessions(folder: Path) -> None:
    (session,) = real.sessions_at(folder)
    assert session == str(folder / "labels" / SESSION)
    assert real.sessions_at(session) == [session]
    with pytest.raises(real.RecordingError, match=r"found no folder.*RECORDINGS/labels/NAME"):
        real.sessions_at(folder / "nowhere")
    with pytest.raises(real.RecordingError, match=rf"found a folder with {SESSION}.*"):
        real.sessions_at(folder / "points")


def test_a_session_is_found_by_the_path_of_its_labels(folder: Path) -> None:
    by_path = real.load(str(folder / "labels" / SESSION))
    torch.testing.assert_close(by_path["scan"], real.load(SESSION, folder)["scan"])


def test_the_system_runs_on_an_unseen_session_and_answers_a_fixed_shape(folder: Path) -> None:
    data = real.load(SESSION, folder)
    system = real.build().eval()
    assert system(*(data[name] for name in system.inputs)).shape == (3, 128, 4)


def test_lines_without_alpha_are_read_like_the_others() -> None:
    cones, matched, boxes = parse_labels(f"{CONE}\n{MATCHED}\n{BOX_WITHOUT_ALPHA}\n")
    np.testing.assert_allclose(boxes[:, :4], [[900, 600, 950, 670], [100, 200, 140, 260]])
    np.testing.assert_allclose(cones, [[8, -1.5, 1], [6, 1.5, 0]])
    np.testing.assert_array_equal(matched, [np.nan, 0])
    assert np.isnan(boxes[1, 4]), "orange says that a cone is there and not which colour"


def test_metadata_with_a_repeated_block_is_read_and_the_last_entry_of_a_frame_wins() -> None:
    first = '{"id": 0, "odom": {"timestamp": 1.0, "x": 5.0, "y": 0.0, "yaw": 0.0}},'
    again = '{"id": 0, "odom": {"timestamp": 1.0, "x": -6.5e-1, "y": 0.0, "yaw": 0.5}, "image": {"file": "a.png"}}'
    found = parse_metadata(
        '{"info": {}, "data": [\n' + first + '\n{"info": {}, "data": [\n{"id": 0, "odom": {"times\n' + again
    )
    np.testing.assert_allclose(found[0][0], [1.0, -0.65, 0.0, 0.5])
    assert found[0][1]


def test_absent_boxes_are_not_empty_boxes(folder: Path) -> None:
    (folder / "labels" / SESSION / "0000000.txt").write_text(CONE)
    (folder / "labels" / SESSION / "0000001.txt").write_text(CONE)
    present = real.load(SESSION, folder)["recorded"][:, :, 5]
    assert (present[0] == -1).all(), "no picture was recorded"
    assert (present[1] == 0).all(), "a picture was recorded, and the detector found nothing"


def test_a_cone_that_the_lidar_did_not_see_or_of_unknown_colour_is_ignored(folder: Path) -> None:
    far, unseen, orange = (
        CONE.replace("8.000", "16.00"),
        CONE.replace("8.000", "10.00"),
        CONE.replace("yellow", "orange"),
    )
    (folder / "labels" / SESSION / "0000000.txt").write_text(f"{CONE}\n{far}\n{unseen}\n{orange}")
    assert real.load(SESSION, folder)["cones"][0][:, 2].isnan().tolist() == [False, True, True, True]


def test_no_recordings_say_what_is_missing_and_where_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(real.RecordingError, match=r"no recordings of the real race car.*FSKITTI.*DRIVETRAIN_DATA"):
        real.load(path=tmp_path)


def test_an_unknown_session_lists_those_that_are_there(folder: Path) -> None:
    with pytest.raises(real.RecordingError, match=f"no session 'monza'.*{SESSION}"):
        real.load("monza", folder)


def test_missing_points_are_named(folder: Path) -> None:
    (folder / "points" / f"{SESSION}.npz").unlink()
    with pytest.raises(real.RecordingError, match=rf"{SESSION}\.npz is missing.*FSKITTI"):
        real.load(SESSION, folder)


def test_damaged_points_are_named(folder: Path) -> None:
    file = folder / "points" / f"{SESSION}.npz"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(real.RecordingError, match=rf"{SESSION}\.npz is damaged"):
        real.load(SESSION, folder)


def test_a_frame_without_points_is_named(folder: Path) -> None:
    (folder / "labels" / SESSION / "0000009.txt").write_text(CONE)
    with pytest.raises(real.RecordingError, match="no frame '0000009'"):
        real.load(SESSION, folder)


def test_a_damaged_label_is_named_by_file_and_line(folder: Path) -> None:
    (folder / "labels" / SESSION / "0000001.txt").write_text(CONE + "\nyellow_cone 0.00 0\n")
    with pytest.raises(real.RecordingError, match=r"0000001\.txt, line 2: found 'yellow_cone 0\.00 0'"):
        real.load(SESSION, folder)


def test_a_label_that_is_not_finite_is_named_by_file_and_line(folder: Path) -> None:
    (folder / "labels" / SESSION / "0000001.txt").write_text(CONE.replace("8.000", "nan"))
    with pytest.raises(real.RecordingError, match=r"0000001\.txt, line 1:.*not finite"):
        real.load(SESSION, folder)


def test_missing_metadata_is_no_obstacle(folder: Path) -> None:
    (folder / "metadata" / f"{SESSION}.json").unlink()
    assert len(real.load(SESSION, folder)["key"]) == 3


def test_splits_never_share_a_layout() -> None:
    sessions = [
        "camera_alverca_autox_april1",
        "camera_alverca_autox_april3",
        "camera_alverca_autox_may2",
        "camera_estoril_autox1",
    ]
    splits = real.leave_one_layout_out([*sessions, "new"])
    assert [layout for layout, _, _ in splits] == ["april", "may", "estoril1", "new"]
    for _, others, own in splits:
        assert not {real.layout_of(name) for name in others} & {real.layout_of(name) for name in own}
        assert sorted(others + own) == sorted([*sessions, "new"])


def test_nothing_here_is_presented_as_a_persons_label() -> None:
    assert set(real.ORIGINS.values()) == {"machine", "derived"}
    assert real.ORIGINS["boxes"] == "machine"
    assert {edge: label.origin for edge, label in real.labels().items()} == real.ORIGINS


def test_what_is_projected_to_the_picture_comes_back_to_the_ground() -> None:
    places = torch.tensor([[5.0, 1.0], [12.0, -4.0]])
    pose = torch.tensor(NOMINAL_POSE) + 0.05
    feet = project(pose[None, :, None], places[None, :, 0], places[None, :, 1])[0].T
    torch.testing.assert_close(to_ground(pose, feet), places, rtol=1e-4, atol=1e-4)


def test_calibration_finds_the_pose_of_each_rig_it_has_matches_for_and_of_no_other() -> None:
    pose = torch.tensor(NOMINAL_POSE) + torch.tensor([0.05, 0.02, -0.05, 0.01, 0.1, 0.0, 0.0])
    scan = torch.zeros(1, 3, 720)
    scan[:, 0], scan[:, 2] = torch.linspace(3, 15, 720), 1.0
    angles = torch.as_tensor(beam_angles())
    feet = project(pose[None, :, None], scan[:, 0] * angles.cos(), scan[:, 0] * angles.sin())
    feet[:, :, angles.abs() > 0.5] = torch.nan
    found = real.calibrate({"scan": scan, "feet": feet, "rig": torch.tensor([1])})
    assert set(found) == {"alverca"}
    again = project(torch.tensor(found["alverca"])[None, :, None], scan[:, 0] * angles.cos(), scan[:, 0] * angles.sin())
    assert (again - feet)[feet.isfinite()].abs().max() < 0.01


def test_a_mirrored_scene_is_the_scene_of_the_mirrored_cones(folder: Path) -> None:
    data = real.load(SESSION, folder)
    one = {
        name: data[name][0]
        for name in ("scan", "picture", "recorded", "hits", "tints", "feet", "boxes", "cones", "rig")
    }
    twice = mirrored(mirrored(one))
    torch.testing.assert_close(twice["cones"], one["cones"])
    torch.testing.assert_close(twice["tints"], one["tints"], equal_nan=True)
    changed = mirrored(one)
    angles = torch.as_tensor(beam_angles())
    yellow = changed["tints"] == YELLOW
    assert yellow.any()
    assert (changed["scan"][0] * angles.sin())[yellow].max() < 0, (
        "the blue cone on the left is a yellow one on the right"
    )
    assert (changed["recorded"][:, 5] == -1).all()


def test_a_turned_scene_keeps_its_cones_on_its_beams(folder: Path) -> None:
    data = real.load(SESSION, folder)
    one = {
        name: data[name][0]
        for name in ("scan", "picture", "recorded", "hits", "tints", "feet", "boxes", "cones", "rig")
    }
    changed = turned(one, 40)
    angles = torch.as_tensor(beam_angles())
    hit = changed["hits"] == 1
    ends = torch.stack([changed["scan"][0] * angles.cos(), changed["scan"][0] * angles.sin()], dim=1)[hit]
    assert torch.cdist(ends, changed["cones"][:, :2]).amin(1).max() < 0.36


def test_the_same_seed_gives_the_same_copies(folder: Path) -> None:
    data = real.load(SESSION, folder)
    first, second, other = (real.augment(data, 2, seed) for seed in (0, 0, 1))
    assert len(first["key"]) == 9
    torch.testing.assert_close(first["scan"], second["scan"])
    assert not torch.equal(first["scan"], other["scan"])


def test_the_colours_of_a_mirrored_scene_are_swapped_without_having_been_learned(folder: Path) -> None:
    data = real.load(SESSION, folder)
    model = real.build(seed=3).component("intensity").thing.eval()
    dark = data["picture"].clone()
    dark[:, :9] = 0.0  # a stripe cannot be mirrored
    with torch.no_grad():
        here, mirror = model(dark, data["scan"]), model(dark.flip(-1), data["scan"].flip(-1)).flip(-1)
    on_cone = data["hits"] == 1
    assert on_cone.any()
    for now, then in ((0, 0), (1, 2), (2, 1)):
        torch.testing.assert_close(here[:, now][on_cone], mirror[:, then][on_cone], atol=1e-4, rtol=1e-4)


def test_all_beams_of_a_candidate_get_its_logit_and_others_a_low_one(folder: Path) -> None:
    data = real.load(SESSION, folder)
    seen = candidates(data["scan"])
    numbers = torch.arange(seen.present.shape[1], dtype=torch.float32).expand(3, 1, -1)
    beams = seen.to_beams(numbers, -6.0)[:, 0]
    torch.testing.assert_close(seen.mean(beams[:, None])[:, :, 0][seen.present], numbers[:, 0][seen.present])
    assert (beams[seen.slot < 0] == -6.0).all()


def test_candidates_of_a_frame_do_not_depend_on_the_frames_beside_it(folder: Path) -> None:
    data = real.load(SESSION, folder)
    model = real.build(seed=3).component("lidar").thing.eval()
    with torch.no_grad():
        together, empty = model(torch.cat([data["scan"], torch.zeros(1, 4, 720)]))[:3], model(torch.zeros(1, 4, 720))
        torch.testing.assert_close(together[:1], model(data["scan"][:1]), atol=1e-4, rtol=1e-4)
    assert (empty == -6.0).all(), "a scan without returns has no cone"


def test_a_colour_that_the_camera_saw_reaches_the_intensity_model(folder: Path) -> None:
    data = real.load(SESSION, folder)
    model = real.build(seed=3).component("intensity").thing.eval()
    feet, boxes = data["feet"], data["boxes"].clone()
    matched = torch.isfinite(feet[:, 0])
    assert matched.any(dim=1).all()
    leanings = []
    for yellow in (0.0, 1.0):
        boxes[:, :, 4] = yellow
        with torch.no_grad():
            tints = model(data["picture"], data["scan"], feet, boxes)
        leanings.append((tints[:, 2] - tints[:, 1])[matched].mean())
    assert leanings[0] + 2 < leanings[1]


def test_of_two_cones_that_are_nearer_than_cones_stand_the_less_certain_goes() -> None:
    place, belief = np.array([[5.0, 1.0], [5.3, 1.0], [5.8, 1.0]]), np.array([1.0, 2.0, 0.5])
    assert doubled(place, belief, 0.6).tolist() == [True, False, True]
    assert doubled(place, belief, 0.4).tolist() == [True, False, False]


def test_a_rig_that_was_not_calibrated_places_no_box(folder: Path) -> None:
    data = real.load(SESSION, folder)
    system = real.build({"alverca": NOMINAL_POSE})
    assert system.component("projection")(data["scan"], data["rig"]).isnan().all()
    assert system(*(data[name] for name in system.inputs)).isfinite().all()


def test_a_committee_answers_with_the_mean_of_its_members(folder: Path) -> None:
    data = real.load(SESSION, folder)
    one, other = real.build(seed=1).eval(), real.build(seed=2).eval()
    both = committee([one, other]).eval()
    values = [system.trace({name: data[name] for name in system.inputs}) for system in (one, other, both)]
    for edge in ("hits", "tints"):
        torch.testing.assert_close(values[2][edge], (values[0][edge] + values[1][edge]) / 2, atol=1e-5, rtol=1e-4)
    assert committee([one]) is one


def slots(*cones: tuple[float, float, float, float]) -> torch.Tensor:
    return torch.cat([torch.tensor(cones), torch.zeros(4, 4)])


def test_a_wrong_colour_is_one_invented_and_one_missed_cone() -> None:
    truth = torch.tensor([[5.0, 1.0, 1.0]])
    for yellow, right in ((0.9, 2.0), (0.1, 0.0)):
        top, bottom = real.cone_f1()(slots((5.1, 1.0, 0.9, yellow))[None], [truth])
        assert (top.item(), bottom.item()) == (right, 2.0)


def test_an_ignored_cone_excuses_one_prediction_and_no_second_one() -> None:
    verdict = judge(slots((5.1, 1.0, 0.9, 0.9), (5.2, 1.0, 0.9, 0.9)), torch.tensor([[5.0, 1.0, torch.nan]]))
    assert verdict.dropped.tolist() == [True, False]


def test_predictions_beyond_fifteen_metres_are_dropped_unless_they_find_a_cone() -> None:
    verdict = judge(slots((15.1, 0.0, 0.9, 0.9), (15.1, 3.0, 0.9, 0.9)), torch.tensor([[14.9, 0.0, 1.0]]))
    assert verdict.partner.tolist() == [0, -1]
    assert verdict.dropped.tolist() == [False, True]


def test_the_end_loss_neither_rewards_nor_punishes_what_is_ignored() -> None:
    truth = [torch.tensor([[5.0, 1.0, 1.0], [8.0, 1.0, torch.nan]])]
    for existence in (0.1, 0.9):
        prediction = slots((5.0, 1.0, 0.9, 0.9), (8.1, 1.0, existence, 0.5))[None].requires_grad_()
        (gradient,) = torch.autograd.grad(sum(real.cone_loss(prediction, truth).values()), prediction)
        assert gradient[0, 0].abs().sum() > 0
        assert gradient[0, 1].abs().sum() == 0


def certain(data: dict[str, Any]) -> dict[str, torch.Tensor]:
    """What perfect LiDAR models would say."""
    from examples.race_car.real.system import encode_hits, encode_tints

    feet = torch.full((len(data["key"]), 2, 720), torch.nan)
    return {
        "hits": encode_hits(data["hits"]),
        "tints": encode_tints(data["tints"]),
        "feet": feet,
        "boxes": data["boxes"],
    }


@pytest.mark.parametrize("fusion", [fuse, relaxed_fuse])
def test_perfect_models_give_perfect_cones_through_both_fusions(folder: Path, fusion: Any) -> None:
    data = real.load(SESSION, folder)
    cones = fusion(data["scan"], **certain(data))
    assert cones.shape == (3, 128, 4)
    top, bottom = real.cone_f1()(cones, data["cones"])
    assert (top.sum() / bottom.sum()).item() == 1.0


def test_the_end_loss_reaches_every_model_through_the_relaxation(folder: Path) -> None:
    data = real.load(SESSION, folder)
    values = certain(data)
    hits, tints = values["hits"].requires_grad_(), values["tints"].requires_grad_()
    angles = torch.as_tensor(beam_angles())
    pose = torch.tensor(NOMINAL_POSE).requires_grad_()
    feet = project(
        pose[None, :, None].expand(3, -1, -1), data["scan"][:, 0] * angles.cos(), data["scan"][:, 0] * angles.sin()
    )
    foot = feet[0, :, (data["hits"][0] == 1) & (data["scan"][0, 0] < 7)].mean(1).detach()  # near the first cone
    middle = torch.tensor([1024.0, 768.0]) + 1024 * foot + torch.tensor([10.0, 0.0])
    boxes = data["boxes"].clone()
    boxes[:, :, 5] = 0
    boxes[:, 0] = torch.tensor([middle[0] - 20, middle[1] - 50, middle[0] + 20, middle[1], 0.0, 1.0])
    cones = relaxed_fuse(data["scan"], hits, tints, feet, boxes)
    sum(real.cone_loss(cones, data["cones"]).values()).backward()
    for leaf in (hits, tints, pose):
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
        assert leaf.grad.abs().sum() > 0


def test_the_system_trains_by_individual_and_by_end_loss(folder: Path) -> None:
    data = real.load(SESSION, folder)
    system = real.build(seed=1)
    losses = {"hits": real.hit_loss, "tints": real.tint_loss, "feet": real.foot_loss}
    fit(system, data, Individual(losses), epochs=1, batch_size=2, seed=0)
    before = {name: value.clone() for name, value in system.state_dict().items()}
    fit(system, data, SimultaneousEndLoss(real.cone_loss), epochs=1, batch_size=2, seed=0)
    assert any(not torch.equal(before[name], value) for name, value in system.state_dict().items())
    assert all(value.isfinite().all() for value in system.state_dict().values())


def test_labels_of_two_frames_are_registered_on_one_another() -> None:
    generator = np.random.default_rng(3)
    cones = generator.uniform(0, 30, (20, 2)).astype(np.float32)
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = register(cones, (cones @ turn.T + [2.0, -1.0]).astype(np.float32))
    assert moved is not None
    np.testing.assert_allclose(moved, cones @ turn.T + [2.0, -1.0], atol=0.01)
    assert register(cones[:4], cones) is None


def test_a_scan_without_any_point_is_empty() -> None:
    scan = make_scan(np.zeros((0, 4), dtype=np.float32))
    assert np.isinf(scan.ranges).all()


@needs_recordings
def test_every_recorded_frame_is_read() -> None:
    sizes = {name: len(real.read_session(name)) for name in real.session_names()}
    assert sizes["camera_alverca_autox_april1"] == 35
    assert sum(sizes.values()) >= 267
    assert all(frame.odometry is not None for frame in real.read_session("camera_estoril_autox1"))
    boxes = [len(frame.boxes) for frame in real.read_session("camera_alverca_autox_may2")]
    assert sum(boxes) == 545, "also the boxes of the lines without alpha"


@needs_recordings
def test_scans_made_from_points_agree_with_the_recorded_ones_within_reach() -> None:
    with np.load(real.recordings_path() / "scans_1d.npz") as arrays:
        row = list(arrays["frame"]).index("camera_estoril_autox2/0000020")
        recorded = arrays["ranges"][row]
    with np.load(real.recordings_path() / "points" / "camera_estoril_autox2.npz") as clouds:
        made = make_scan(clouds["0000020"].astype(np.float32)).ranges
    near = recorded < 15
    assert (np.abs(made[near] - recorded[near]) < 0.1).mean() > 0.85


@needs_recordings
def test_calibration_on_other_sessions_places_the_boxes_of_a_session_that_it_never_saw() -> None:
    poses = real.calibrate(real.load(["camera_alverca_autox_may1", "camera_estoril_autox2"]))
    unseen = real.load("camera_estoril_autox1")
    system = real.build(poses)
    feet = system.component("projection")(unseen["scan"], unseen["rig"]).detach()
    error = 1024 * (feet - unseen["feet"]).norm(dim=1)
    assert error[error.isfinite()].median() < 30  # pixels of 2048


def unseen(folder: Path, name: str) -> Path:
    """The made-up session under another name: what somebody else's recordings look like."""
    for kind, ending in (("labels", ""), ("points", ".npz"), ("metadata", ".json")):
        (folder / kind / f"{SESSION}{ending}").rename(folder / kind / f"{name}{ending}")
    return folder / "labels" / name


def run_on(*arguments: object) -> Any:
    from typer.testing import CliRunner

    from examples.race_car.real.__main__ import app

    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_says_what_a_session_is_where_there_is_none(folder: Path) -> None:
    result = run_on(folder / "points")
    assert result.exit_code == 1
    assert "RECORDINGS/labels/NAME" in " ".join(result.output.split())


def test_the_command_names_the_damage_of_a_session_before_it_trains(folder: Path) -> None:
    (folder / "labels" / SESSION / "0000002.txt").write_text("blue_cone 1 2\n")
    result = run_on(folder)
    assert result.exit_code == 1
    assert "0000002.txt, line 1: found 'blue_cone 1 2'" in " ".join(result.output.split())
    assert "training on" not in result.output


def test_the_command_lists_the_patterns(folder: Path) -> None:
    result = run_on(folder, "--pattern", "guessing")
    assert result.exit_code == 2
    assert "individual-simultaneous" in result.output


@pytest.mark.timeout(300)
def test_the_command_judges_a_session_of_an_unknown_rig_by_one_that_it_trained_on(tmp_path: Path, folder: Path) -> None:
    import shutil

    theirs = unseen(Path(shutil.copytree(folder, tmp_path / "theirs")), "camera_monza_trackdrive")
    result = run_on(theirs, "--path", folder, "--epochs", 2, "--members", 1, "--weights", tmp_path / "car")
    words = " ".join(result.output.split())
    assert result.exit_code == 0, result.output
    assert "camera_monza_trackdrive: no camera rig in its name (there are: estoril, alverca)" in words
    assert "If you know the rig, add --rig NAME" in words
    assert f"training on 1 sessions: {SESSION}" in words
    for row in ("0.3 m", "0.5 m", "0.75 m", "1 m", "inventions"):
        assert row in words
    again = run_on(
        theirs, "--path", folder, "--epochs", 2, "--members", 1, "--weights", tmp_path / "car", "--rig", "estoril"
    )
    assert "weights are those of" in " ".join(again.output.split())
    assert "no camera rig" not in again.output
    refused = run_on(theirs, "--path", folder, "--rig", "monza")
    assert refused.exit_code == 2
    assert "estoril, alverca" in refused.output


def test_a_session_that_was_trained_on_is_left_out_of_training(folder: Path) -> None:
    result = run_on(folder, "--path", folder)
    assert result.exit_code == 1
    assert "no session to train on" in " ".join(result.output.split())


@needs_recordings
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_session_under_another_name_and_without_a_scan_file_is_judged_as_well(tmp_path: Path) -> None:
    import shutil

    name, root = "camera_estoril_autox2", real.recordings_path()
    theirs = tmp_path / "labels" / "camera_estoril_unseen"
    shutil.copytree(root / "labels" / name, theirs)
    for kind, ending in (("points", ".npz"), ("metadata", ".json")):
        (tmp_path / kind).mkdir()
        shutil.copy(root / kind / f"{name}{ending}", tmp_path / kind / f"camera_estoril_unseen{ending}")
    from examples.race_car.real.baseline import train
    from examples.race_car.real.judging import SCORES, judged

    system = train(real.load(["camera_estoril_autox1", "camera_alverca_autox_may2"]), epochs=4)
    found = judged(system, str(theirs))
    assert found.session == "camera_estoril_unseen"
    total = found.units["0.5 m"].sum(0)
    assert SCORES["F1"](total) > 0.7
    assert SCORES["position error (m)"](total) < 0.15


@needs_recordings
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_quick_training_finds_cones_on_a_layout_that_it_never_saw() -> None:
    from examples.race_car.real.baseline import train
    from examples.race_car.real.judging import predict

    system = train(real.load(["camera_estoril_autox1", "camera_alverca_autox_may2"]), epochs=6)
    test = real.load("camera_estoril_autox2")
    top, bottom = real.cone_f1()(predict(system, test), test["cones"])
    assert top.sum() / bottom.sum() > 0.6
