"""``python -m examples.fork``: train the fork by one arm of the comparison, and see what that did to each branch."""

from typing import Annotated

import typer
from rich.console import Console

from drivetrain import evaluate, fit
from examples.protocol import ByHand

from .case import fork
from .digits import splits
from .losses import OWN, SCORES
from .system import build


def main(
    arm: Annotated[str, typer.Option(help="An arm of the comparison, such as 'merged loss'.")] = (
        "federated, one shot, then refit"
    ),
    epochs: Annotated[int, typer.Option(min=2, help="Readings of the 300 training pictures.")] = 12,
    seed: int = 0,
) -> None:
    """Train the fork by one arm of the comparison, and measure every branch before and after."""
    console, arms = Console(highlight=False), fork().arms
    known = [name for name, each in arms.items() if not isinstance(each.pattern, ByHand)]
    if arm not in known:
        raise SystemExit(f"no arm {arm!r}; there are: {', '.join(known)}")
    chosen = arms[arm]
    assert not isinstance(chosen.pattern, ByHand)
    train, validation, test = splits(seed)
    post_office = build(seed)
    console.print(post_office, markup=False)
    metrics = {**SCORES, **OWN}
    report = fit(
        post_office, train, chosen.pattern, epochs=chosen.epochs(epochs), validation=validation, metric=SCORES,
        seed=seed,
    )  # fmt: skip
    console.print(report)
    console.print(evaluate(post_office, test, metrics))


if __name__ == "__main__":
    typer.run(main)
