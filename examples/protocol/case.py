"""What is compared: a system, its data by seed, how it is judged, and the arms, each a way to train it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal, NamedTuple

from drivetrain import Metric, System
from drivetrain.training import Stages, TrainingPattern

from .by_hand import ByHand

Tune = Callable[[System, Any], tuple[System, dict[str, Any]]]
"""``tune(system, validation)``: the system with the glue code's thresholds that validation likes best, and those."""


Also = Callable[[System, "Splits", int], dict[str, float]]
"""``also(system, splits, seed)``: figures by name that no metric of a sample can tell, such as a gap."""


class Splits(NamedTuple):
    """The data of a seed; test data is looked at once."""

    train: Any
    validation: Any
    test: Any


@dataclass(frozen=True)
class Arm:
    """One way to train the system.

    Attributes:
        pattern: how it trains; the stages of a ``Stages`` share the epochs equally. Or a loop that was written by hand,
            the arm's peer.
        selected_by: ``"system"``: the epoch with the best end metric on validation; ``"own"``: for each model the epoch
            that is best on its own edge, the paper's way; ``"nobody"``: the last epoch, whatever validation says.
        labels: a word that ``Case.data`` understands: ``"annotated"``, or ``"projected"`` where the inner truths are
            computed from the end labels.
        times: how often it reads the data where another arm reads it once; what is not 1 says so in its name.
    """

    pattern: TrainingPattern | ByHand
    selected_by: Literal["system", "own", "nobody"] = "system"
    labels: str = "annotated"
    times: float = 1.0

    def epochs(self, total: int) -> int | tuple[int, ...]:
        """Readings of the data: all arms read it equally often, unless one says otherwise."""
        total = round(total * self.times)
        if not isinstance(self.pattern, Stages):
            return total
        count = len(self.pattern.patterns)
        return tuple(total // count + (place < total % count) for place in range(count))


@dataclass(frozen=True)
class Case:
    """A system to be trained in many ways, and how it is judged.

    Attributes:
        name: what the tables call it.
        build: from a seed to the system with the weights that every arm starts from.
        data: from a seed and the arm's word for labels to the data; the test data is the same for every word.
        arms: by name; the first is the baseline that the others are compared with.
        metric: of the end, which chooses epochs and is compared; several, one a branch, are judged together: their
            numerators and denominators are summed.
        choosing: by the mean of which epochs are chosen, in place of ``metric``, where that depends on a threshold that
            is tuned only afterwards.
        scores: more metrics of the system on test data, by name.
        own: the metric of each inner edge that has a truth, by edge.
        unit: the field of the test data whose values are independent, such as ``"speaker"``; None: each seed is a unit.
        tune: fits the glue code's thresholds on validation, in the same way for every arm.
        corruptions: from test data and seed to damaged test data, by name.
        epochs: readings of the training data.
        every: epochs from one point of a curve to the next.
        batch_size: samples a batch.
        rates: Adam's learning rates that every arm may try.
        tuning_seeds: repetitions of each rate, on seeds that are not compared.
        margin: of the end metric, that counts as not worse; stated beforehand.
        also: from a trained system, the data and the seed to more figures, measured once, after every choice is made.
        about: sentences for the head of the results: what the data is and what it does not allow to say.
    """

    name: str
    build: Callable[[int], System]
    data: Callable[[int, str], Splits]
    arms: Mapping[str, Arm]
    metric: Metric | tuple[Metric, ...]
    scores: Mapping[str, Metric] = field(default_factory=dict)
    own: Mapping[str, Metric] = field(default_factory=dict)
    unit: str | None = None
    tune: Tune | None = None
    corruptions: Mapping[str, Callable[[Any, int], Any]] = field(default_factory=dict)
    epochs: int = 8
    every: int = 1
    batch_size: int = 32
    rates: tuple[float, ...] = (1e-3, 3e-3)
    tuning_seeds: int = 1
    margin: float = 0.02
    also: Also | None = None
    choosing: tuple[Metric, ...] = ()
    about: str = ""

    @property
    def ends(self) -> tuple[Metric, ...]:
        """The metrics of the end."""
        return self.metric if isinstance(self.metric, tuple) else (self.metric,)

    @property
    def end_name(self) -> str:
        """What the tables call the end metric."""
        return self.ends[0].name if len(self.ends) == 1 else "all branches"

    @property
    def baseline(self) -> str:
        """The name of the first arm."""
        return next(iter(self.arms))


def load(reference: str) -> Case:
    """The case that ``module:name`` names; a worker process finds it by these words.

    A name that is called answers its case: ``examples.speech.case:speech`` is a function or a ``Case``.
    """
    module, _, name = reference.partition(":")
    found = getattr(import_module(module), name)
    case = found if isinstance(found, Case) else found()
    assert isinstance(case, Case), f"{reference} is {type(case).__name__}, not a Case"
    return case
