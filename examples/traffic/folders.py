"""A folder of labelled pictures, as detectors are usually trained on it::

    classes.txt                      a name a line: Green Light, Red Light, Speed Limit 30, Stop, ... in any order
    train/images/NAME.jpg            also valid/ and test/; a folder with images/ and labels/ alone is all test
    train/labels/NAME.txt            a line a box: class, centre x and y, width and height as shares of the picture

A ``data.yaml`` with a line ``names: [...]`` does in place of ``classes.txt``. Other classes are left out, and said.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
from PIL import Image

from drivetrain.errors import DataError, listed
from drivetrain.report import progress

from .picture import LIGHTS, SIGNS, SIZE, Boxes, Picture, Pixels

SIMULATED = "fisheye_sim"  # pictures of a simulator in the usual folder: tiny objects, no street
SPLITS = {"train": "train", "valid": "valid", "val": "valid", "test": "test"}
Kind = tuple[str, int]  # family and class


def read_folder(folder: Path) -> tuple[list[Picture], str]:
    """The pictures with a label, and a sentence that says what was read and what was left out.

    Raises:
        DataError: it is not such a folder, or a file in it is missing or damaged.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; a folder of street pictures has classes.txt and train/images/")
    names = _class_names(folder)
    kinds = [kind_of(name) for name in names]
    if not any(kinds):
        raise DataError(
            f"{folder}: no class is a light or a sign; found: {listed(names)}; what fits: Green Light, Red Light, "
            "Speed Limit 10 to 120, Stop"
        )
    parts = {name: folder / name for name in SPLITS if (folder / name / "images").is_dir()}
    if not parts and (folder / "images").is_dir():
        parts = {"test": folder}
    if not parts:
        found = listed(sorted(p.name for p in folder.iterdir()), "nothing")
        raise DataError(f"{folder} has none of train/images, valid/images, test/images, images; it has: {found}")
    paths = [(SPLITS[name], path) for name, part in parts.items() for path in sorted((part / "images").iterdir())]
    wanted = [(split, path) for split, path in paths if not path.name.startswith(SIMULATED)]
    read = [
        _picture(split, path, kinds) for split, path in progress(wanted, f"reading {folder.name}", total=len(wanted))
    ]
    kept = [picture for picture in read if picture.boxes]
    said = [f"{len(kept)} pictures of {folder.name}"]
    for count, what in (
        (len(paths) - len(wanted), "simulated"), (len(read) - len(kept), "without a label of either family"),
    ):  # fmt: skip
        said += [f"{count} {what} left out"] if count else []
    if other := [name for name, kind in zip(names, kinds, strict=True) if kind is None]:
        said.append(f"other classes left out: {', '.join(other)}")
    return kept, "; ".join(said) + "."


def kind_of(name: str) -> Kind | None:
    """Family and class that a name such as ``Speed Limit 30`` means; None: neither a light nor a sign of ours."""
    words = re.sub(r"[^a-z0-9]+", " ", name.lower()).strip()
    if found := re.fullmatch(r"(?:traffic )?(?:light )?(green|red)(?: (?:traffic )?light)?", words):
        return "lights", LIGHTS.index(found[1])
    if found := re.fullmatch(r"(?:speed )?(?:limit )?(\d+)(?: km ?h)?", words):
        return ("signs", SIGNS.index(f"limit {found[1]}")) if f"limit {found[1]}" in SIGNS else None
    return ("signs", SIGNS.index("stop")) if re.fullmatch(r"stop(?: sign)?", words) else None


def _class_names(folder: Path) -> list[str]:
    if (folder / "classes.txt").is_file():
        return (folder / "classes.txt").read_text(encoding="utf-8").splitlines()
    described = (folder / "data.yaml").read_text(encoding="utf-8") if (folder / "data.yaml").is_file() else ""
    if found := re.search(r"^names: *(\[.*?\])", described, re.MULTILINE | re.DOTALL):
        return [str(name) for name in ast.literal_eval(found[1])]
    raise DataError(f"{folder} has no classes.txt, which names the classes of its labels, one a line, number 0 first")


def _picture(split: str, path: Path, kinds: list[Kind | None]) -> Picture:
    labels = path.parent.parent / "labels" / f"{path.stem}.txt"
    boxes: dict[str, list[list[float]]] = {}
    lines = labels.read_text(encoding="utf-8").splitlines() if labels.is_file() else []
    for number, line in enumerate(lines, 1):
        kind, box = _box(line, kinds, f"{labels}, line {number}")
        if kind is not None:
            boxes.setdefault(kind[0], []).append([kind[1], *box])
    found: dict[str, Boxes] = {family: np.array(rows, np.float32) for family, rows in sorted(boxes.items())}
    return Picture(path.stem, split, _pixels(path) if found else np.zeros((3, 0, 0), np.uint8), found)


def _box(line: str, kinds: list[Kind | None], where: str) -> tuple[Kind | None, list[float]]:
    try:
        number, *box = map(float, line.split())
        fits = len(box) == 4 and 0 <= number < len(kinds) and number == int(number) and min(box[2:]) > 0
    except ValueError:
        fits = False
    if not fits or not all(-0.01 <= value <= 1.01 for value in box):
        raise DataError(
            f"{where}: {line!r} is no box; a box is a class below {len(kinds)}, then centre x and y, width and height "
            "as shares of the picture: 14 0.52 0.31 0.10 0.12"
        )
    return kinds[int(number)], box


def _pixels(path: Path) -> Pixels:
    try:
        with Image.open(path) as image:
            read = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    except (OSError, ValueError) as reason:
        raise DataError(f"{path} is no picture that can be read: {reason}") from None
    return np.ascontiguousarray(np.asarray(read).transpose(2, 0, 1))
