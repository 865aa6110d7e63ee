"""``python -m examples.speech``: train the listener for a few minutes, and listen to what it hears in a recording."""

from typing import Annotated

import typer
from rich.console import Console

from drivetrain import evaluate, fit

from .case import ARMS, data, speech
from .losses import END, OWN, SCORES


def main(
    arm: Annotated[str, typer.Option(help=f"One of: {', '.join(ARMS)}.")] = "individual, then simultaneous",
    epochs: Annotated[int, typer.Option(min=3, help="Readings of the 240 training recordings.")] = 9,
    seed: int = 0,
) -> None:
    """Train the listener by one arm of the comparison, and measure every edge before and after."""
    from .system import build

    if arm not in ARMS:
        raise SystemExit(f"no arm {arm!r}; there are: {', '.join(ARMS)}")
    console, chosen = Console(highlight=False), ARMS[arm]
    train, validation, test = data(seed, chosen.labels)
    listener = build(seed)
    console.print(listener, "\n", speech().about, markup=False)
    metrics = {"speech": OWN["speech"], "voice": OWN["voice"], "answer": {"both": END, **SCORES}}
    report = fit(
        listener, train, chosen.pattern, epochs=chosen.epochs(epochs), validation=validation,
        metric={"answer": END}, seed=seed,
    )  # fmt: skip
    console.print(report)
    console.print(evaluate(listener, test, metrics, unit="speaker"))


if __name__ == "__main__":
    typer.run(main)
