"""``python -m examples.race_car.real SESSION``: train on the recordings, and judge on a session that is elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from drivetrain import System
from drivetrain.errors import DrivetrainError
from examples.race_car.real.baseline import RECIPES, ready, train
from examples.race_car.real.calibration import calibrate
from examples.race_car.real.committee import committee
from examples.race_car.real.dataset import RIGS, layout_of, load, rig_of, sessions_at
from examples.race_car.real.judging import Judged, audit_words, judged, table
from examples.race_car.real.sessions import RecordingError, session_names
from examples.race_car.real.system import build


def real(
    session: Annotated[
        Path,
        typer.Argument(
            help="RECORDINGS/labels/NAME for one session, or RECORDINGS for all in it. Beside labels/ there are "
            "points/NAME.npz (x, y, z, intensity by frame) and, if there are, metadata/NAME.json and scans_1d.npz."
        ),
    ],
    path: Annotated[
        Path | None,
        typer.Option(help="Recordings to train on: $DRIVETRAIN_DATA/fskitti or ../shared/data/fskitti by default."),
    ] = None,
    pattern: Annotated[str, typer.Option(help=f"How to train: {', '.join(RECIPES)}.")] = "individual",
    rig: Annotated[
        str | None, typer.Option(help=f"The session's camera rig if its name tells none: {', '.join(RIGS)}.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=2, help="Readings of the training sessions.")] = 8,
    seed: Annotated[int, typer.Option(help="Of the weights and the order of reading.")] = 0,
    members: Annotated[int, typer.Option(min=1, help="Trainings from different starts that answer together.")] = 3,
    weights: Annotated[
        Path | None, typer.Option(help="Folder of weights: those of the same training are read, others written.")
    ] = None,
) -> None:
    """Train on the recorded sessions, judge on a session that is not among them, and print the table of radii.

    Rules: examples/race_car/real/rules.md. What was trained on is never judged: recorded sessions of the judged one's
    name or layout are left out of training. The rig is read off the session's name (estoril, alverca); without one,
    the boxes find no place on the ground, and colours come from the LiDAR and the row of cones alone.

    Example: python -m examples.race_car.real ../shared/data/fskitti/labels/camera_estoril_autox2
    """
    torch.set_num_threads(1)
    console, begin = Console(highlight=False), time.monotonic()
    if not console.is_terminal:
        console.width = 130
    try:
        if pattern not in RECIPES:
            raise typer.BadParameter(f"{pattern}; there are: {', '.join(RECIPES)}", param_hint="pattern")
        if rig is not None and rig not in RIGS:
            raise typer.BadParameter(f"{rig}; there are: {', '.join(RIGS)}", param_hint="rig")
        course = Course(path, pattern, epochs, seed, members, weights)
        found = judge_all(session, course, console, None if rig is None else RIGS.index(rig))
    except DrivetrainError as error:
        console.print(f"[red]error:[/red] {error}", soft_wrap=True)
        raise typer.Exit(1) from None
    console.print(table(found, f"{pattern} training, judged on {len(found)} session{'s' * (len(found) > 1)}"))
    for sentence in audit_words(found):
        console.print(sentence)
    console.print(f"{time.monotonic() - begin:.0f} s")


@dataclass(frozen=True)
class Course:
    """How to train: the command's options."""

    path: Path | None
    pattern: str
    epochs: int
    seed: int
    members: int
    weights: Path | None

    def file(self, sessions: tuple[str, ...], member: int) -> Path | None:
        """Where the weights of one member lie: the name tells everything that they depend on."""
        if self.weights is None:
            return None
        told = repr((sessions, self.pattern, self.epochs, self.seed, member))
        return self.weights / f"{self.pattern}-{sha256(told.encode()).hexdigest()[:12]}.safetensors"


def judge_all(session: Path, course: Course, console: Console, rig: int | None = None) -> list[Judged]:
    """Every session at the path, judged by a system that was trained on no session of its name or layout."""
    asked = sessions_at(session)
    for one in asked:
        load(one)  # what is damaged is said before anything is trained
        if rig is None and rig_of(Path(one).name) < 0:
            console.print(
                f"{Path(one).name}: no camera rig in its name (there are: {', '.join(RIGS)}), so that its boxes "
                "find no place on the ground; colours come from the LiDAR and the row of cones alone. If you know the "
                "rig, add --rig NAME."
            )
    systems: dict[tuple[str, ...], System] = {}
    found = []
    for one in asked:
        name = Path(one).name
        recorded = session_names(course.path)
        others = tuple(other for other in recorded if other != name and layout_of(other) != layout_of(name))
        if not others:
            raise RecordingError(
                f"no session to train on: of {', '.join(recorded)} none has another name and layout than {name}. "
                "Say where there are others: --path RECORDINGS."
            )
        if others not in systems:
            console.print(f"{name}: training on {len(others)} sessions: {', '.join(others)}")
            systems[others] = _trained(others, course, console)
        found.append(judged(systems[others], one, rig=rig))
    return found


def _trained(sessions: tuple[str, ...], course: Course, console: Console) -> System:
    data = load(sessions, course.path)
    recipe, members = RECIPES[course.pattern], []
    for member in range(course.members):
        file, seed = course.file(sessions, member), course.seed + member
        if file is not None and file.exists():
            console.print(f"weights are those of {file.name}")
            members.append(ready(build(calibrate(data), seed=seed).load(file), recipe))
            continue
        members.append(train(data, recipe, epochs=course.epochs, seed=seed))
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            members[-1].save(file)
    return committee(members)


app = typer.Typer(add_completion=False)
app.command()(real)

if __name__ == "__main__":
    app()
