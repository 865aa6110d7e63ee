"""Cone layouts: closed random tracks, or the real ones from a data folder.

Measured on 40 published layouts (25 of EPFL, 15 of EUFS; 3975 blue and yellow cones): nearest cone of the same colour
3.2 m away (median; 10 to 90 %: 2.7 to 4.4 m), nearest cone of the other colour 3.0 m (3.0 to 4.0 m, up to 5 m on wide
tracks), curvature of the centre line 0.04 to 0.11 / m (median to 90 %; tightest 1 %: 0.18 / m), closed tracks 80 to
460 m long. `random_track` draws from these ranges.
"""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

BLUE, YELLOW, ORANGE = 0, 1, 2
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Track:
    """A cone layout: `cones` [n, 3] = x, y in metres and colour; `line` [m, 2] the centre line, a metre a step."""

    name: str
    cones: Array
    line: Array


def random_track(generator: np.random.Generator, name: str = "random") -> Track:
    """A closed track in the driving direction: blue cones left, yellow right, and what a marshal gets wrong."""
    line = _closed_line(generator)
    cones = [_bordered(line, generator)]
    if generator.random() < 0.6:
        cones.append(_neighbour(line, generator))
    if generator.random() < 0.7:
        cones.append(_orange_gate(line, generator))
    return Track(name, _thinned(np.concatenate(cones)), line)


def real_tracks(folder: str | Path | None = None) -> list[Track]:
    """The published layouts in `folder`; by default `$DRIVETRAIN_DATA/fs_tracks`, else `../shared/data/fs_tracks`.

    Raises FileNotFoundError that says where the layouts come from when the folder is absent.
    """
    root = Path(folder or Path(os.environ.get("DRIVETRAIN_DATA", "../shared/data")) / "fs_tracks")
    files = sorted(root.glob("epfl/*/*_cones.csv")) + sorted(root.glob("eufs/*.csv"))
    if not files:
        raise FileNotFoundError(
            f"no track layouts in {root}; they come from github EPFL-RT-Driverless/track_database and the EUFS "
            "simulator: put them there, set DRIVETRAIN_DATA, or leave `tracks` out to use random ones"
        )
    tracks = [_read(file) for file in files]
    return [track for track in tracks if len(track.line) > 10]


def _closed_line(generator: np.random.Generator) -> Array:
    """A closed spline through points around a circle, drawn again until no bend is tighter than 5 m."""
    for _ in range(50):
        corners = generator.integers(7, 13)
        angle = (np.arange(corners) + generator.uniform(-0.3, 0.3, corners)) * 2 * np.pi / corners
        radius = generator.uniform(16, 48) * generator.uniform(0.62, 1.38, corners)
        points = np.c_[radius * np.cos(angle), 0.8 * radius * np.sin(angle)]
        spline = CubicSpline(np.arange(corners + 1), np.r_[points, points[:1]], bc_type="periodic")
        line = _resampled(spline(np.linspace(0, corners, 60 * corners)), 1.0)
        if _curvature(line).max() < 0.2:
            return line
    angle = np.arange(0, 2 * np.pi, 1 / 20)
    return np.column_stack([20 * np.cos(angle), 20 * np.sin(angle)])


def _bordered(line: Array, generator: np.random.Generator) -> Array:
    """Cones along both sides of a centre line, some missing, doubled, displaced or of the wrong colour."""
    tangent = np.gradient(line, axis=0)
    normal = np.c_[-tangent[:, 1], tangent[:, 0]] / np.linalg.norm(tangent, axis=1, keepdims=True)
    spacing = generator.choice([2.6, 3.0, 3.2, 3.6, 4.3])
    wave = np.sin(np.arange(len(line)) / generator.uniform(6, 20) + generator.uniform(0, 6.28))
    half_width = generator.choice([1.5, 1.6, 1.75, 2.2]) + generator.uniform(0, 0.35) * (1 + wave)
    sides = []
    for colour, sign in ((BLUE, 1), (YELLOW, -1)):
        edge = line + sign * half_width[:, None] * normal
        places = _resampled(edge, spacing)
        places = places[generator.random(len(places)) > 0.07]
        doubled = places[generator.random(len(places)) < 0.05]
        places = np.r_[places, doubled + generator.uniform(0.8, 1.0, doubled.shape)]
        places = places + generator.normal(0, 0.12, places.shape)
        colours = np.where(generator.random(len(places)) < 0.05, 1 - colour, colour)
        sides.append(np.c_[places, colours])
    return np.concatenate(sides)


