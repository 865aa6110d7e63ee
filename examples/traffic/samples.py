"""Pictures as training data: as they are, anew at each reading, or one data set for each model's own truth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from drivetrain import Labels, annotated
from drivetrain.data import Annotated

from .augmentation import anew, cuttings
from .crops import CANDIDATES, crops_at, lamp_features
from .models import NO_LIGHT, NO_SIGN
from .picture import Picture
from .targets import truth_map

Sample = dict[str, Any]
NONE = {"lights": NO_LIGHT, "signs": NO_SIGN}
TIMES = 3  # a light is cut out for the forest, which sees the same cuts in every epoch


class Scenes(Dataset[Sample]):
    """Pictures with their end labels and the map that a perfect detector would answer; a family that is missing is not
    labelled.
    """

    def __init__(self, pictures: Sequence[Picture], places: Sequence[int] | None = None) -> None:
        self.pictures, self.places = list(pictures), places

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Sample:
        picture = self.pictures[index]
        row: Sample = {"picture": torch.from_numpy(picture.pixels), "map": truth_map(picture.boxes)}
        row |= {family: torch.from_numpy(boxes) for family, boxes in picture.boxes.items()}
        row |= {} if self.places is None else {"place": f"place {self.places[index]}"}
        return row | {"key": _key(self.pictures[index])}


class FreshScenes(Scenes):
    """The same, anew at each reading: see ``augmentation``."""

    def __init__(self, pictures: Sequence[Picture], *, mirror: bool) -> None:
        super().__init__(pictures)
        self.bank, self.mirror = cuttings(pictures), mirror

    def __getitem__(self, index: int) -> Sample:
        seen = anew(self.pictures[index], self.bank, _drawing(), mirror=self.mirror)
        row: Sample = {"picture": seen.pixels, "map": truth_map(seen.boxes, seen.laid)}
        row |= {family: torch.from_numpy(boxes) for family, boxes in seen.boxes.items()}
        return row | {"key": _key(self.pictures[index])}


class Crops(Dataset[Sample]):
    """What a reader sees of one family, with the class: true boxes moved a little, or any place, which shows none."""

    def __init__(self, pictures: Sequence[Picture], family: str) -> None:
        self.pictures = [picture for picture in pictures if family in picture.boxes]
        self.family = family

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Sample:
        plates, classes = _cut(self.pictures[index], self.family, _drawing())
        return {"plates": plates, "classes": classes, "key": f"{self.family} {_key(self.pictures[index])}"}


class Rows(Dataset[Sample]):
    """Samples in memory."""

    def __init__(self, rows: Sequence[Sample]) -> None:
        self.rows = list(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample:
        return self.rows[index]


def alone(pictures: Sequence[Picture], seed: int) -> dict[str, Annotated]:
    """A data set for each model's truth, as its owner would have collected it."""
    drawing, rows = np.random.default_rng(seed), []
    for picture in [picture for picture in pictures if "lights" in picture.boxes]:
        cuts = [_cut(picture, "lights", drawing) for _ in range(TIMES)]
        lamps = torch.cat([lamp_features(seen) for seen, _ in cuts])
        rows.append(
            {"lamps": lamps, "states": torch.cat([states for _, states in cuts]), "key": f"lights {_key(picture)}"}
        )
    free = Labels(lambda crops: 0)  # whoever cuts, a cut is no label
    return {
        "map": annotated(FreshScenes(pictures, mirror=True), map=_priced(pictures, ("lights", "signs"), 4)),
        "states": annotated(Rows(rows), states=_priced(pictures, ("lights",), 1), lamps=free),
        "classes": annotated(Crops(pictures, "signs"), classes=_priced(pictures, ("signs",), 1), plates=free),
    }


def together(pictures: Sequence[Picture]) -> Annotated:
    """Pictures with end labels, anew at each reading: five values an object; the map is made of them and free."""
    labels = {family: _priced(pictures, (family,), 5) for family in ("lights", "signs")}
    return annotated(FreshScenes(pictures, mirror=False), map=Labels(lambda found: 0), **labels)


def judged(pictures: Sequence[Picture]) -> Annotated:
    """Pictures as they are, to choose by; the map is made of the end labels and costs nothing more."""
    labels = {family: _priced(pictures, (family,), 5) for family in ("lights", "signs")}
    return annotated(Scenes(pictures), map=Labels(lambda found: 0), **labels)


def _priced(pictures: Sequence[Picture], families: Sequence[str], values: int) -> Labels:
    """So many values an object, as a person labelled it: what augmentation drops or lays in has no price.

    The truth that is read does not tell how many there were, so prices are handed out one after the other; what all
    pictures cost together is exact.
    """
    having = [picture for picture in pictures if set(families) & set(picture.boxes)]
    prices = [sum(values * len(p.boxes[family]) for family in families if family in p.boxes) for p in having]
    waiting = cycle(prices)
    return Labels(lambda truth: next(waiting))


def _cut(picture: Picture, family: str, drawing: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops [4, 32, 32, 3] and their classes [4]: three of objects, one or more an object, and one of none."""
    boxes = picture.boxes[family]
    shown = boxes[np.resize(drawing.permutation(len(boxes)), CANDIDATES - 1)]
    classes = torch.full((CANDIDATES,), NONE[family])
    places = drawing.uniform([0.1, 0.1], [0.9, 0.9], (CANDIDATES, 2))
    sizes = np.exp(
        drawing.uniform(np.log(0.04), np.log(0.4), (CANDIDATES, 1)) + drawing.normal(0, 0.2, (CANDIDATES, 2))
    )
    found = np.concatenate([places, sizes], 1)
    for row, (kind, x, y, width, height) in enumerate(shown.tolist()):
        moved = drawing.normal(0, 0.08, 2) * [width, height]
        found[row] = [x + moved[0], y + moved[1], *(np.exp(drawing.normal(0, 0.12, 2)) * [width, height])]
        classes[row] = int(kind)
    for row in range(len(shown), CANDIDATES):  # half on an object is neither it nor nothing
        apart = np.abs(found[row, :2] - boxes[:, 1:3]) > boxes[:, 3:] / 2
        if not apart.any(1).all():
            classes[row], found[row] = classes[0], found[0]
    seen = crops_at(torch.from_numpy(picture.pixels)[None], torch.tensor(found, dtype=torch.float32)[None])[0]
    gain = torch.from_numpy(drawing.uniform(0.6, 1.2) * drawing.uniform(0.92, 1.08, 3)).float()
    return ((seen + 1) * gain - 1).clamp(-1, 1), classes


def _key(picture: Picture) -> str:
    """A name of its own: labels are counted, and outputs kept, by it."""
    return f"{picture.split} {picture.name}"


def _drawing() -> np.random.Generator:
    """Ruled by the seed, the epoch and the sample, as all that is drawn while a sample is read."""
    return np.random.default_rng(int(torch.randint(2**31, ())))
