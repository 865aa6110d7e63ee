"""A system version against another, edge by edge."""

from __future__ import annotations

from typing import Any

from drivetrain.experiments import Store
from drivetrain.ui.wording import interval


def comparison_page(store: Store, system: str, first: str, second: str) -> dict[str, Any]:
    """Two versions side by side: the two newest unless others are asked for."""
    numbers = store.systems.numbers(system)
    told: dict[str, Any] = {"system": system, "tab": "compare", "versions": numbers[::-1], "difference": None}
    if len(numbers) < 2 and not (first and second):
        return told
    before = store.systems.get(system, first or numbers[-2])
    after = store.systems.get(system, second or numbers[-1])
    found = store.compare(before, after)
    return told | {
        "first": before, "second": after, "difference": found,
        "measures": [
            {
                "edge": each.edge or "the system", "metric": each.metric, "data": each.data[:8],
                "verdict": each.verdict,
                "before": interval(each.before.value, each.before.low, each.before.high) if each.before else "–",
                "after": interval(each.after.value, each.after.low, each.after.high) if each.after else "–",
                "change": "" if each.change is None else f"{each.change:+.4g}",
            }
            for each in found.measures
        ],
    }  # fmt: skip


def promotions_page(store: Store, system: str, said: str = "", wrong: str = "") -> dict[str, Any]:
    """What is promoted, what was, and the form to promote another version."""
    return {
        "system": system, "tab": "promotions", "current": store.promotions.current(system),
        "history": store.promotions.history(system)[::-1], "versions": store.systems.numbers(system)[::-1],
        "said": said, "wrong": wrong,
    }  # fmt: skip
