"""What the search's model says about combinations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.interactions.families import landscape
from benchmarks.interactions.searching import outcome
from drivetrain.experiments.selecting.search import Interactions, Random, Space
from drivetrain.experiments.selecting.search.covering import covering, orthogonal
from drivetrain.experiments.selecting.search.model import Model
from drivetrain.experiments.selecting.search.regret import regret
from drivetrain.experiments.selecting.search.tables import Tables, prior_draw

SIZES = st.lists(st.integers(1, 5), min_size=2, max_size=5).map(tuple)


@given(SIZES, st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_tables_answer_what_the_kernel_answers(sizes: tuple[int, ...], seed: int) -> None:
    random = np.random.default_rng(seed)
    space = Space(sizes, ((0, 1),))
    rows = list({tuple(random.integers(np.array(sizes)).tolist()) for _ in range(12)})
    model = Model.fitted(space, rows, random.normal(size=len(rows)).tolist())
    asked = random.integers(np.array(sizes), size=(9, len(sizes)))
    assert model.expected(asked) == pytest.approx(model.predict(asked)[0], abs=1e-8)


def test_draws_from_the_prior_vary_together_as_the_kernel_says() -> None:
    space = Space((3, 3, 3), ((0, 1),))
    model = Model.fitted(space, [(0, 0, 0), (1, 1, 1), (2, 2, 2)], [0.0, 1.0, 0.5])
    rows = np.array([(0, 0, 0), (0, 0, 1), (0, 1, 1), (2, 1, 0)])
    shares = np.exp(model.logs)
    random = np.random.default_rng(0)
    drawn = np.stack([prior_draw(model.parts, shares, random)(rows) for _ in range(4000)])
    assert np.cov(drawn.T) == pytest.approx(model.parts.kernel(shares[:-1], rows, rows), abs=0.15 * shares.sum())


def test_a_posterior_draw_passes_through_what_was_evaluated() -> None:
    space = Space((4, 4), ((0, 1),))
    rows, values = [(0, 0), (1, 2), (3, 3), (2, 1)], [1.0, -1.0, 0.5, 0.0]
    model = Model.fitted(space, rows, values)
    drawn = model.drawn(np.random.default_rng(0))(np.array(rows))
    assert drawn == pytest.approx(values, abs=0.2)


def test_tables_without_rows_are_a_plain_sum() -> None:
    tables = Tables(np.array([[1.0, 2.0], [10.0, 20.0]]), {(0, 1): np.eye(2)}, np.zeros((0, 2), int), np.zeros(0))
    assert tables(np.array([[1, 1], [0, 1]])).tolist() == [23.0, 21.0]


@given(st.sampled_from([2, 3, 5]), st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_in_an_orthogonal_array_all_versions_of_any_two_slots_meet(versions: int, seed: int) -> None:
    space = Space((versions,) * (versions + 1))
    rows = orthogonal(space, np.random.default_rng(seed))
    assert len(rows) == versions**2
    for one in range(versions + 1):
        for other in range(one):
            assert len({(row[one], row[other]) for row in rows}) == versions**2


@given(SIZES, st.integers(1, 40), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_what_covers_are_so_many_different_combinations(sizes: tuple[int, ...], rows: int, seed: int) -> None:
    space = Space(sizes, tuple((slot, slot + 1) for slot in range(len(sizes) - 1)))
    found = covering(space, rows, np.random.default_rng(seed))
    assert len(found) == len(set(found))
    assert len(found) >= min(rows, space.count)
    assert all(0 <= version < size for row in found for version, size in zip(row, sizes, strict=True))


def test_along_a_tree_of_links_no_pair_meets_twice_before_all_have_met() -> None:
    space = Space((6, 6, 6, 6), ((0, 1), (0, 2), (2, 3)))
    rows = covering(space, 36, np.random.default_rng(0))
    for one, other in space.links:
        assert len({(row[one], row[other]) for row in rows}) == 36


@pytest.mark.parametrize("family", ["additive", "weak pairs in a chain", "all pairs", "saturated"])
def test_the_search_beats_drawing_at_random(family: str) -> None:
    known = landscape(family, 0)
    ours, theirs = (outcome(known, strategy, 2 * sum(known.sizes), 0).regret for strategy in (Interactions(), Random()))
    assert ours < 0.02 < theirs


def test_the_estimate_of_regret_shrinks_with_what_is_known() -> None:
    known = landscape("strong pairs in a chain", 0)
    space = Space(known.sizes, known.links)
    random = np.random.default_rng(0)
    rows = list({tuple(random.integers(np.array(known.sizes)).tolist()) for _ in range(200)})
    few, many = ({row: known.value(row) for row in rows[:count]} for count in (20, 180))
    expected, high = regret(space, few, 0)
    assert 0.0 < expected <= high
    assert regret(space, many, 0)[0] < expected
