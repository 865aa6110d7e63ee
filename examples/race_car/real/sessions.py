"""Reads the recorded sessions of a real Formula Student car: cone labels, recorded boxes, odometry and LiDAR."""

from __future__ import annotations

import os
import re
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from drivetrain.errors import DataError
from examples.race_car.real.scan import Array, Scan, label_beams, make_scan

SOURCE = "github elpatoo/FSKITTI, commit 197eee01561d (see docs/race-car-real.md)"
DEFAULT_PATH = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "fskitti"
COLOURS = {
    "yellow_cone": 1.0,
    "blue_cone": 0.0,
    "orange_cone": np.nan,
    "large_orange_cone": np.nan,
    "unknown_cone": np.nan,
}


class RecordingError(DataError):
    """A recording is missing or damaged; says which file, what was found and where the recordings come from."""


@dataclass(frozen=True)
class Frame:
    """One second of driving."""

    session: str
    number: str  #: seven digits, the name of the frame's files
    cones: Array  #: [n, 3] x forward, y left in metres, colour (1 yellow, 0 blue, NaN unknown); from map and odometry
    matched: Array  #: [n] the row of `boxes` that the recording tool gave to the cone, NaN where none
    boxes: Array  #: [m, 5] left, top, right, bottom in pixels, colour as above; made by a machine (a YOLO detector)
    looked: bool  #: whether a picture was recorded: without one, no boxes means absent and not empty
    odometry: Array | None  #: [4] seconds, x, y in metres, yaw in radians; None where the metadata has no such frame
    scan: Scan
    hits: Array  #: [720] 1 on a labelled cone, 0 elsewhere, NaN where nothing came back; derived from the cones
    tints: Array  #: [720] 1 yellow, 0 blue, NaN elsewhere; derived from the cones


def recordings_path(path: str | os.PathLike[str] | None = None) -> Path:
    """The recordings' folder: `path`, else $DRIVETRAIN_DATA/fskitti, else ../shared/data/fskitti."""
    if path is not None:
        return Path(path)
    if "DRIVETRAIN_DATA" in os.environ:
        return Path(os.environ["DRIVETRAIN_DATA"]) / "fskitti"
    return DEFAULT_PATH


def session_names(path: str | os.PathLike[str] | None = None) -> tuple[str, ...]:
    """The sessions in the folder, by name."""
    labels = recordings_path(path) / "labels"
    names = tuple(sorted(folder.name for folder in labels.iterdir() if folder.is_dir())) if labels.is_dir() else ()
    if not names:
        raise RecordingError(
            f"no recordings of the real race car: {labels} holds no folder of labels. They come from {SOURCE}. "
            f'Say where they are: load(sessions, path="folder/of/fskitti"), or set DRIVETRAIN_DATA to its parent.'
        )
    return names


def read_session(name: str, path: str | os.PathLike[str] | None = None) -> tuple[Frame, ...]:
    """All labelled frames of a session in order of time.

    1-D scans come from `scans_1d.npz` where it has the frame, otherwise they are made from the points by the same
    recipe. Metadata may be absent; then a frame counts as looked at by the camera if it has boxes.
    """
    return _read_session(name, recordings_path(path).resolve())


def parse_labels(text: str, file: str = "the labels") -> tuple[Array, Array, Array]:
    """Cones [n, 3], their boxes' rows [n] and boxes [m, 5] from label text in KITTI's order of fields.

    Three sessions leave out the field alpha on lines that are a box alone: a line has 15 fields, or 14 without
    alpha, so fields are counted from the end.
    """
    cones: list[list[float]] = []
    matched: list[float] = []
    boxes: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        if fields[0] not in COLOURS or len(fields) not in (14, 15):
            raise RecordingError(
                f"{file}, line {number}: found {line[:60]!r}; a line is a class ({', '.join(COLOURS)}) and "
                f"14 numbers (13 if alpha is left out). The original comes from {SOURCE}."
            )
        try:
            left, top, right, bottom, tall, _, _, x, y, _, _ = (float(field) for field in fields[-11:])
        except ValueError as error:
            raise RecordingError(f"{file}, line {number}: {error}. The original comes from {SOURCE}.") from error
        if not np.isfinite([left, top, right, bottom, tall, x, y]).all():
            raise RecordingError(f"{file}, line {number}: {line[:60]!r} holds a number that is not finite.")
        colour = COLOURS[fields[0]]
        boxed = right > left and bottom > top
        if tall > 0:
            cones.append([x, y, colour])
            matched.append(float(len(boxes)) if boxed else np.nan)
        if boxed:
            boxes.append([left, top, right, bottom, colour])
    return (
        np.array(cones, dtype=np.float32).reshape(-1, 3),
        np.array(matched, dtype=np.float32),
        np.array(boxes, dtype=np.float32).reshape(-1, 5),
    )


