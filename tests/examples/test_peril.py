"""Simultaneous training really punishes a model that was right, the verdict says so, and partial training does not."""

from __future__ import annotations

import pytest

from examples.race_car.peril import Outcome, outcomes

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module", params=SEEDS)
def found(request: pytest.FixtureRequest) -> dict[str, Outcome]:
    return {outcome.pattern: outcome for outcome in outcomes(request.param)}


@pytest.mark.slow
def test_the_lidar_model_is_right_and_the_camera_model_is_wrong_at_the_start(found: dict[str, Outcome]) -> None:
    before = found["simultaneous end-loss"].before
    assert before["range"] < 0.5
    assert before["reach"] > 2


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["simultaneous end-loss", "alternating end-loss"])
def test_the_end_loss_makes_the_model_that_was_right_wrong(found: dict[str, Outcome], pattern: str) -> None:
    outcome = found[pattern]
    assert outcome.after["distance"] < outcome.before["distance"]
    assert outcome.after["range"] > 3 * outcome.before["range"]


@pytest.mark.slow
def test_the_verdict_names_the_edge_that_moved_away_from_its_truth(found: dict[str, Outcome]) -> None:
    verdict = found["simultaneous end-loss"].verdict
    assert "moved away from their truth: range" in verdict
    assert "can still be swapped" in verdict


@pytest.mark.slow
def test_training_only_the_model_that_was_wrong_avoids_it(found: dict[str, Outcome]) -> None:
    outcome = found["partial end-loss, camera"]
    assert outcome.after["range"] == outcome.before["range"]
    assert outcome.after["distance"] < outcome.before["distance"]
    assert "moved away" not in outcome.verdict


@pytest.mark.slow
def test_after_simultaneous_training_a_right_camera_makes_the_system_worse(found: dict[str, Outcome]) -> None:
    together, apart = found["simultaneous end-loss"], found["partial end-loss, camera"]
    assert together.swapped > 2 * together.after["distance"]
    assert apart.swapped < apart.before["distance"] / 2
