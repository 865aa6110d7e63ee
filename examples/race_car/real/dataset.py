"""Turns recorded sessions into what `fit` and `evaluate` take: inputs, truths by edge, and their origins."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from examples.race_car.real.scan import BEAMS, LABEL_RADIUS, Array, beam_angles, in_car_body
from examples.race_car.real.sessions import Frame, RecordingError, read_session, session_names

NEAREST, FARTHEST = 1.0, 15.0  # metres; rules.md, "View"
BOXES = 64  # rows kept for boxes; the fullest recorded picture has 38
BOX_FIELDS = ("left", "top", "right", "bottom", "yellow", "present")
PICTURE_SIZE = (2048.0, 1536.0)  # pixels
NOTHING, BLUE, YELLOW = 0.0, 1.0, 2.0  # classes of a beam on the edge `tints`

RIGS = ("estoril", "alverca")
LAYOUTS = {
    "camera_alverca_autox_april1": "april",
    "camera_alverca_autox_april2": "april",
    "camera_alverca_autox_april3": "april",
    "camera_alverca_autox_may1": "may",
    "camera_alverca_autox_may2": "may",
    "camera_estoril_autox1": "estoril1",
    "camera_estoril_autox2": "estoril2",
}

ORIGINS = {  # who says so; nothing here was drawn by a person frame by frame
    "cones": "derived",  # from the cone map and odometry
    "hits": "derived",  # from the cones
    "tints": "derived",  # from the cones
    "boxes": "machine",  # a YOLO detector
    "feet": "machine",  # the detector's boxes, matched to cones by the recording tool
}


def sessions_at(path: str | os.PathLike[str]) -> list[str]:
    """The sessions at a path, as `load` takes them: a folder of recordings has several, a folder of labels is one."""
    folder = Path(path)
    if (folder / "labels").is_dir():
        return [str(folder / "labels" / name) for name in session_names(folder)]
    if folder.is_dir() and folder.resolve().parent.name == "labels":
        return [str(folder.resolve())]
    inside = ", ".join(sorted(one.name for one in folder.iterdir())[:6]) if folder.is_dir() else ""
    found = f"a folder with {inside or 'nothing in it'}" if folder.is_dir() else "no folder"
    raise RecordingError(
        f"{path}: found {found}. A session is a folder of labels, RECORDINGS/labels/NAME, beside "
        "RECORDINGS/points/NAME.npz and, if there are, RECORDINGS/metadata/NAME.json; "
        "write python -m examples.race_car.real RECORDINGS, or RECORDINGS/labels/NAME."
    )


def load(sessions: str | Iterable[str] | None = None, path: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """Everything about the frames of `sessions` (all of the folder if None), one entry per frame.

    A session is a name in `path`, or the path of its folder of labels (`.../labels/<name>`), so that recordings
    elsewhere can be loaded too. Inputs: `scan` [N, 4, 720], `picture` [N, 18, 720], `recorded` [N, 64, 6], `rig`
    [N]. Truths by edge: `hits` [N, 720], `tints` [N, 720], `feet` [N, 2, 720], `boxes` [N, 64, 6], `cones` (a list
    of [n, 3]: x, y, colour; NaN as colour marks a cone that is ignored, see rules.md). NaN elsewhere means that
    there is no label. Besides: `key`, `session`, `layout`.
    """
    names = session_names(path) if sessions is None else [sessions] if isinstance(sessions, str) else list(sessions)
    frames = [frame for name in names for frame in read_session(*_locate(name, path))]
    if not frames:
        raise RecordingError(f'no session was named; there are: {", ".join(session_names(path))}. Write load(["..."]).')
    samples = [sample(frame) for frame in frames]
    data: dict[str, Any] = {name: torch.stack([one[name] for one in samples]) for name in samples[0] if name != "cones"}
    data["cones"] = [one["cones"] for one in samples]
    data["key"] = [f"{frame.session}/{frame.number}" for frame in frames]
    data["session"] = [frame.session for frame in frames]
    data["layout"] = [layout_of(frame.session) for frame in frames]
    return data


def sample(frame: Frame) -> dict[str, Tensor]:
    """Inputs and truths of one frame as `load` answers them, without the batch dimension."""
    recorded = box_rows(frame)
    values = {
        "scan": scan_rows(frame),
        "picture": frame.scan.picture.reshape(-1, BEAMS),
        "recorded": recorded,
        "hits": frame.hits,
        "tints": np.where(np.isnan(frame.tints), np.where(frame.hits == 0, NOTHING, np.nan), BLUE + frame.tints),
        "feet": feet_of(frame),
        "boxes": recorded.copy(),
        "cones": cones_by_the_rules(frame),
    }
    tensors = {name: torch.as_tensor(np.asarray(value, dtype=np.float32)) for name, value in values.items()}
    return {**tensors, "rig": torch.tensor(rig_of(frame.session))}


def scan_rows(frame: Frame) -> Array:
    """[4, 720]: range in metres (0 where nothing came back), log(1 + intensity), whether something came back, and the
    height of the highest point there in metres.
    """
    came_back = np.isfinite(frame.scan.ranges)
    near = np.where(came_back, frame.scan.ranges, 0.0)
    return np.stack([near, np.log1p(frame.scan.intensity), came_back, frame.scan.top]).astype(np.float32)


def box_rows(frame: Frame) -> Array:
    """[64, 6]: recorded boxes; `present` is 1 for a box, 0 for an empty row, -1 where no camera looked."""
    rows = np.zeros((BOXES, len(BOX_FIELDS)), dtype=np.float32)
    rows[:, 4] = 0.5
    if not frame.looked:
        rows[:, 5] = -1.0
    count = min(len(frame.boxes), BOXES)
    rows[:count, :4] = frame.boxes[:count, :4]
    rows[:count, 4] = np.nan_to_num(frame.boxes[:count, 4], nan=0.5)
    rows[:count, 5] = 1.0
    return rows


def feet_of(frame: Frame) -> Array:
    """[2, 720]: the foot of the cone that a beam hit, in half picture widths from the picture's middle.

    Known for cones that the recording tool matched to a box that does not touch the picture's border; NaN elsewhere.
    """
    feet = np.full((2, BEAMS), np.nan, dtype=np.float32)
    usable = np.flatnonzero(np.isfinite(frame.matched))
    boxes = frame.boxes[frame.matched[usable].astype(int)]
    inside = (boxes[:, 0] > 5) & (boxes[:, 2] < PICTURE_SIZE[0] - 5) & (boxes[:, 3] < PICTURE_SIZE[1] - 5)
    usable, boxes = usable[inside], boxes[inside]
    if len(usable) == 0:
        return feet
    angles, ranges = beam_angles(), np.nan_to_num(frame.scan.ranges, posinf=0.0)
    place = np.stack([ranges * np.cos(angles), ranges * np.sin(angles)], axis=1)
    distance = np.linalg.norm(place[:, None] - frame.cones[usable, :2], axis=2)
    beams = (ranges > 0) & (distance.min(1) < LABEL_RADIUS)
    foot = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]]) - np.array(PICTURE_SIZE)[:, None] / 2
    feet[:, beams] = foot[:, distance.argmin(1)[beams]] / (PICTURE_SIZE[0] / 2)
    return feet


def cones_by_the_rules(frame: Frame) -> Array:
    """[n, 3]: the labelled cones, with NaN as colour where rules.md says that the cone is ignored."""
    cones = frame.cones.copy()
    distance = np.hypot(cones[:, 0], cones[:, 1])
    in_range = (
        (distance >= NEAREST) & (distance <= FARTHEST) & (cones[:, 0] > 0) & ~in_car_body(cones[:, 0], cones[:, 1])
    )
    gap = np.linalg.norm(cones[:, None, :2] - frame.scan.standing[None, :, :2], axis=2)
    seen = (gap < LABEL_RADIUS).any(1) if gap.size else np.zeros(len(cones), dtype=bool)
    cones[~(in_range & seen), 2] = np.nan
    return cones


def rig_of(session: str) -> int:
    """The session's camera rig in `RIGS`; -1 if its name tells none, then its boxes find no place."""
    return next((index for index, rig in enumerate(RIGS) if rig in session.lower()), -1)


def layout_of(session: str) -> str:
    """The track layout of a session; one that is not known yet counts as a layout of its own."""
    return LAYOUTS.get(session, session)


def leave_one_layout_out(sessions: Sequence[str]) -> list[tuple[str, list[str], list[str]]]:
    """Every layout once: its name, the sessions on other layouts (to train on), its own sessions (to test on)."""
    layouts = list(dict.fromkeys(layout_of(session) for session in sessions))
    return [
        (
            layout,
            [one for one in sessions if layout_of(one) != layout],
            [one for one in sessions if layout_of(one) == layout],
        )
        for layout in layouts
    ]


def _locate(session: str, path: str | os.PathLike[str] | None) -> tuple[str, str | os.PathLike[str] | None]:
    """The session's name and the folder of recordings it is in."""
    folder = Path(session)
    if folder.is_dir() and folder.parent.name == "labels":
        return folder.name, folder.parent.parent
    return session, path
