"""Numbers, moments and names as pages show them."""

from __future__ import annotations

import math
from datetime import datetime


def number(value: float | None) -> str:
    """A measured number: four digits, a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.4g}"


def interval(value: float | None, low: float | None, high: float | None) -> str:
    """A number with its interval, where it has one."""
    return number(value) if low is None or high is None else f"{number(value)} [{number(low)}, {number(high)}]"


def moment(seconds: float | None) -> str:
    """A moment in local time."""
    return "–" if seconds is None else f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"


def duration(seconds: float | None) -> str:
    """A time span: ``3.2 s``, ``4 min 10 s``, ``2 h 05 min``."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def count(value: int) -> str:
    """A whole number; of those that nobody can read the power of ten."""
    return f"{value:,}" if value < 10**9 else f"10^{math.log10(value):.0f}"
