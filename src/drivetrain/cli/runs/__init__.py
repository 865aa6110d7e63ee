"""``drivetrain runs``: what was trained and measured, what came from what, and which version is in use."""

from __future__ import annotations

import typer

from drivetrain.cli.runs.changing import avoid, delete, promote, restore
from drivetrain.cli.runs.comparing import compare, lineage, untried
from drivetrain.cli.runs.listing import listing
from drivetrain.cli.runs.showing import show

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Ask what was trained and measured, what came from what, and say which version is in use.

    `drivetrain fit` records by itself, and so does Experiment("race-car") in Python. What can be named:

    \b
      last, 3f9a21           a run: the newest, or the beginning of its key
      perception:3           a version of a system, by its number,
      perception:production  or by what it is promoted to
      camera:2               a version of a model
      scenes, 8c1f02         a data set, by its name or digest

    First:  drivetrain runs list
    """,
)

app.command("list")(listing)
app.command()(show)
app.command()(compare)
app.command()(lineage)
app.command()(untried)
app.command()(restore)
app.command()(promote)
app.command()(avoid)
app.command()(delete)
