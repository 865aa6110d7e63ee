"""Whether models that were trained together can still be swapped: one at a time, for models that were trained alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from drivetrain.errors import DeclarationError, UnknownNameError, listed
from drivetrain.evaluation.change import Change, Measurement, change, number
from drivetrain.evaluation.evaluate import EvaluationReport, evaluate
from drivetrain.evaluation.metrics import Metric, metrics_by_edge
from drivetrain.graph import System
from drivetrain.report import Report


@dataclass(frozen=True)
class Swap:
    """What one metric says when one model is swapped.

    Attributes:
        model: the model that was swapped for the one trained alone.
        together: from the system as it was trained together to the one with that model swapped.
        apart: from the system of models that were all trained alone to the one with only that model alone.
    """

    model: str
    together: Change
    apart: Change

    @property
    def costly(self) -> bool:
        """Whether the system surely loses by the swap; it may, as joint training made a better model of that one."""
        return self.together.better is False

    @property
    def locked(self) -> bool:
        """Whether it then is surely worse than models that never met: the others rely on what this one alone does."""
        return self.costly and self.apart.better is False

    def __str__(self) -> str:
        lost = "costs" if self.costly else "does not clearly change"
        text = f"Swapping back {self.model} {lost} {self.together.edge}: {self.together.words}"
        return f"{text}; all models trained alone have {number(self.apart.before)}"


@dataclass(frozen=True, repr=False)
class SwapReport(Report):
    """What ``co_adaptation`` answers.

    Attributes:
        system: the name of the system that was trained together.
        swaps: one per model and metric.
    """

    system: str
    swaps: tuple[Swap, ...]

    @property
    def verdict(self) -> str:
        """Which models can no longer be swapped, in words."""
        return swap_words(self.swaps)

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "verdict": self.verdict}

    def __rich__(self) -> RenderableType:
        title = f"{self.system}: one model swapped for the one trained alone"
        table = Table("model", "edge", "metric", "together", "swapped", "alone", "", title=title, title_justify="left")
        for swap in self.swaps:
            word = "CANNOT BE SWAPPED" if swap.locked else "costly" if swap.costly else ""
            values = swap.together.before, swap.together.after, swap.apart.before
            table.add_row(swap.model, swap.together.edge, swap.together.metric, *map(number, values), word)
        return Group(table, Text(self.verdict))


def co_adaptation(
    system: System,
    reference: System,
    data: Any,
    metrics: Any,
    *,
    models: Sequence[str] | None = None,
    unit: str | None = None,
    batch_size: int = 64,
    show_progress: bool = True,
) -> SwapReport:
    """Put each model of a reference system, trained alone, into a system trained together, and measure what is lost.

    Args:
        system: trained together; neither system is changed.
        reference: a system with components of the same names, such as a copy from before end-loss training.
        data: with the truth of the edges that are measured, as ``evaluate`` takes it.
        metrics: as ``evaluate`` takes them.
        models: those to swap; all that both systems have if None.
        unit: the field of the data whose values are independent; intervals are drawn over it.
        batch_size: samples that are run at once.
        show_progress: a bar for each system that takes longer than a moment.

    Raises:
        UnknownNameError: one of the systems has no model of a name.
        DeclarationError: the two have no model in common.
    """
    chosen = _chosen(system, reference, models)
    known = metrics_by_edge(system, metrics)

    def measured(candidate: System) -> Measurement:
        found = evaluate(
            candidate, data, metrics, unit=unit, batch_size=batch_size, show_progress=show_progress
        )  # fmt: skip
        return _measurement(found)

    together, apart = measured(system), measured(reference)
    swaps: list[Swap] = []
    for name in chosen:
        swaps += swaps_of(name, known, together, apart, measured(system.replace(**{name: reference.component(name)})))
    return SwapReport(system.name, tuple(swaps))


def swaps_of(
    model: str, metrics: Mapping[str, Metric], together: Measurement, apart: Measurement, swapped: Measurement
) -> list[Swap]:
    """What each measure says of one model that was swapped."""
    return [
        Swap(model, change(name, metrics.get(name), together, swapped), change(name, metrics.get(name), apart, swapped))
        for name in swapped.values
        if name in together.values and name in apart.values
    ]


def swap_words(swaps: Sequence[Swap]) -> str:
    """Which models can be swapped, in sentences."""
    locked = list(dict.fromkeys(swap.model for swap in swaps if swap.locked))
    said = [f"{swap}." for swap in swaps if swap.costly]
    if locked:
        said.append(
            f"These models can no longer be swapped one by one: with {listed(locked)} put back, the system is worse "
            f"than one whose models were all trained alone."
        )
    if not said and swaps:
        said.append(
            f"Models can be swapped: putting back {listed(dict.fromkeys(s.model for s in swaps))} costs nothing clear."
        )
    return " ".join(said)


def _chosen(system: System, reference: System, models: Sequence[str] | None) -> list[str]:
    for name in models or ():
        for one in (system, reference):
            if name not in one.models:
                raise UnknownNameError(
                    f"co_adaptation: no model '{name}' in {one.name}; its models are: {listed(one.models)}"
                )
    chosen = [name for name in system.models if name in (reference.models if models is None else models)]
    if not chosen:
        raise DeclarationError(
            f"co_adaptation: {system.name} and its reference have no model in common; models are: "
            f"{listed(system.models)}; and: {listed(reference.models)}"
        )
    return chosen


def _measurement(found: EvaluationReport) -> Measurement:
    rows = {name: rows for name, rows in found.rows.items() if len(rows)}
    return Measurement({name: estimate.value for name, estimate in found.items()}, rows)
