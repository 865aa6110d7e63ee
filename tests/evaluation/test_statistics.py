"""Intervals contain what they should as often as they say; paired differences see what unpaired ones cannot."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from drivetrain.errors import DataError, DeclarationError
from drivetrain.evaluation import Estimate, Rows, estimate, paired_difference

Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray, float]]
"""Draws some units: their numerators, their denominators, and the true ratio."""

numbers = st.lists(st.floats(-100, 100), min_size=2, max_size=30)


def rows(numerators: np.ndarray, denominators: np.ndarray, units: list[int] | None = None) -> Rows:
    named = tuple(range(len(numerators))) if units is None else tuple(units)
    return Rows(numerators.astype(float), denominators.astype(float), named)


@settings(max_examples=30, deadline=None)
@given(numbers)
def test_the_interval_contains_the_value(values: list[float]) -> None:
    found = estimate(values)
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(np.mean(values), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(numbers, st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(values: list[float], shuffler: object) -> None:
    shuffled = list(values)
    shuffler.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = estimate(values), estimate(shuffled)
    assert (other.low, other.high) == pytest.approx((one.low, one.high), abs=1e-9)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(1).normal(size=40)
    assert estimate(values, seed=3) == estimate(values, seed=3)
    assert estimate(values, seed=3) != estimate(values, seed=4)


def test_the_interval_of_a_mean_is_close_to_students() -> None:
    values = np.random.default_rng(0).normal(size=12)
    low, high = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    found = estimate(values)
    assert found.low == pytest.approx(low, abs=0.15 * (high - low))
    assert found.high == pytest.approx(high, abs=0.15 * (high - low))


def test_the_interval_of_a_ratio_agrees_with_scipys_bootstrap() -> None:
    generator = np.random.default_rng(0)
    below = generator.integers(1, 9, 200)
    above = generator.binomial(below, 0.7)
    found = estimate(rows(above, below))
    theirs = stats.bootstrap(
        (above, below),
        lambda a, b, axis: a.sum(axis) / b.sum(axis),
        paired=True,
        method="percentile",
        random_state=np.random.default_rng(5),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert found.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert found.high == pytest.approx(theirs.high, abs=0.05 * width)


def normal(generator: np.random.Generator, units: int) -> tuple[np.ndarray, np.ndarray, float]:
    return generator.normal(1, 1, units), np.ones(units), 1.0


def skewed(generator: np.random.Generator, units: int) -> tuple[np.ndarray, np.ndarray, float]:
    return generator.exponential(1, units), np.ones(units), 1.0


def ratio(generator: np.random.Generator, units: int) -> tuple[np.ndarray, np.ndarray, float]:
    below = generator.poisson(30, units) + 1
    return generator.binomial(below, generator.beta(15, 5, units)), below, 0.75


def uneven_ratio(generator: np.random.Generator, units: int) -> tuple[np.ndarray, np.ndarray, float]:
    below = np.ceil(generator.lognormal(3, 1, units)).astype(int)
    return generator.binomial(below, generator.beta(15, 5, units)), below, 0.75


def counted(generator: np.random.Generator, units: int) -> tuple[np.ndarray, np.ndarray, float]:
    return generator.binomial(1, 0.75, units), np.ones(units), 0.75


# the share of 95 % intervals that contain the truth, within the noise of 400 trials; where it is less, it is said
COVERAGE = [
    (normal, 4, 0.95), (normal, 7, 0.95), (normal, 20, 0.95),
    (ratio, 4, 0.95), (ratio, 7, 0.95), (ratio, 20, 0.95),
    (uneven_ratio, 4, 0.95), (uneven_ratio, 7, 0.95), (uneven_ratio, 20, 0.92),
    (skewed, 4, 0.88), (skewed, 7, 0.90), (skewed, 20, 0.93),  # the rare large unit is missing from few
    (counted, 12, 0.95), (counted, 50, 0.95),
]  # fmt: skip


@pytest.mark.parametrize(("draw", "units", "share"), COVERAGE)
def test_intervals_contain_the_truth_about_as_often_as_they_say(draw: Draw, units: int, share: float) -> None:
    generator = np.random.default_rng(0)
    trials = 400
    hits = 0
    for trial in range(trials):
        above, below, truth = draw(generator, units)
        found = estimate(rows(above, below), seed=trial)
        hits += found.low <= truth <= found.high
    noise = 2.6 * math.sqrt(share * (1 - share) / trials)
    assert share - noise <= hits / trials <= share + noise + 0.02


def test_a_paired_difference_of_few_seeds_contains_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    trials = 400
    hits = 0
    for trial in range(trials):
        track = generator.normal(0, 5, 4)
        found = paired_difference(track + generator.normal(1, 1, 4), track + generator.normal(0, 1, 4), seed=trial)
        hits += found.low <= 1 <= found.high
    assert hits / trials >= 0.95 - 2.6 * math.sqrt(0.95 * 0.05 / trials)


def test_the_interval_of_four_units_is_as_long_as_students() -> None:
    values = np.array([0.2, 0.9, 0.4, 0.6])
    low, high = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    found = estimate(values)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.low < values.min()  # no draw of the units gets there
    assert found.high > values.max()


def test_frames_of_few_sessions_give_a_wider_interval_than_independent_frames() -> None:
    generator = np.random.default_rng(0)
    session = np.repeat(np.arange(8), 50)
    values = generator.normal(size=8)[session] + 0.1 * generator.normal(size=400)
    frames, sessions = estimate(values), estimate(values, units=session.tolist())
    assert sessions.value == frames.value
    assert sessions.high - sessions.low > 4 * (frames.high - frames.low)
    assert (sessions.n, sessions.units) == (400, 8)


def test_one_unit_has_no_interval() -> None:
    found = estimate([1.0, 2.0], units=["only", "only"])
    assert not found.has_interval
    assert str(found) == "1.50 [no interval] n=2 in 1 units"


def test_nothing_to_divide_by_is_nan() -> None:
    found = estimate(rows(np.zeros(3), np.zeros(3)))
    assert math.isnan(found.value)
    assert not found.has_interval


def test_units_that_have_nothing_to_divide_by_say_nothing() -> None:
    one = estimate(rows(np.array([1, 0, 0]), np.array([2, 0, 0])))
    assert one.value == 0.5
    assert not one.has_interval  # a single unit says nothing of how much units differ
    with_empty = estimate(rows(np.array([1, 0, 3, 0]), np.array([2, 0, 4, 0])))
    without = estimate(rows(np.array([1, 3]), np.array([2, 4])))
    assert (with_empty.low, with_empty.high) == (without.low, without.high)
    assert with_empty.units == 4


def test_a_sample_whose_value_is_infinite_leaves_no_interval() -> None:
    found = estimate([1.0, math.inf, 2.0])
    assert found.value == math.inf
    assert not found.has_interval


def test_a_unit_on_whom_all_rests_does_not_break_the_jackknife() -> None:
    one_sided = paired_difference(rows(np.array([1, 2]), np.array([2, 3])), rows(np.array([1, 0]), np.array([2, 0])))
    assert one_sided.has_interval


def test_an_estimate_prints_as_many_decimals_as_its_interval_allows() -> None:
    assert str(Estimate(0.7612, 0.7104, 0.8021, 200, 200)) == "0.76 [0.71, 0.80] n=200"
    assert str(Estimate(0.1042, 0.1031, 0.1056, 900, 12)) == "0.104 [0.103, 0.106] n=900 in 12 units"


def test_a_difference_on_the_same_samples_is_seen_although_samples_differ_more() -> None:
    generator = np.random.default_rng(0)
    difficulty = generator.normal(size=100)
    first, second = difficulty + 0.1, difficulty + 0.02 * generator.normal(size=100)
    found = paired_difference(first, second)
    assert found.better()
    assert found.value == pytest.approx(0.1, abs=0.01)
    assert found.high - found.low < 0.02
    assert paired_difference(second, first).worse()


def test_a_difference_of_ratios_is_the_difference_of_both_values() -> None:
    below = np.array([4, 2, 8, 5])
    first, second = rows(np.array([4, 1, 6, 5]), below), rows(np.array([2, 2, 6, 1]), below)
    assert paired_difference(first, second).value == pytest.approx(16 / 19 - 11 / 19)


def test_not_worse_means_that_the_whole_interval_lies_within_the_margin() -> None:
    noise = 0.01 * np.random.default_rng(0).normal(size=60)
    same = paired_difference(0.8 + noise, np.full(60, 0.8))
    assert same.not_worse(0.02)
    assert same.verdict(0.02) == "not worse (margin 0.02)"
    wild = paired_difference(0.8 + 20 * noise, np.full(60, 0.8))
    assert not wild.not_worse(0.02)
    assert wild.verdict(0.02) == "undecided at margin 0.02"
    worse = paired_difference(0.79 + 0.1 * noise, np.full(60, 0.8))
    assert worse.verdict(0.02) == "worse, by less than 0.02"
    assert paired_difference(0.7 + 0.1 * noise, np.full(60, 0.8)).verdict(0.02) == "worse"
    assert paired_difference([1.0], [2.0]).verdict(0.02).startswith("undecided: too few")


def test_for_errors_less_is_better() -> None:
    noise = 0.01 * np.random.default_rng(0).normal(size=60)
    found = paired_difference(0.1 + noise, np.full(60, 0.2), higher_is_better=False)
    assert found.better()
    assert found.not_worse(0.0)
    assert str(found).startswith("-0.099 [-0.10")


def test_different_samples_cannot_be_paired() -> None:
    with pytest.raises(DataError, match="needs the same samples on both sides; found 3 and 2"):
        paired_difference([1.0, 2.0, 3.0], [1.0, 2.0])
    ones = np.ones(2)
    with pytest.raises(DataError, match="row 1 is 'b' and 'c'"):
        paired_difference(Rows(ones, ones, (0, 1), ("a", "b")), Rows(ones, ones, (0, 1), ("a", "c")))


def test_misuse_is_refused_by_words() -> None:
    with pytest.raises(DeclarationError, match=r"share between 0 and 1 such as 0\.95, found 95"):
        estimate([1.0, 2.0], confidence=95.0)
    with pytest.raises(DataError, match="3 units are named for 2 rows"):
        estimate([1.0, 2.0], units=[1, 2, 3])
    with pytest.raises(DataError, match=r"one number a unit, found shape \(2, 2\)"):
        estimate(np.ones((2, 2)))