def _neighbour(line: Array, generator: np.random.Generator) -> Array:
    """A stretch of another track section that runs alongside and comes into view, driven either way."""
    start, length = generator.integers(len(line)), generator.integers(20, 50)
    stretch = np.roll(line, -start, axis=0)[:length]
    tangent = np.gradient(stretch, axis=0)
    normal = np.c_[-tangent[:, 1], tangent[:, 0]] / np.linalg.norm(tangent, axis=1, keepdims=True)
    beside = stretch + generator.choice([-1, 1]) * generator.uniform(6, 9) * normal
    return _bordered(beside if generator.random() < 0.5 else beside[::-1], generator)


def _orange_gate(line: Array, generator: np.random.Generator) -> Array:
    """Two pairs of orange cones across the track, as at start and finish."""
    at = generator.integers(len(line) - 3)
    along = line[at + 1] - line[at]
    across = np.array([-along[1], along[0]]) / np.linalg.norm(along)
    places = [line[at] + step * along + side * across for step in (0, 1.6) for side in (-2.4, 2.4)]
    return np.column_stack([np.array(places), np.full(4, ORANGE)])


def _thinned(cones: Array) -> Array:
    """Drop the later of two cones that stand less than 1.1 m apart: twice the distance within which cones match."""
    close = cKDTree(cones[:, :2]).query_pairs(1.1, output_type="ndarray")
    return np.delete(cones, np.unique(close.max(axis=1)) if len(close) else [], axis=0)


def _resampled(line: Array, step: float) -> Array:
    """Points every `step` metres along a polyline."""
    travelled = np.r_[0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]
    at = np.arange(0, travelled[-1], step)
    return np.column_stack([np.interp(at, travelled, line[:, 0]), np.interp(at, travelled, line[:, 1])])


def _curvature(line: Array) -> Array:
    first = (np.roll(line, -1, axis=0) - np.roll(line, 1, axis=0))[2:-2] / 2
    second = (np.roll(line, -1, axis=0) - 2 * line + np.roll(line, 1, axis=0))[2:-2]
    speed = np.maximum(np.linalg.norm(first, axis=1), 1e-6)
    return np.asarray(np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / speed**3)


def _read(file: Path) -> Track:
    """One published layout; its centre line is joined from the middles of neighbouring blue and yellow cones."""
    colours = {"blue": BLUE, "yellow": YELLOW}
    rows = []
    with file.open(newline="") as lines:
        for entry in csv.DictReader(lines):
            tag = (entry.get("cone_type") or entry.get("tag") or "").strip()
            if tag in colours or "orange" in tag:
                place = (entry.get("X") or entry.get("x"), entry.get("Y") or entry.get("y"))
                rows.append([float(place[0] or 0), float(place[1] or 0), colours.get(tag, ORANGE)])
    cones = _thinned(np.array(rows))
    return Track(file.stem.removesuffix("_cones"), cones, _joined_middles(cones))


def _joined_middles(cones: Array) -> Array:
    """Walk over the middles of blue-yellow pairs, always to the nearest one ahead, blue staying on the left."""
    blue, yellow = (cones[cones[:, 2] == colour, :2] for colour in (BLUE, YELLOW))
    if min(len(blue), len(yellow)) < 5:
        return np.zeros((0, 2))
    partner = yellow[cKDTree(yellow).query(blue)[1]]
    middle, across = (blue + partner) / 2, blue - partner
    forward = np.c_[across[:, 1], -across[:, 0]]
    order, left = [0], set(range(1, len(middle)))
    while left:
        here = order[-1]
        candidates = np.array(sorted(left))
        step = middle[candidates] - middle[here]
        distance = np.linalg.norm(step, axis=1)
        behind = (step @ forward[here]) < 0
        best = int(np.argmin(distance + 100 * behind))
        if distance[best] > 8 or behind[best]:
            break
        order.append(int(candidates[best]))
        left.remove(int(candidates[best]))
    return _resampled(middle[order], 1.0) if len(order) > 3 else np.zeros((0, 2))
