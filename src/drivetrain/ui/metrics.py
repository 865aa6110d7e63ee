"""Which metric a page shows: all that were ever measured on a system, and the one that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drivetrain.errors import UnknownVersionError
from drivetrain.experiments import Store

IN_PLACE_OF_A_METRIC = ("loss", "mean squared error")  # what fit measures where no metric was given for an edge


@dataclass(frozen=True)
class Choice:
    """A metric on an edge and data, as something to choose.

    Attributes:
        key: in an address.
        words: for people.
        higher_is_better: None while nothing was measured.
    """

    metric: str
    edge: str
    data: str
    key: str
    words: str
    higher_is_better: bool | None = None


def choices(store: Store, system: str) -> list[Choice]:
    """The metrics of a system; real ones first."""
    names = {each.digest: each.name for each in store.data.all()}
    found = []
    for metric, edge, data in store.evaluations.metrics(system):
        on = f", on {names.get(data) or f'data {data[:8]}'}" if data else ""
        found.append(
            Choice(metric, edge, data, f"{metric}|{edge}|{data}", f"{metric}{f' of {edge}' if edge else ''}{on}")
        )
    return sorted(found, key=lambda each: each.metric in IN_PLACE_OF_A_METRIC)


def chosen(store: Store, system: str, among: Sequence[Choice], key: str) -> Choice:
    """The metric that was asked for, else the first; with its direction.

    Raises:
        UnknownVersionError: nothing of that name was measured, or nothing at all.
    """
    found = [each for each in among if each.key == key] if key else list(among)
    if not found:
        raise UnknownVersionError(f"nothing called '{key or 'a metric'}' was measured on {system}")
    one = found[0]
    upwards = store.evaluations.direction(system, one.metric, edge=one.edge)
    return Choice(one.metric, one.edge, one.data, one.key, one.words, upwards)


def goodness(value: float, choice: Choice) -> float:
    """A value such that more is better."""
    return -value if choice.higher_is_better is False else value
