"""``drivetrain ui``: open the pages of a store."""

from __future__ import annotations

from typing import Annotated

import typer

from drivetrain.errors import DeclarationError


def ui(
    store: Annotated[
        str | None,
        typer.Option(metavar="FILE_OR_URL", help="What is shown; else $DRIVETRAIN_STORE, else drivetrain.db here."),
    ] = None,
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open one.")] = True,
) -> None:
    """Open the pages of a store of experiments: systems, their versions, combinations, patterns, lineage.

    They are served on this machine alone, need no network, and end with Ctrl-C.

    Example:  drivetrain ui --store drivetrain.db
    """
    try:
        from drivetrain.ui.serving import serve
    except ImportError as error:
        raise DeclarationError(
            f"the pages need {error.name}, which is not installed: pip install 'drivetrain[ui]'"
        ) from error
    from drivetrain.experiments import Store

    with Store(store) as opened:
        serve(
            opened, port=port, browser=browser,
            told=lambda address: typer.echo(f"{opened.database.place} at {address}  (Ctrl-C ends it)"),
        )  # fmt: skip
