"""Makes the 1-D scan, its beam labels and its intensity picture from the points of a LiDAR that turns in 3-D."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

BEAMS = 720
BEAM_DEGREES = 0.25
HEIGHTS = np.arange(0.0, 0.451, 0.05)  # metres above the ground, edges of the picture's rows
ROWS = len(HEIGHTS) - 1
LABEL_RADIUS = 0.35  # metres; a return nearer than this to a labelled cone is a return of that cone
SAME = 0.3  # metres along a beam within which points belong to its return
LOWEST, HIGHEST = 0.07, 0.45  # metres above the ground; below is grass, above is not a small cone


@dataclass(frozen=True)
class Scan:
    """One turn of the LiDAR, seen as 720 beams from +89.875 (left) to -89.875 degrees (right)."""

    ranges: Array  #: [720] metres, inf where nothing came back
    intensity: Array  #: [720] 0..255 of the return
    picture: Array  #: [2, 9, 720] log(1 + intensity) and occupancy at the return, by height above the ground
    top: Array  #: [720] metres above the ground of the highest point within 0.3 m of the return
    standing: Array  #: [n, 3] every point between 0.07 and 0.45 m above the ground: x, y in metres, height in metres


def beam_angles() -> Array:
    """The azimuths of the beams in radians, left is positive."""
    return np.radians(90.0 - BEAM_DEGREES * (np.arange(BEAMS) + 0.5)).astype(np.float32)


def make_scan(points: Array, given: tuple[Array, Array] | None = None) -> Scan:
    """The 1-D scan of `points` [n, 4]: x forward, y left, z up in metres, intensity, by the recordings' recipe.

    `given` are ranges and intensity [720] that came with the recording; then only the rest is made from the points.

    Source: SOURCE.txt of the derived FSKITTI subset. Ground plane by RANSAC; points 0.07 to 0.45 m above it, further
    than 1 m, outside the car's body; the nearest in every 0.25 degrees.
    """
    points = np.asarray(points, dtype=np.float32)
    height = height_above_ground(points)
    distance = np.hypot(points[:, 0], points[:, 1])
    outside = (distance > 1.0) & ~in_car_body(points[:, 0], points[:, 1])
    column = beam_of(points[:, 0], points[:, 1])
    standing = outside & (height > LOWEST) & (height < HIGHEST) & (column >= 0) & (column < BEAMS)

    ranges = np.full(BEAMS, np.inf, dtype=np.float32)
    intensity = np.zeros(BEAMS, dtype=np.float32)
    chosen = np.flatnonzero(standing)
    chosen = chosen[np.argsort(-distance[chosen], kind="stable")]  # the nearest is written last and stays
    ranges[column[chosen]] = distance[chosen]
    intensity[column[chosen]] = points[chosen, 3]
    if given is not None:
        ranges, intensity = (np.asarray(values, dtype=np.float32) for values in given)
    xyh = np.stack([points[standing, 0], points[standing, 1], height[standing]], axis=1)
    picture = _picture(ranges, column, distance, height, points[:, 3], outside)
    return Scan(ranges, intensity, picture, _top(ranges, column, distance, height, outside), xyh)


def beam_of(x: Array, y: Array) -> NDArray[np.int64]:
    """The beam in whose 0.25 degrees a place lies; below 0 or from 720 on if it is not ahead."""
    return np.floor((90.0 - np.degrees(np.arctan2(y, x))) / BEAM_DEGREES).astype(np.int64)


def in_car_body(x: Array, y: Array) -> NDArray[np.bool_]:
    """Whether a place lies in the mask of the car's own body."""
    return (x < 2.4) & (np.abs(y) < 1.1)


