"""``python -m examples.traffic.gradients``: what the end loss tells the detector, beside what its own loss tells it.

Both are taken at the start that the arms go on from, on training pictures as training sees them. Nothing is trained,
and no test picture is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from rich.console import Console
from torch import Tensor, nn

from drivetrain import System
from drivetrain.errors import DrivetrainError
from drivetrain.training.ways_back import close_ways_back, open_ways_back

from .crops import candidates
from .losses import map_loss, scene_loss
from .overlaps import overlaps
from .picture import FAMILIES
from .pictures import DATA, collection
from .samples import FreshScenes, Sample
from .system import soft_lights, soft_signs

SEED = 1000  # of a start of its own: comparisons count their seeds from 0


class Gradients(NamedTuple):
    """What one loss tells: its gradient at the detector's weights [batches, weights], and of the cells of a labelled
    family the share whose logit it moves.
    """

    weights: Tensor
    cells: Tensor


def gradients(street: System, batches: list[list[Sample]]) -> dict[str, Gradients]:
    """Of the detector's own loss, of the end loss, and of the parts that the end loss is the sum of; on the same maps.

    The readers are looked through, not trained; through the forest the gradient is estimated, as it is in training.
    """
    street.eval().requires_grad_(False)
    detector = street.component("detector").requires_grad_(True)
    open_ways_back(street)
    try:
        found = [_of(detector, street, rows) for rows in batches]
    finally:
        close_ways_back(street)
    return {name: Gradients(*map(torch.stack, zip(*(each[name] for each in found), strict=True))) for name in found[0]}


def _of(detector: nn.Module, street: System, rows: list[Sample]) -> dict[str, tuple[Tensor, Tensor]]:
    """Of one batch: the gradient at the weights [weights], and the share of labelled cells that are moved."""
    picture, truth = (torch.stack([row[name] for row in rows]) for name in ("picture", "map"))
    seen, weights = detector(picture), list(detector.parameters())
    labelled = torch.tensor([[family in row for family in FAMILIES] for row in rows])
    parts = {
        name: torch.autograd.grad(loss, seen, retain_graph=True)[0] for name, loss in _ends(street, seen, picture, rows)
    }
    own = torch.stack([*map_loss(seen, truth).values()]).sum()
    at_map = {
        "own loss": torch.autograd.grad(own, seen, retain_graph=True)[0],
        "end loss": torch.stack([*parts.values()]).sum(0),
        **parts,
    }
    found = {}
    for name, told in at_map.items():
        at_weights = torch.autograd.grad(seen, weights, told, retain_graph=True)
        moved = (told[:, :, 0].abs() > 1e-8).float().mean((2, 3))[labelled].mean()
        found[name] = (torch.cat([part.flatten() for part in at_weights]), moved)
    return found


def _ends(street: System, seen: Tensor, picture: Tensor, rows: list[Sample]) -> Iterator[tuple[str, Tensor]]:
    """The end loss of each branch, over the pictures in which its family is labelled, by the two ways to the map: by
    places and probabilities of what was cut out, and by what the reader saw there.
    """
    spots, lamps, plates = street.component("crop")(seen, picture)
    readings: dict[str, tuple[Any, Any]] = {
        "lights": (soft_lights, street.component("lamp")(lamps)),
        "signs": (soft_signs, street.component("plate")(plates)),
    }
    for family, (soft, read) in readings.items():
        blind = [one.detach() for one in read] if isinstance(read, list) else read.detach()
        having = [place for place, row in enumerate(rows) if family in row]
        truth = [rows[place][family] for place in having]
        for way, report in (("spots", soft(spots, blind)), ("the reader", soft(spots.detach(), read))):
            losses = scene_loss(report[having], truth).values() if having else [seen.sum() * 0]
            yield f"end loss, {family} by {way}", torch.stack([*losses]).sum() + seen.sum() * 0


@torch.no_grad()
def out_of_reach(street: System, batches: list[list[Sample]]) -> float:
    """The share of labelled objects that no candidate overlaps by a third: the end loss has no gradient for them."""
    street.eval()
    missed, count = 0, 0
    for rows in batches:
        spots = candidates(street.component("detector")(torch.stack([row["picture"] for row in rows])))
        for place, row in enumerate(rows):
            for number, family in enumerate(FAMILIES):
                if family in row and len(row[family]):
                    shared = overlaps(spots[place, number, :, 1:], row[family][:, 1:].to(spots))
                    missed += int((shared.amax(0) <= 1 / 3).sum())
                    count += len(row[family])
    return missed / max(count, 1)


def agreement(weights: Tensor) -> float:
    """Cosine between the mean gradients of two halves of the batches: zero where the batches only disagree."""
    return cosine(weights[::2].mean(0), weights[1::2].mean(0))


def cosine(one: Tensor, other: Tensor) -> float:
    """Of two vectors."""
    return float(torch.nn.functional.cosine_similarity(one, other, dim=0))


def drawn(batches: int, size: int) -> Iterator[list[Sample]]:
    """Training pictures, anew as in training, in the order of the seed."""
    torch.manual_seed(SEED)
    scenes = FreshScenes(collection().train, mirror=False)
    order = torch.randperm(len(scenes)).tolist()
    for first in range(0, min(batches * size, len(order) - size + 1), size):
        yield [scenes[place] for place in order[first : first + size]]


def main(
    data: Annotated[Path | None, typer.Option(help="Folder of pictures, as folders.py describes it.")] = None,
    batches: Annotated[int, typer.Option(min=2, help="Of sixteen training pictures each.")] = 40,
) -> None:
    """Print the gradients of both losses at the detector."""
    if data is not None:
        os.environ[DATA] = str(data)
    from .start import start

    console = Console(highlight=False, width=140)
    try:
        rows = list(drawn(batches, 16))
    except DrivetrainError as reason:
        raise SystemExit(f"{type(reason).__name__}: {reason}") from None
    street = start(SEED)
    found = gradients(street, rows)
    console.print(f"{len(rows)} batches of 16 training pictures, start of seed {SEED}.")
    own = found["own loss"].weights.mean(0)
    for name, loss in found.items():
        norms = float(loss.weights.norm(dim=1).mean()), float(loss.weights.mean(0).norm())
        console.print(
            f"{name}: moves {float(loss.cells.mean()):.4f} of the labelled cells; gradient at the weights "
            f"{norms[0]:.3g} a batch, {norms[1]:.3g} of the mean; two halves of the batches agree by "
            f"{agreement(loss.weights):+.2f}; cosine with the own loss {cosine(loss.weights.mean(0), own):+.2f}"
        )
    console.print(f"labelled objects without any gradient of the end loss: {out_of_reach(street, rows):.2f}")


if __name__ == "__main__":
    typer.run(main)
