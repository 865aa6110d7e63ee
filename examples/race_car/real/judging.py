"""Judges a trained system on sessions: the sums behind every score, their intervals, and the groups of rules.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table

from drivetrain import System
from examples.race_car.real.audit import GROUPS, SessionAudit
from examples.race_car.real.committee import Mean
from examples.race_car.real.dataset import load
from examples.race_car.real.models import GroundToCamera, in_picture
from examples.race_car.real.scoring import HEADLINE, RADII, Verdict, judge
from examples.race_car.real.sessions import Frame, read_session

Tally = NDArray[np.float64]  #: right, counted predictions, cones in view, metres, pairs
SCORES: dict[str, Callable[[Tally], Any]] = {
    "F1": lambda tally: 2 * tally[..., 0] / (tally[..., 1] + tally[..., 2]),
    "precision": lambda tally: tally[..., 0] / tally[..., 1],
    "recall": lambda tally: tally[..., 0] / tally[..., 2],
    "position error (m)": lambda tally: tally[..., 3] / tally[..., 4],
    "F1 without colour": lambda tally: 2 * tally[..., 4] / (tally[..., 1] + tally[..., 2]),
}
IN_CAMERA, UNBOXED = "in the camera's picture", "colour not from a box"
STRETCH = 10  # frames, ten seconds; what stands for a session where there is one alone


@dataclass(frozen=True)
class Judged:
    """What became of one session.

    Attributes:
        session: its name.
        units: for every row of the table the sums [stretches, 5] of ten frames after another.
        groups: how many inventions fall into each group of the audit.
    """

    session: str
    units: dict[str, Tally]
    groups: Counter[str]


def judged(system: System, name: str, path: Any = None, rig: int | None = None) -> Judged:
    """A session's sums at every radius, and at the headline's within the two groups that rules.md asks for.

    `rig` is the camera rig's number in `dataset.RIGS` where the session's name does not tell it.
    """
    data, frames = load(name, path), _frames(name, path)
    if rig is not None:
        data["rig"] = torch.full_like(data["rig"], rig)
    cones = predict(system, data)
    verdicts = {
        f"{radius:g} m": [judge(*pair, radius) for pair in zip(cones, data["cones"], strict=True)] for radius in RADII
    }
    headline = verdicts[f"{HEADLINE:g} m"]
    verdicts[f"{HEADLINE:g} m, {IN_CAMERA}"] = [
        judge(*one) for one in zip(*in_camera(data, cones, system), strict=True)
    ]
    verdicts[f"{HEADLINE:g} m, {UNBOXED}"] = [
        judge(*one) for one in zip(cones, without_boxed(data, frames), strict=True)
    ]
    projection, seen_by = projection_of(system), int(data["rig"][0])
    pose = projection.pose[seen_by].detach() if seen_by >= 0 and projection.known[seen_by] else None
    units = {
        row: np.array([tally(found[at : at + STRETCH]) for at in range(0, len(found), STRETCH)])
        for row, found in verdicts.items()
    }
    return Judged(data["session"][0], units, SessionAudit(frames, pose).count(headline))


def table(sessions: Sequence[Judged], title: str) -> Table:
    """All scores of all sessions together, with intervals, and F1 by session.

    Several sessions are resampled whole; of one alone, stretches of ten frames are, which tells how its parts differ
    and not how the next session will.
    """
    several = len(sessions) > 1
    answer = Table("within", *SCORES, title=title)
    for row in sessions[0].units:
        parts = np.array([one.units[row].sum(0) for one in sessions]) if several else sessions[0].units[row]
        cells = [interval(score, parts) for score in SCORES.values()]
        answer.add_row(row, *(_cell(*cell) for cell in cells))
    for one in sessions if several else ():
        total = one.units[f"{HEADLINE:g} m"].sum(0)
        answer.add_row(one.session.removeprefix("camera_"), *(f"{score(total):.3f}" for score in SCORES.values()))
    units = f"{len(sessions)} sessions" if several else f"stretches of {STRETCH} frames of one session"
    answer.caption = f"95 % intervals from resampling {units}; right is the right colour"
    return answer


def audit_words(sessions: Sequence[Judged]) -> list[str]:
    """What the inventions within 0.5 m probably are, and the precision without those that have other evidence."""
    groups: Counter[str] = sum((one.groups for one in sessions), Counter())
    total = np.array([one.units[f"{HEADLINE:g} m"].sum(0) for one in sessions]).sum(0)
    unlabelled = groups["label elsewhere"] + groups["box"]
    said = f"{groups.total()} inventions: " + ", ".join(f"{groups[group]} {group}" for group in GROUPS)
    if total[1] <= unlabelled:
        return [said, "precision: nothing was predicted that counts"]
    return [said, f"precision {total[0] / total[1]:.3f}; audited {total[0] / (total[1] - unlabelled):.3f}"]


def projection_of(system: System) -> GroundToCamera:
    """The system's projection; of a committee the first member's."""
    projection = system.component("projection").thing
    if isinstance(projection, Mean):
        projection = projection.members[0]
    assert isinstance(projection, GroundToCamera)
    return projection


def predict(system: System, data: dict[str, Any]) -> torch.Tensor:
    """Cones [N, 128, 4] of the system as it is used: with the fusion as ordinary code."""
    system.eval()
    with torch.no_grad():
        cones = system(*(data[name] for name in system.inputs))
    return torch.as_tensor(cones)


def tally(verdicts: list[Verdict]) -> Tally:
    """The sums that every score is made of."""
    rows = [(one.right.sum(), one.counted, len(one.in_view), one.metres.sum(), len(one.metres)) for one in verdicts]
    return np.asarray(np.array(rows, dtype=np.float64).sum(0))


def interval(score: Callable[[Tally], Any], tallies: Tally, draws: int = 10_000) -> tuple[float, float, float]:
    """The score over all units, and its 95 % interval from resampling them: tallies [units, 5]; NaN for one unit."""
    chosen = np.random.default_rng(0).integers(0, len(tallies), size=(draws, len(tallies)))
    with np.errstate(invalid="ignore", divide="ignore"):  # nothing predicted has no precision: NaN
        value, drawn = score(tallies.sum(0)), score(tallies[chosen].sum(1))
    if len(tallies) < 2 or np.isnan(drawn).all():
        return float(value), np.nan, np.nan
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(value), float(low), float(high)


def in_camera(data: dict[str, Any], cones: torch.Tensor, system: System) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Predictions and truths inside the camera's picture alone; none of a frame at which no camera looked."""
    projection = projection_of(system)
    kept, truths = cones.clone(), []
    for index, truth in enumerate(data["cones"]):
        looked, rig = bool((data["recorded"][index, :, 5] >= 0).all()), int(data["rig"][index])
        kept[index, ~(_pictured(projection, rig, cones[index, :, :2]) & looked), 2] = 0.0
        truths.append(truth[_pictured(projection, rig, truth[:, :2]) & looked])
    return kept, truths


def without_boxed(data: dict[str, Any], frames: tuple[Frame, ...]) -> list[torch.Tensor]:
    """Truths that ignore the cones that were matched to a box: their colour is the box's, not the map's."""
    truths = [truth.clone() for truth in data["cones"]]
    for truth, frame in zip(truths, frames, strict=True):
        truth[torch.as_tensor(np.isfinite(frame.matched)), 2] = torch.nan
    return truths


def _pictured(projection: GroundToCamera, rig: int, places: torch.Tensor) -> torch.Tensor:
    feet = projection.at(places[None], torch.tensor([rig]))
    return in_picture(feet)[0]


def _cell(value: float, low: float, high: float) -> str:
    if np.isnan(value):
        return "none"  # no cone or no prediction to divide by, as in the picture of a camera that is not known
    return f"{value:.3f} [{low:.3f}, {high:.3f}]" if not np.isnan(low) else f"{value:.3f} [no interval]"


def _frames(name: str, path: Any) -> tuple[Frame, ...]:
    from examples.race_car.real.dataset import _locate

    return read_session(*_locate(name, path))
