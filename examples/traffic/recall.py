"""``python -m examples.traffic.recall``: should the detector favour recall, since the readers can discard what is no
object but never recover what was dropped?

The claim is the paper's remark on forks. Here the detector drops candidates below a gate before the readers see them;
the gate that is best for the detector alone is compared with lower ones, which keep more, and higher ones. What the
readers are asked is asked in two ways: they decide alone, or their probability is multiplied by the detector's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer
from rich.console import Console
from torch import Tensor

from drivetrain import System
from drivetrain.errors import DrivetrainError
from drivetrain.evaluation import Rows, estimate, paired_difference
from drivetrain.report import progress

from .metrics import ENOUGH, right_at_place
from .overlaps import overlaps
from .picture import FAMILIES, Picture
from .pictures import DATA, HELD_OUT, collection

GATES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
THRESHOLDS = tuple(place / 20 for place in range(20))
RULES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "readers alone": lambda seen, read: read,
    "times the detector": lambda seen, read: seen[..., None] * read,
}


class Outputs(NamedTuple):
    """What the models say of some pictures in one family: boxes [pictures, 4, 4], the detector's probability
    [pictures, 4], the reader's of each class [pictures, 4, classes], and the true boxes.
    """

    boxes: Tensor
    seen: Tensor
    read: Tensor
    truth: list[Tensor]
    places: list[int]


@torch.no_grad()
def outputs(system: System, pictures: Sequence[Picture], places: Sequence[int]) -> dict[str, Outputs]:
    """By family, of the pictures in which it is labelled."""
    system.eval()
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for first in range(0, len(pictures), 32):
        picture = torch.stack([torch.from_numpy(p.pixels) for p in pictures[first : first + 32]])
        spots, lamps, plates = system.component("crop")(system.component("detector")(picture), picture)
        states = torch.stack(list(system.component("lamp")(lamps)))
        parts.append((spots, states.float(), system.component("plate")(plates).softmax(-1)))
    spots, *read = (torch.cat(part) for part in zip(*parts, strict=True))
    found = {}
    for place, family in enumerate(FAMILIES):
        having = [row for row, picture in enumerate(pictures) if family in picture.boxes]
        found[family] = Outputs(
            spots[having, place, :, 1:], spots[having, place, :, 0].sigmoid(), read[place][having][..., :-1],
            [torch.from_numpy(pictures[row].boxes[family]) for row in having], [places[row] for row in having],
        )  # fmt: skip
    return found


def found_alone(told: Outputs, gate: float) -> tuple[Tensor, Tensor, Tensor]:
    """Per picture: objects that a candidate over the gate overlaps by half, such candidates, objects."""
    hits, said = [], []
    for boxes, seen, truth in zip(told.boxes, told.seen, told.truth, strict=True):
        kept = boxes[seen >= gate]
        shared = overlaps(kept, truth[:, 1:])
        hits.append(float((shared.amax(0) >= ENOUGH).sum()) if len(kept) else 0.0)
        said.append(float(len(kept)))
    return torch.tensor(hits), torch.tensor(said), torch.tensor([float(len(truth)) for truth in told.truth])


def system_rows(told: Outputs, gate: float, rule: str, threshold: float) -> tuple[Tensor, Tensor]:
    """Numerators and denominators of the system's F1 a picture."""
    chances = RULES[rule](told.seen, told.read)
    kept = (chances > threshold) & (told.seen >= gate)[..., None]
    return right_at_place(torch.cat([told.boxes, torch.where(kept, chances, 0.0)], -1), told.truth)


