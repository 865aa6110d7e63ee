"""The camera picture of a scene, by perspective projection and painting from far to near."""

import numpy as np
from numpy.typing import NDArray

from examples.race_car.rig import CAMERA_HEIGHT, FOCAL, HORIZON, PICTURE_HEIGHT, PICTURE_WIDTH, column

from .scenes import Scenes

Array = NDArray[np.float32]


def pictures(scenes: Scenes, generator: np.random.Generator) -> Array:
    """Draw [frames, 3, rows, columns] in 0..1: red, green, blue."""
    horizon = HORIZON + FOCAL * np.tan(scenes.pitch)
    canvas = _ground_and_sky(scenes, horizon, generator)
    _paint_wall(canvas, scenes, horizon)
    _paint_things(canvas, scenes, horizon)
    return _exposed(canvas, scenes, generator)


def _ground_and_sky(scenes: Scenes, horizon: NDArray[np.float64], generator: np.random.Generator) -> Array:
    """Ground with a texture that lies in perspective, below a sky that brightens towards the horizon."""
    rows, columns = np.arange(PICTURE_HEIGHT) + 0.5, np.arange(PICTURE_WIDTH) + 0.5
    below = (rows[None] - horizon[:, None])[:, :, None]
    x = FOCAL * CAMERA_HEIGHT / np.maximum(below, 0.5)
    y = x * (PICTURE_WIDTH / 2 - columns) / FOCAL
    a, b, c, d, strength = (scenes.light["texture"][:, k, None, None] for k in range(5))
    phase = generator.uniform(0, 6.28, (4, len(horizon), 1, 1))
    waves = np.sin(a * x + b * y + phase[0]) * np.sin(c * y - d * x + phase[1]) + np.sin(
        3 * b * x + 4 * d * y + phase[2]
    )
    grain = generator.standard_normal(waves.shape, dtype=np.float32) * np.clip(below / 16, 0.2, 1)
    texture = 1 + strength * (0.6 * waves * np.clip(below / 6, 0, 1) + grain)
    ground = scenes.light["ground"][:, :, None, None] * texture[:, None]
    sky = np.array([0.62, 0.72, 0.85])[None, :, None, None] * np.clip(1 + below / 30, 0.6, 1)[:, None]
    return np.asarray(ground + (sky - ground) * np.clip(0.5 - below, 0, 1)[:, None], dtype=np.float32)


def _paint_wall(canvas: Array, scenes: Scenes, horizon: NDArray[np.float64]) -> None:
    """A barrier with coloured panels: a band between its foot and its top in every column."""
    distance, angle, height = (scenes.wall[:, k, None] for k in range(3))
    slope = (PICTURE_WIDTH / 2 - np.arange(PICTURE_WIDTH) - 0.5)[None] / FOCAL
    facing = np.cos(angle) + slope * np.sin(angle)
    x = np.where((distance > 0) & (facing > 0.2), distance / np.maximum(facing, 0.2), np.inf)
    foot = horizon[:, None] + FOCAL * CAMERA_HEIGHT / x
    top = horizon[:, None] + FOCAL * (CAMERA_HEIGHT - height) / x
    rows = np.arange(PICTURE_HEIGHT)[None, :, None] + 0.5
    cover = (
        np.clip(foot[:, None] - rows + 0.5, 0, 1) * np.clip(rows - top[:, None] + 0.5, 0, 1) * np.isfinite(x)[:, None]
    )
    along = np.where(np.isfinite(x), x * (slope * np.cos(angle) - np.sin(angle)), 0)
    panel = np.floor(along / 1.5).astype(np.int64) % scenes.panels.shape[1]
    paint = np.take_along_axis(scenes.panels, panel[:, :, None], axis=1).transpose(0, 2, 1)[:, :, None]
    canvas += ((paint - canvas) * cover[:, None]).astype(np.float32)