def height_above_ground(points: Array, *, seed: int = 0, hypotheses: int = 200) -> Array:
    """The height of every point above the ground plane, in metres, by RANSAC and a least-squares refit.

    Fischler and Bolles 1981. A frame without three low points is taken as flat ground 0.95 m below the sensor.
    """
    low = points[(points[:, 2] < -0.4) & (np.hypot(points[:, 0], points[:, 1]) < 25.0), :3].astype(np.float64)
    if len(low) < 3:
        return (points[:, 2] + 0.95).astype(np.float32)
    generator = np.random.default_rng(seed)
    thinned = low[generator.permutation(len(low))[:2000]]
    triples = thinned[generator.integers(0, len(thinned), size=(hypotheses, 3))]
    design = np.concatenate([triples[..., :2], np.ones((hypotheses, 3, 1))], axis=2)
    planes = np.linalg.pinv(design) @ triples[..., 2:]  # z = a x + b y + c
    planes = planes[np.hypot(planes[:, 0, 0], planes[:, 1, 0]) < 0.15]  # steeper than nine degrees is no ground
    if len(planes) == 0:
        planes = np.array([[[0.0], [0.0], [np.median(low[:, 2])]]])
    ground = np.concatenate([thinned[:, :2], np.ones((len(thinned), 1))], axis=1)
    inliers = np.abs(ground @ planes[:, :, 0].T - thinned[:, 2:]) < 0.04
    plane = planes[inliers.sum(0).argmax(), :, 0]
    for _ in range(2):
        near = np.abs(low[:, :2] @ plane[:2] + plane[2] - low[:, 2]) < 0.04
        if near.sum() >= 3:
            plane = np.linalg.lstsq(np.c_[low[near, :2], np.ones(near.sum())], low[near, 2], rcond=None)[0]
    return np.asarray(points[:, 2] - points[:, :2] @ plane[:2] - plane[2], dtype=np.float32)


def label_beams(ranges: Array, cones: Array) -> tuple[Array, Array]:
    """What the labelled cones [n, 3] (x, y, colour) say about every beam: [720] on a cone (0, 1), [720] yellow (0, 1).

    NaN where there is nothing to say: no return, or for the colour no cone or one of unknown colour.
    """
    angles = beam_angles()
    came_back = np.isfinite(ranges)
    hits = np.where(came_back, 0.0, np.nan).astype(np.float32)
    tints = np.full(BEAMS, np.nan, dtype=np.float32)
    if len(cones) == 0:
        return hits, tints
    near = np.where(came_back, ranges, 0.0)
    offset = np.stack([near * np.cos(angles), near * np.sin(angles)], axis=1)[:, None] - cones[None, :, :2]
    distance = np.hypot(offset[..., 0], offset[..., 1])
    on_cone = came_back & (distance.min(1) < LABEL_RADIUS)
    hits[on_cone] = 1.0
    tints[on_cone] = cones[distance.argmin(1)[on_cone], 2]
    return hits, tints


def _picture(
    ranges: Array,
    column: NDArray[np.int64],
    distance: Array,
    height: Array,
    intensity: Array,
    outside: NDArray[np.bool_],
) -> Array:
    """Mean log intensity and occupancy of the points within 0.3 m behind each beam's return, by height."""
    row = np.floor(height / (HEIGHTS[1] - HEIGHTS[0])).astype(np.int64)
    inside = outside & (column >= 0) & (column < BEAMS) & (row >= 0) & (row < ROWS)
    row, column, distance, intensity = row[inside], column[inside], distance[inside], intensity[inside]
    same = np.isfinite(ranges[column]) & (np.abs(distance - ranges[column]) < SAME)
    cell = row[same] * BEAMS + column[same]
    count = np.bincount(cell, minlength=ROWS * BEAMS).astype(np.float32)
    total = np.bincount(cell, weights=np.log1p(intensity[same]), minlength=ROWS * BEAMS)
    mean = total / np.maximum(count, 1.0)
    return np.stack([mean, np.minimum(count, 1.0)]).reshape(2, ROWS, BEAMS).astype(np.float32)


def _top(ranges: Array, column: NDArray[np.int64], distance: Array, height: Array, outside: NDArray[np.bool_]) -> Array:
    """The height of the highest point at each beam's return: a cone ends, a wall or a person goes on."""
    top = np.zeros(BEAMS, dtype=np.float32)
    inside = outside & (column >= 0) & (column < BEAMS)
    same = np.flatnonzero(inside)[np.abs(distance[inside] - ranges[column[inside]]) < SAME]
    np.maximum.at(top, column[same], height[same])
    return top
