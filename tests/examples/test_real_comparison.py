"""The comparison on the real car: what chooses never sees what tests, and losing is printed as losing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from examples.race_car import real
from examples.race_car.real.comparison.arms import ARMS, BASELINE, by_term
from examples.race_car.real.comparison.choosing import Choices, f1
from examples.race_car.real.comparison.running import complete, inner_jobs, main, trained_as
from examples.race_car.real.comparison.tables import difference, markdown, score, tables, words
from examples.race_car.real.comparison.trial import CAUTIONS, Sizes, without_beams, without_boxes

LAYOUTS = {
    "april": "camera_alverca_autox_april1",
    "may": "camera_alverca_autox_may1",
    "estoril1": "camera_estoril_autox1",
    "estoril2": "camera_estoril_autox2",
}
OWN = {"own hits": 0.5, "own tints": 0.5, "own feet": -20.0}
UPDATES = {"lidar": 8, "intensity": 8, "projection": 8}


def tally(right: float) -> list[float]:
    return [right, 100.0, 100.0, 8.0, 80.0]


def inner_rows(best_rate: float = 4e-3, seen: str | None = None) -> list[dict[str, Any]]:
    """Trainings in which one learning rate, the second checkpoint and a caution of 0.5 are best; except on `seen`."""
    rows = []
    for arm, rate, pair in inner_jobs(list(LAYOUTS)):
        points = []
        for number, epoch in enumerate((2, 4) if ARMS[arm].staged else (4, 8)):
            found = {
                str(caution): {
                    LAYOUTS[layout]: tally(99.0 - 40 * (rate == best_rate) if layout == seen else
                                           50 + 10 * (rate == best_rate) + 5 * number - abs(caution - 0.5))
                    for layout in pair
                } for caution in CAUTIONS
            }  # fmt: skip
            points.append({"epoch": epoch, "cpu": 1.0 + number, "updates": UPDATES, "tallies": found, **OWN})
        rows.append({"kind": "inner", "arm": arm, "rate": rate, "pair": list(pair), "points": points})
    return rows


def outer_rows(right: dict[str, float], seeds: int = 1) -> list[dict[str, Any]]:
    choice = {"rates": dict.fromkeys(UPDATES, 4e-3), "epochs": dict.fromkeys(UPDATES, 8), "caution": 0.5}
    return [
        {"kind": "outer", "arm": arm, "seed": seed, "layout": layout, "choice": choice, "cpu": 3.0, "labels": 10,
         "updates": UPDATES, "passes": {model: [8, 8] for model in UPDATES}, **OWN,
         **{state: {session: tally(right.get(arm, 70.0) + number)} for state in ("clean", "beams lost", "boxes lost")}}
        for arm in ARMS for seed in range(seeds) for number, (layout, session) in enumerate(LAYOUTS.items())
    ]  # fmt: skip


def test_every_arm_chooses_the_setting_that_is_best_on_layouts_left_out() -> None:
    choices = Choices(inner_rows())
    for arm in ARMS:
        choice = choices.of(arm, "april")
        assert choice.caution == 0.5
        if ARMS[arm].selected_by == "system":
            assert set(choice.rates.values()) == {4e-3}
            assert set(choice.epochs.values()) == {4 if ARMS[arm].staged else 8}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_that_is_tested_has_no_part_in_the_choice(layout: str) -> None:
    honest, misled = Choices(inner_rows()), Choices(inner_rows(seen=layout))
    for arm in ARMS:
        assert misled.of(arm, layout) == honest.of(arm, layout)


def test_the_trainings_that_choose_leave_out_one_layout_of_each_rig() -> None:
    for _, _, pair in inner_jobs(list(LAYOUTS)):
        assert {real.rig_of(LAYOUTS[layout]) for layout in pair} == {0, 1}
    assert {layout for _, _, pair in inner_jobs(list(LAYOUTS)) for layout in pair} == set(LAYOUTS)


def test_every_arm_has_as_many_trials() -> None:
    jobs = inner_jobs(list(LAYOUTS))
    counts = {sum(trained_as(ARMS[arm]) == name for name, _, _ in jobs) for arm in ARMS}
    assert counts == {4}
    assert {len(Sizes().plan(arm)[1]) for arm in ARMS.values()} == {Sizes().checkpoints}


def test_individual_training_chooses_for_each_model_by_its_own_edge() -> None:
    rows = inner_rows()
    for row in rows:
        if row["arm"] == BASELINE:
            row["points"][0]["own hits"] = 0.9 if row["rate"] == 1e-3 else 0.1
            row["points"][1]["own tints"] = 0.9 if row["rate"] == 4e-3 else 0.1
    choice = Choices(rows).of(BASELINE, "may")
    assert (choice.rates["lidar"], choice.epochs["lidar"]) == (1e-3, 4)
    assert (choice.rates["intensity"], choice.epochs["intensity"]) == (4e-3, 8)


def test_a_target_that_is_never_reached_costs_infinitely_much() -> None:
    rows = inner_rows()
    for row in rows:
        if row["arm"] == "simultaneous":
            for point in row["points"]:
                point["tallies"] = {c: {s: tally(1.0) for s in found} for c, found in point["tallies"].items()}
    choices = Choices(rows)
    assert choices.to_target("simultaneous", "april", lambda point: point["cpu"]) == float("inf")
    assert choices.to_target(BASELINE, "april", lambda point: point["cpu"]) == 2.0


def test_losing_is_printed_as_losing() -> None:
    rows, choices = outer_rows({"simultaneous": 40.0, "alternating": 90.0}), Choices(inner_rows())
    assert difference(rows, "simultaneous").verdict(0.02) == "worse"
    assert difference(rows, "alternating").verdict(0.02) == "better"
    page = markdown("command", rows, tables(rows, choices), words(rows, choices), 3, Sizes())
    assert "Against individual, worse: simultaneous." in page
    assert "**3 of the asked trials were not run**" in page
    assert "Under 3 seeds: read it as preliminary" in page


def test_f1_is_pooled_before_dividing() -> None:
    rows = outer_rows({BASELINE: 70.0}, seeds=2)
    assert score(rows, BASELINE, "F1").value == pytest.approx(0.715)
    assert f1([tally(70.0), tally(80.0)]) == pytest.approx(0.75)


def test_a_seed_that_is_not_complete_is_left_out() -> None:
    rows = outer_rows({}, seeds=2)
    assert {row["seed"] for row in complete(rows[:-1])} == {0}


def test_alternating_by_term_gives_the_turn_to_the_model_whose_term_fell_least() -> None:
    from types import SimpleNamespace

    state = SimpleNamespace(
        history=[{"existence": 1.0, "position": 1.0, "colour": 1.0}],
        terms={"existence": 0.2, "position": 0.3, "colour": 0.9},
        in_stage=5,
    )
    assert by_term(state) == "intensity"  # type: ignore[arg-type]


def test_corruptions_take_away_half_of_a_sensor_and_leave_the_truth() -> None:
    data = {
        "scan": torch.ones(4, 4, 720), "picture": torch.ones(4, 18, 720), "recorded": torch.ones(4, 64, 6),
        "cones": [torch.ones(1, 3)] * 4,
    }  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    beams, boxes = without_beams(data, generator), without_boxes(data, generator)
    assert 0.4 < beams["scan"].mean() < 0.6
    assert 0.3 < (boxes["recorded"][:, :, 5] > 0.5).float().mean() < 0.7
    assert (boxes["recorded"][:, :, 5] >= 0).all(), "the camera still looked"
    assert beams["cones"] is data["cones"]


def test_the_comparison_resumes_and_says_what_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not (real.recordings_path() / "labels").is_dir():
        pytest.skip("the real recordings are not here: set DRIVETRAIN_DATA (docs/race-car-real.md)")
    main(tmp_path, quick=True, minutes=0)
    assert "are still to run before a first seed is complete; the same command goes on" in capsys.readouterr().out


def test_the_pairs_that_a_design_is_chosen_on_leave_out_every_layout_and_keep_both_rigs() -> None:
    from examples.race_car.real.pairs import pairs_of

    pairs = pairs_of(tuple(sorted(LAYOUTS.values())))
    assert len(pairs) == 4
    assert {layout for pair in pairs for layout in pair} == set(LAYOUTS)
    assert all({real.rig_of(LAYOUTS[layout]) for layout in pair} == {0, 1} for pair in pairs)
