"""The command line of a comparison, the same for every example."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from drivetrain.errors import DrivetrainError

from .comparison import Asked, compare


def command(
    reference: str, words: str, *, default_out: str, quick_epochs: int = 2, folders: Mapping[str, str] | None = None
) -> None:
    """Read the options and run the comparison of the case that ``reference`` names.

    words: how a user calls it, such as ``python -m examples.speech.comparison``.
    folders: for ``data`` and ``held_out``, where the case takes them, the variable by which its processes know them.
    """
    variables = folders or {}

    def comparison(
        seeds: Annotated[int, typer.Option(min=2, help="Paired repetitions: weights, data, reading order.")] = 20,
        epochs: Annotated[int | None, typer.Option(min=1, help="Readings of the data; else as declared.")] = None,
        workers: Annotated[int, typer.Option(min=1, help="Processes, one thread each.")] = 2,
        minutes: Annotated[float | None, typer.Option(help="Begin no more trials after so long.")] = None,
        out: Annotated[Path, typer.Option(help="Folder of rows and tables; finished rows are kept.")] = Path(
            default_out
        ),
        publish: Annotated[Path | None, typer.Option(help="Also write the tables to this Markdown file.")] = None,
        quick: Annotated[bool, typer.Option("--quick", help="2 seeds, few epochs: to see that it runs.")] = False,
        data: Annotated[
            Path | None, typer.Option(help="Folder to train and test on in place of the usual one, where it has one.")
        ] = None,
        held_out: Annotated[
            Path | None, typer.Option(help="Folder to test on, and on it alone, where the example takes one.")
        ] = None,
    ) -> None:
        """Train by every pattern from the same start, several times, and print what each made of the system."""
        said = f"{words} --seeds {seeds}" + ("" if epochs is None else f" --epochs {epochs}")
        said = f"{words} --quick" if quick else said
        for name, folder in (("data", data), ("held_out", held_out)):
            if folder is None:
                continue
            option = f"--{name.replace('_', '-')}"
            if name not in variables:
                raise SystemExit(f"{option}: {words} reads no such folder; DRIVETRAIN_DATA names where its data lies")
            os.environ[variables[name]] = str(folder)
            said += f" {option} {folder}"
            out = Path(f"{out}-{folder.name}") if out == Path(default_out) else out  # rows of other data lie elsewhere
        asked = Asked(reference, said, 2, quick_epochs) if quick else Asked(reference, said, seeds, epochs)
        try:
            compare(asked, out, workers=workers, minutes=minutes, publish=publish)
        except (DrivetrainError, ModuleNotFoundError) as reason:
            raise SystemExit(f"{type(reason).__name__}: {reason}") from None

    typer.run(comparison)
