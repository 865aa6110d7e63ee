"""``drivetrain``: the commands together, and how they say that something is wrong."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from drivetrain.cli.evaluate import evaluate
from drivetrain.cli.fit import fit
from drivetrain.cli.runs import app as runs
from drivetrain.cli.scan import scan
from drivetrain.cli.select import select
from drivetrain.cli.show import show
from drivetrain.cli.sweep import sweep
from drivetrain.cli.ui import ui
from drivetrain.errors import DrivetrainError


class _Commands(TyperGroup):
    """Commands that answer an error of the user's with one message and exit code 2, not with a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except DrivetrainError as error:
            typer.echo(f"error: {error}", err=True)
            for note in getattr(error, "__notes__", ()):
                typer.echo(f"  {note}", err=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # brackets in the help are part of what to type
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> bool:
    if asked:
        typer.echo(f"drivetrain {installed_version('drivetrain')}")
        raise typer.Exit
    return asked


@app.callback()
def _drivetrain(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say it.")] = False,
) -> None:
    """Engineer systems made of several machine-learning models.

    Your own things are named by where they are: MODULE:NAME, looked for from the current folder. A function is called
    for what it answers; plain arguments may follow: "cars:build(seed=1)".

    First:  drivetrain show cars:perception
    """


app.command()(show)
app.command()(fit)
app.command()(evaluate)
app.command()(select)
app.command()(sweep)
app.command()(scan)
app.add_typer(runs, name="runs")
app.command()(ui)


def main() -> None:
    """The program ``drivetrain``."""
    sys.argv[0] = "drivetrain"
    app()
