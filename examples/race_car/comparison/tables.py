"""The tables of the comparison, from the rows alone."""

from collections.abc import Sequence
from math import inf, isnan
from typing import Any

from drivetrain.evaluation import Estimate
from examples.protocol.results import median
from examples.protocol.tables import Table

from .arms import BASELINE
from .curves import need
from .trial import CORRUPTIONS
from .trials import FEWEST, MARGIN, Row, Trials

DAMAGED = {corruption: f"f1 {corruption}" for corruption in CORRUPTIONS}
OURS = {"fog": "fog (camera)", "beam_dropout": "beams lost (lidar)"}


def tables(rows: Sequence[Row]) -> list[Table]:
    """Quality, not worse, cost to target, what became of the models alone, learning curves, labels to target."""
    trials = Trials(rows)
    return [_quality(trials), _not_worse(trials), _cost(trials), _models(trials), _curves(trials), _labels(trials)]


def _quality(trials: Trials) -> Table:
    numbers = ("f1", "precision", "recall", "metres", *DAMAGED.values())
    header = ("arm", "seeds", "F1", "precision", "recall", "error, m", *(f"F1 in {OURS[name]}" for name in DAMAGED))
    body = [
        [arm, str(len(trials.of(arm))), *(_estimate(trials.mean(arm, number)) for number in numbers)]
        for arm in trials.arms()
    ]
    note = "Test scenes, all data; right is the right colour within 0.5 m; mean over seeds [95 %]."
    return Table("Quality of the system", header, body, note)


def _not_worse(trials: Trials) -> Table:
    header = ("arm", *(f"{what} {part}" for what in ("F1", *OURS.values()) for part in ("difference", "verdict")))
    body = []
    for arm in trials.arms():
        if arm != BASELINE:
            numbers = ("f1", *DAMAGED.values())
            pairs = [(trials.against_baseline(arm, n).text(signed=True), trials.verdict(arm, n)) for n in numbers]
            body.append([arm, *(cell for pair in pairs for cell in pair)])
    note = f"No verdict under {FEWEST} seeds: an interval drawn from fewer lies within their range and is too short."
    return Table(f"Against {BASELINE}, paired by seed; margin {MARGIN} F1, stated beforehand", header, body, note)


def _cost(trials: Trials) -> Table:
    prices = {
        "iterations": lambda point: point["iterations"],
        "camera updates": lambda point: point["updates"].get("camera", 0),
        "lidar updates": lambda point: point["updates"].get("lidar", 0),
        "seconds": lambda point: point["seconds"],
    }
    body = []
    for arm in trials.arms():
        costs = [trials.to_target(arm, price) for price in prices.values()]
        reached = f"{sum(cost < inf for cost in costs[0])} of {len(costs[0])}"
        body.append([arm, reached, *map(_median, costs), _passes(trials, arm)])
    note = (
        f"Target of a seed: the validation F1 of its individual training less {MARGIN}; at every point of a curve the "
        "thresholds are tuned anew. Median over all seeds, never counted as infinite, with the interval of order "
        "statistics (from six seeds on). A model's backward passes are its updates. Processor seconds, one thread."
    )
    header = ("arm", "reached", *(f"{name} to target" for name in prices), "passes in all: forward, backward")
    return Table("Cost to target, all data", header, body, note)


def _models(trials: Trials) -> Table:
    body = [[arm, trials.mean(arm, "own boxes").text(), trials.mean(arm, "own hits").text()] for arm in trials.arms()]
    note = "Validation. Low values beside a good system: the models rely on each other and cannot be swapped alone."
    return Table("What became of each model alone", ("arm", "camera: F1 of cells", "lidar: F1 of beams"), body, note)


def _curves(trials: Trials) -> Table:
    body = [
        [arm, *(_curve_point(trials, arm, share) for share in trials.shares)] for arm in trials.arms(trials.shares[0])
    ]
    header = ("arm", *(f"{share:.0%} of the data" for share in trials.shares))
    note = (
        "F1 on test scenes, mean over seeds [95 %]; as many updates at every share; the validation scenes are the same "
        "at every share, and so are the learning rates, tuned on all data."
    )
    return Table("Learning curves", header, body, note)


def _labels(trials: Trials) -> Table:
    body = []
    for arm in trials.arms():
        found = trials.labels_to_target(arm)
        row = next(iter(trials.of(arm).values()))
        share = "never" if found is None else f"{found[0]:.0%}"
        body.append([arm, share, *_need(trials, arm), f"{trials.labels(arm):.0f}", str(row["labels"]["validation"])])
    header = (
        "arm", "smallest share not worse", "data for equal F1", "its training label values", "label saving",
        "training label values at 100 %", "on validation (first seed)",
    )  # fmt: skip
    note = (
        f"Not worse: than {BASELINE} training on all data, by {MARGIN} F1, paired by seed. Data for equal F1: where "
        f"the learning curve crosses that of {BASELINE} at 100 % less {MARGIN} [95 % over seeds]. Saving: label values "
        f"that {BASELINE} training needs for that F1, over the arm's; under 1 it costs more. Box 5 values, stretch of "
        "beams 1, cone 3."
    )
    return Table("Labels to target: the horizontal distance between learning curves", header, body, note)


def _need(trials: Trials, arm: str) -> tuple[str, str, str]:
    """Share, label values and saving; dashes where the arm has no curve."""
    found = need(trials, arm)
    if found is None:
        return "-", "-", "-"
    smallest = trials.shares[0]

    def share(value: float) -> str:
        return "never" if value == inf else f"at most {value:.0%}" if value <= smallest else f"{value:.0%}"

    data, saving = found.share, found.saving
    labels = "never" if data.value == inf else f"{found.labels:.0f}"
    times = "-" if not data.value < inf else f"{saving.value:.1f} [{saving.low:.1f}, {saving.high:.1f}]"
    return f"{share(data.value)} [{share(data.low)}, {share(data.high)}]", labels, times


def _curve_point(trials: Trials, arm: str, share: float) -> str:
    rows = trials.of(arm, share)
    return f"{trials.mean(arm, 'f1', share).text()} n={len(rows)}" if rows else "-"


def _estimate(found: Estimate) -> str:
    return "-" if isnan(found.value) else found.text()


def _passes(trials: Trials, arm: str) -> str:
    row: dict[str, Any] = next(iter(trials.of(arm).values()))
    return "; ".join(f"{model} {forward}, {backward}" for model, (forward, backward) in row["passes"].items())


def _median(values: Sequence[float]) -> str:
    middle, low, high = median(values)
    return _cost_text(middle) if isnan(low) else f"{_cost_text(middle)} [{_cost_text(low)}, {_cost_text(high)}]"


def _cost_text(value: float) -> str:
    return "never" if value == inf else f"{value:.0f}" if value >= 10 else f"{value:.1f}"