def _paint_things(canvas: Array, scenes: Scenes, horizon: NDArray[np.float64]) -> None:
    """Tapered bodies with a stripe at mid height; the share of a pixel that is covered decides its paint."""
    frames = np.arange(len(canvas))
    rows = np.arange(PICTURE_HEIGHT, dtype=np.float32)[None, :, None] + 0.5
    columns = np.arange(PICTURE_WIDTH, dtype=np.float32)[None, None] + 0.5
    far_to_near = np.argsort(-np.where(scenes.radius > 0, scenes.place[..., 0], np.inf), axis=1)
    for k in range(far_to_near.shape[1]):
        thing = far_to_near[:, k]
        radius = scenes.radius[frames, thing]
        if not radius.any():
            continue
        x, y = scenes.place[frames, thing].T
        scale = FOCAL / x
        foot, tall = horizon + CAMERA_HEIGHT * scale, scenes.height[frames, thing] * scale
        foot, tall, half, middle, taper = (
            np.asarray(value, dtype=np.float32)[:, None, None]
            for value in (foot, tall, radius * scale, column(x, y), scenes.taper[frames, thing])
        )
        upward = (foot - rows) / tall
        half_here = half * (1 - (1 - taper) * np.clip(upward, 0, 1))
        left = np.maximum(columns - 0.5, middle - half_here)
        right = np.minimum(columns + 0.5, middle + half_here)
        covered = np.clip(np.minimum(rows + 0.5, foot) - np.maximum(rows - 0.5, foot - tall), 0, 1)
        cover = np.clip(right - left, 0, 1) * covered * scenes.opacity[frames, thing].astype(np.float32)[:, None, None]
        band = np.clip((0.16 - np.abs(upward - 0.52)) * tall + 0.5, 0, 1) * np.clip(0.35 * tall, 0, 1)
        haze = (1 - np.exp(-scenes.light["haze"] * x))[:, None]
        body = scenes.body[frames, thing] * (1 - haze) + 0.7 * haze
        stripe = scenes.stripe[frames, thing] * (1 - haze) + 0.7 * haze
        sunny = 1 + 0.25 * np.clip((columns - middle) / np.maximum(half, 0.5), -1, 1)
        for channel in range(3):
            paint = body[:, channel, None, None].astype(np.float32)
            paint = (paint + (stripe[:, channel, None, None].astype(np.float32) - paint) * band) * sunny
            canvas[:, channel] += (paint - canvas[:, channel]) * cover


def _exposed(canvas: Array, scenes: Scenes, generator: np.random.Generator) -> Array:
    """What the lens and the chip make of it: blur, faded colours, cast, glare, dusk, noise."""
    light = {name: value.astype(np.float32) for name, value in scenes.light.items()}
    side = (light["blur"] / (1 + 2 * light["blur"]))[:, None, None, None]
    wide = np.pad(canvas, ((0, 0), (0, 0), (1, 1), (0, 0)), mode="edge")
    canvas = canvas * (1 - 2 * side) + side * (wide[:, :, :-2] + wide[:, :, 2:])
    wide = np.pad(canvas, ((0, 0), (0, 0), (0, 0), (1, 1)), mode="edge")
    canvas = canvas * (1 - 2 * side) + side * (wide[..., :-2] + wide[..., 2:])
    grey = canvas.mean(axis=1, keepdims=True)
    canvas = grey + (canvas - grey) * light["saturation"][:, None, None, None]
    canvas = canvas * (light["cast"] * light["gain"][:, None])[:, :, None, None]
    rows, columns = np.arange(PICTURE_HEIGHT)[None, :, None], np.arange(PICTURE_WIDTH)[None, None]
    away = ((columns - light["sun"][:, None, None]) / 40) ** 2 + ((rows - 4) / 22) ** 2
    canvas = canvas + (light["glare"][:, None, None] * np.exp(-away))[:, None]
    noise = generator.standard_normal(canvas.shape, dtype=np.float32) * light["noise"][:, None, None, None]
    return np.clip(canvas + noise, 0, 1).astype(np.float32)