def parse_metadata(text: str) -> dict[int, tuple[Array, bool]]:
    """Odometry [4] and whether a picture was recorded, by frame.

    The text is no strict JSON: a run of the tool that was started again left its first lines in the middle, so a
    frame may stand there twice. The last time wins, because the labels were written again too.
    """
    found: dict[int, tuple[Array, bool]] = {}
    starts = [match.start() for match in re.finditer(r'\{\s*"id"\s*:', text)]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        entry = text[start:end]
        number = re.search(r'"id"\s*:\s*(\d+)', entry)
        fields = [re.search(rf'"{name}"\s*:\s*(-?[\d.eE+-]+)', entry) for name in ("timestamp", "x", "y", "yaw")]
        if number is None or any(field is None for field in fields):
            continue  # an entry that was cut off in the middle; its frame stands there again
        odometry = np.array([float(field[1]) for field in fields if field is not None], dtype=np.float64)
        found[int(number[1])] = (odometry, '"image"' in entry)
    return found


@lru_cache(maxsize=32)
def _read_session(name: str, root: Path) -> tuple[Frame, ...]:
    folder = root / "labels" / name
    if not folder.is_dir():
        there = ", ".join(session_names(root))
        raise RecordingError(
            f"no session {name!r}: {folder} does not exist. {root} has: {there}. Sessions come from {SOURCE}."
        )
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise RecordingError(f"session {name!r} has no label file *.txt in {folder}. They come from {SOURCE}.")
    points = _open_arrays(root / "points" / f"{name}.npz")
    metadata_file = root / "metadata" / f"{name}.json"
    metadata = parse_metadata(metadata_file.read_text(errors="replace")) if metadata_file.is_file() else None
    scans = _read_scans(root / "scans_1d.npz", name)
    return tuple(_read_frame(name, file, points, root, metadata, scans) for file in files)


def _read_frame(
    name: str,
    file: Path,
    points: dict[str, Array],
    root: Path,
    metadata: dict[int, tuple[Array, bool]] | None,
    scans: dict[str, tuple[Array, Array]],
) -> Frame:
    number = file.stem
    if number not in points:
        raise RecordingError(
            f"{root / 'points' / name}.npz has no frame {number!r}, which {file} labels; it has {len(points)} frames, "
            f"{min(points, default='none')} to {max(points, default='none')}. The original comes from {SOURCE}."
        )
    cloud = np.asarray(points[number], dtype=np.float32)
    if cloud.ndim != 2 or cloud.shape[1] < 4:
        raise RecordingError(
            f"frame {number!r} of {name}.npz has the shape {cloud.shape}; points are [n, 4]: x, y, z, intensity."
        )
    cloud = cloud[np.isfinite(cloud[:, :4]).all(axis=1)]  # a return that is nowhere is none
    cones, matched, boxes = parse_labels(file.read_text(errors="replace"), str(file))
    scan = make_scan(cloud[:, :4], given=scans.get(number))
    odometry, looked = (metadata or {}).get(int(number), (None, len(boxes) > 0))
    hits, tints = label_beams(scan.ranges, cones)
    return Frame(name, number, cones, matched, boxes, looked or len(boxes) > 0, odometry, scan, hits, tints)


def _open_arrays(file: Path) -> dict[str, Array]:
    if not file.is_file():
        raise RecordingError(f"{file} is missing. It holds the LiDAR's points of each frame and comes from {SOURCE}.")
    try:
        with (
            file.open("rb") as opened,
            np.load(opened, allow_pickle=False) as arrays,
        ):  # numpy leaves a damaged file open
            return {key: arrays[key] for key in arrays.files}
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, KeyError) as error:
        raise RecordingError(f"{file} is damaged ({error}). Fetch it again; it comes from {SOURCE}.") from error


def _read_scans(file: Path, name: str) -> dict[str, tuple[Array, Array]]:
    """Ranges and intensity of the session's frames in `scans_1d.npz`, as far as they are there."""
    if not file.is_file():
        return {}
    arrays = _all_scans(file, file.stat().st_mtime_ns)
    missing = {"frame", "ranges", "intensity"} - set(arrays)
    if missing:
        raise RecordingError(
            f"{file} lacks {', '.join(sorted(missing))}; it has {', '.join(arrays)}. It comes from {SOURCE}."
        )
    rows = [row for row, frame in enumerate(arrays["frame"]) if str(frame).rpartition("/")[0] == name]
    return {
        str(arrays["frame"][row]).rpartition("/")[2]: (arrays["ranges"][row], arrays["intensity"][row]) for row in rows
    }


@lru_cache(maxsize=4)
def _all_scans(file: Path, changed: int) -> dict[str, Array]:
    del changed  # part of the key alone: a file that was written again is read again
    return _open_arrays(file)
