"""A metric: one number a sample, or a numerator and a denominator a sample that are summed before dividing."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import Any

from drivetrain.errors import DeclarationError, listed
from drivetrain.graph import System


@dataclass(frozen=True)
class Metric:
    """How good an edge is.

    Attributes:
        fn: ``fn(prediction, truth)`` answers one value a sample (a tensor, array or list as long as the batch), or a
            tuple ``(numerator, denominator)`` of two such for ratios such as F1: both are summed over the samples and
            then divided. A sample that has no value, such as the position error of no cones, answers a denominator
            of zero. A ``torchmetrics.Metric`` fits too.
        edge: the edge that it judges; not needed where the system has one output.
        higher_is_better: False for errors and distances.
        name: what a table calls it; the function's own name unless said otherwise, "metric" where it has none.

    Example:
        >>> def accuracy(prediction, truth):
        ...     return prediction.argmax(-1) == truth
        >>> Metric(accuracy, "class").name
        'accuracy'
        >>> def recall(prediction, truth):  # per sample: how many of its objects were found, how many there are
        ...     return (prediction & truth).sum(-1), truth.sum(-1)
        >>> Metric(recall, "found", name="share found").name
        'share found'

    Raises:
        DeclarationError: ``fn`` cannot be called, or contradicts ``higher_is_better``.
    """

    fn: Any
    edge: str | None = None
    higher_is_better: bool = True
    name: str = ""

    def __post_init__(self) -> None:
        if not callable(self.fn) or isinstance(self.fn, type | Metric):
            raise DeclarationError(
                f"Metric: {_called(self.fn)} is no metric; what fits: a function of (prediction, truth) that answers "
                f"one value a sample, or a torchmetrics.Metric: Metric(f1, 'cones')"
            )
        if is_torchmetrics(self.fn) and self.higher_is_better and self.fn.higher_is_better is False:
            raise DeclarationError(
                f"Metric({_called(self.fn)}): for this torchmetrics metric lower is better; "
                f"write Metric(..., higher_is_better=False)"
            )
        if not self.name:
            object.__setattr__(self, "name", _called(self.fn))

    def better(self, first: float, second: float) -> bool:
        """Whether the first value is better than the second; NaN is never better, and anything is better than NaN."""
        if isnan(first) or isnan(second):
            return isnan(second) and not isnan(first)
        return first > second if self.higher_is_better else first < second


def metrics_by_edge(system: System, metrics: Any) -> dict[str, Metric]:
    """What a user hands over as metrics, each with its edge, under the name by which a report knows it.

    That is the edge where it has one metric, ``"cones.f1"`` where it has several or where the user gave a name.

    Args:
        metrics: a metric of the system's only output; a ``Metric`` that names its edge; a dict by edge of metrics,
            lists of metrics, or dicts of named metrics; or a list of ``Metric``. A metric is a function, a ``Metric``
            or a ``torchmetrics.Metric``.

    Raises:
        UnknownNameError: the system has no such edge.
        DeclarationError: it is not said which edge is meant, the edge is an input, or something is no metric.
    """
    chosen: dict[str, Metric] = {}
    for name, metric in _named(system, metrics):
        if name in chosen:
            raise DeclarationError(
                f"two metrics would both be called '{name}'; name them apart: "
                f'{{"{metric.edge}": {{"first": ..., "second": ...}}}}'
            )
        chosen[name] = metric
    if not chosen:
        raise DeclarationError(f'no metric is given; write one by edge: {{"{system.outputs[-1]}": metric}}')
    return chosen


def is_torchmetrics(thing: Any) -> bool:
    """Whether it is a ``torchmetrics.Metric``; if nobody has imported torchmetrics, it is not."""
    library = sys.modules.get("torchmetrics")
    return library is not None and isinstance(thing, library.Metric)


def _named(system: System, metrics: Any) -> list[tuple[str, Metric]]:
    if isinstance(metrics, Mapping):
        found = []
        for edge, several in metrics.items():
            found += _on_edge(system, _checked(system, edge), several)
        return found
    if isinstance(metrics, Sequence) and not isinstance(metrics, str):
        by_edge: dict[str, list[Metric]] = {}
        for metric in (as_metric(one) for one in metrics):
            by_edge.setdefault(_edge_of(system, metric), []).append(metric)
        return [pair for edge, several in by_edge.items() for pair in _on_edge(system, edge, several)]
    metric = as_metric(metrics)
    return _on_edge(system, _edge_of(system, metric), metric)


def as_metric(thing: Any) -> Metric:
    """A function, a ``torchmetrics.Metric`` or a ``Metric``, as a ``Metric``.

    Raises:
        DeclarationError: it is none of these.
    """
    if isinstance(thing, Metric):
        return thing
    return Metric(thing, higher_is_better=getattr(thing, "higher_is_better", None) is not False)


def _on_edge(system: System, edge: str, several: Any) -> list[tuple[str, Metric]]:
    if isinstance(several, Mapping):
        pairs = [(f"{edge}.{name}", replace(as_metric(one), name=str(name))) for name, one in several.items()]
    elif isinstance(several, Sequence) and not isinstance(several, str):
        many = [as_metric(one) for one in several]
        pairs = [(edge if len(many) == 1 else f"{edge}.{metric.name}", metric) for metric in many]
    else:
        pairs = [(edge, as_metric(several))]
    for _, metric in pairs:
        if metric.edge not in (None, edge):
            raise DeclarationError(f"the metric '{metric.name}' of edge '{metric.edge}' is given for edge '{edge}'")
    return [(name, replace(metric, edge=edge)) for name, metric in pairs]


def _edge_of(system: System, metric: Metric) -> str:
    if metric.edge is not None:
        return _checked(system, metric.edge)
    if len(system.outputs) == 1:
        return system.outputs[0]
    raise DeclarationError(
        f"the metric '{metric.name}' does not say which output it judges; {system.name} answers "
        f'{listed(system.outputs)}: write {{"{system.outputs[0]}": {metric.name}}}'
    )


def _checked(system: System, edge: str) -> str:
    if system.graph.check_edge(edge, "a metric") in system.inputs:
        raise DeclarationError(
            f"a metric: edge '{edge}' is an input of {system.name}, nothing predicts it; "
            f"what can be judged: {listed(e for e in system.edges if e not in system.inputs)}"
        )
    return edge


def _called(thing: Any) -> str:
    while isinstance(thing, functools.partial):
        thing = thing.func
    if isinstance(thing, Metric):
        return f"Metric({thing.name})"
    name = getattr(thing, "__name__", None) or (type(thing).__name__ if callable(thing) else repr(thing))
    return "metric" if name == "<lambda>" else name