def judged(
    valid: dict[str, Outputs], test: dict[str, Outputs], gate: float | None, rule: str, seed: int
) -> tuple[Rows, Rows, Rows]:
    """Of one system with one gate (None: each family's best for the detector alone): the system's F1, and the
    detector's recall and precision, on test; the gate and the threshold come from validation.
    """
    columns: list[list[float]] = [[], [], [], [], []]
    units: list[str] = []
    for family in FAMILIES:
        chosen = max(GATES, key=lambda g: _f1(valid[family], g)) if gate is None else gate
        threshold = max(THRESHOLDS, key=lambda t: _ratio(system_rows(valid[family], chosen, rule, t)))
        right, number = system_rows(test[family], chosen, rule, threshold)
        hits, said, objects = found_alone(test[family], chosen)
        for column, values in zip(columns, (right, number, hits, said, objects), strict=True):
            column += values.tolist()
        units += [f"{family} {row}" for row in range(len(right))]
    where = [f"place {place}" for family in FAMILIES for place in test[family].places]

    def rows(above: list[float], below: list[float]) -> Rows:
        return Rows(np.array(above), np.array(below), tuple(where), tuple((seed, u) for u in units))

    right, number, hits, said, objects = columns
    return rows(right, number), rows(hits, objects), rows(hits, said)


def _f1(told: Outputs, gate: float) -> float:
    hits, said, objects = (float(part.sum()) for part in found_alone(told, gate))
    return 2 * hits / (said + objects)


def _ratio(rows: tuple[Tensor, Tensor]) -> float:
    return float(rows[0].sum() / rows[1].sum().clamp(min=1))


def main(
    seeds: Annotated[
        int, typer.Option(min=1, help="Individually trained forks; trained first where they are not.")
    ] = 5,
    data: Annotated[Path | None, typer.Option(help="Folder to train and test on, as folders.py describes it.")] = None,
    held_out: Annotated[Path | None, typer.Option(help="Folder to test on in place of the test pictures.")] = None,
    publish: Annotated[Path | None, typer.Option(help="Also write the table to this Markdown file.")] = None,
) -> None:
    """Measure the fork with every gate, its thresholds chosen on validation each time, and compare."""
    for variable, folder in ((DATA, data), (HELD_OUT, held_out)):
        if folder is not None:
            os.environ[variable] = str(folder)
    from .start import start

    console = Console(highlight=False)
    try:
        found = collection()
    except DrivetrainError as reason:
        raise SystemExit(f"{type(reason).__name__}: {reason}") from None
    gates: tuple[float | None, ...] = (None, *GATES)
    kept: dict[tuple[float | None, str], list[tuple[Rows, Rows, Rows]]] = {}
    for seed in progress(range(seeds), "gates of individually trained forks"):
        street = start(seed)
        valid = outputs(street, found.valid, range(len(found.valid)))
        test = outputs(street, found.test, found.places.tolist())
        for rule in RULES:
            for gate in gates:
                kept.setdefault((gate, rule), []).append(judged(valid, test, gate, rule, seed))
    text = table(kept, gates, seeds, found.about)
    console.print(text, markup=False, soft_wrap=True)
    if publish is not None:
        publish.write_text(text, encoding="utf-8")


def table(
    kept: dict[tuple[float | None, str], list[tuple[Rows, Rows, Rows]]],
    gates: Sequence[float | None], seeds: int, about: str,
) -> str:  # fmt: skip
    """The Markdown file."""

    def joined(gate: float | None, rule: str, place: int) -> Rows:
        return Rows.joined([each[place] for each in kept[gate, rule]])

    header = ["gate", "detector: recall", "detector: precision"]
    header += [f"{rule}: {what}" for rule in RULES for what in ("F1 of the system", "against the detector's best")]
    lines = [header, ["---"] * len(header)]
    first = next(iter(RULES))
    for gate in gates:
        line = ["the detector's best" if gate is None else f"{gate:g}"]
        line += [estimate(joined(gate, first, place)).text() for place in (1, 2)]
        for rule in RULES:
            rows = joined(gate, rule, 0)
            against = "" if gate is None else paired_difference(rows, joined(None, rule, 0)).text(signed=True)
            line += [estimate(rows).text(), against]
        lines.append(line)
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return (
        "# street: should the detector favour recall?\n\n"
        f"Generated by `python -m examples.traffic.recall --seeds {seeds}`; do not edit. {about} Intervals are over "
        "places. Candidates below the gate are dropped before the readers see them; the detector's best is the gate "
        "with the best F1 of the detector alone on validation, a family; thresholds of the reports are chosen on "
        f"validation for every gate.\n\n{body}\n"
    )


if __name__ == "__main__":
    typer.run(main)
