"""Drawn pictures, for those who have no recorded ones: enough to see that everything runs, no streets."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from .picture import FAMILIES, LIGHTS, SIGNS, SIZE, Picture


def drawn(count: int = 240, seed: int = 0) -> list[Picture]:
    """Blurred grounds, boxes with a lamp for lights and rings with a number for signs; two of three lack a label.

    Half are for training, a quarter each for validation and test.
    """
    drawing = np.random.default_rng(seed)
    splits = ["train"] * (count // 2) + ["valid"] * (count // 4) + ["test"] * (count - count // 2 - count // 4)
    pictures = [_drawn(f"drawn_{place}", split, drawing) for place, split in enumerate(splits)]
    return [picture for picture in pictures if picture.boxes]


def _drawn(name: str, split: str, drawing: np.random.Generator) -> Picture:
    ground = drawing.integers(90, 190, (7, 7, 1)) + drawing.integers(-25, 25, (7, 7, 3))
    image = Image.fromarray(ground.astype(np.uint8)).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    pen, boxes = ImageDraw.Draw(image), dict[str, list[list[float]]](lights=[], signs=[])
    for half in drawing.permutation(2)[: drawing.integers(1, 3)]:
        size = float(drawing.uniform(32, 74))
        x, y = float(drawing.uniform(50, 110)) + SIZE / 2 * half, float(drawing.uniform(60, 250))
        draw = _light if drawing.random() < 0.5 else _sign
        draw(pen, x, y, size, boxes, drawing)
    noisy = np.asarray(image, np.float32) + drawing.normal(0, 12, (SIZE, SIZE, 3))
    known = ["lights", "signs"] if split == "test" else [str(drawing.choice([*FAMILIES]))]
    found = {family: np.array(boxes[family], np.float32).reshape(-1, 5) for family in known if boxes[family]}
    return Picture(name, split, noisy.clip(0, 255).astype(np.uint8).transpose(2, 0, 1).copy(), found)


def _light(
    pen: ImageDraw.ImageDraw, x: float, y: float, size: float, boxes: dict[str, list[list[float]]],
    drawing: np.random.Generator,
) -> None:  # fmt: skip
    kind = int(drawing.integers(len(LIGHTS)))
    pen.rectangle([x - size / 4, y - size / 2, x + size / 4, y + size / 2], fill=(20, 20, 20))
    colour, lamp = ((40, 230, 90), y + size / 4) if LIGHTS[kind] == "green" else ((240, 50, 40), y - size / 4)
    pen.ellipse([x - size / 6, lamp - size / 6, x + size / 6, lamp + size / 6], fill=colour)
    boxes["lights"].append([kind, x / SIZE, y / SIZE, size / 2 / SIZE, size / SIZE])


def _sign(
    pen: ImageDraw.ImageDraw, x: float, y: float, size: float, boxes: dict[str, list[list[float]]],
    drawing: np.random.Generator,
) -> None:  # fmt: skip
    kind = SIGNS.index(str(drawing.choice(["limit 30", "limit 50", "limit 120", "stop"])))
    stop = SIGNS[kind] == "stop"
    pen.ellipse(
        [x - size / 2, y - size / 2, x + size / 2, y + size / 2],
        fill=(200, 30, 30) if stop else (250, 250, 250), outline=(210, 20, 20), width=int(size / 8),
    )  # fmt: skip
    text = "STOP" if stop else SIGNS[kind].split()[1]
    pen.text((x, y), text, fill=(255, 255, 255) if stop else (0, 0, 0), anchor="mm", font_size=size / 2.6)
    boxes["signs"].append([kind, x / SIZE, y / SIZE, size / SIZE, size / SIZE])
