"""The comparison on scikit-learn's data: fair splits, cautious intervals, and a page that hides nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")

from benchmarks.scikit_learn.results import TEST_PER_TRAINING, Results, compared
from benchmarks.scikit_learn.trial import ARMS, END_LOSS, SETTINGS, Job, applies, run

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", SETTINGS)
def test_the_parts_of_a_split_share_no_row_and_differ_from_seed_to_seed(name: str) -> None:
    parts = [set(part["row"].tolist()) for part in SETTINGS[name].splits(0)]
    assert sum(map(len, parts)) == len(set.union(*parts))
    assert len(parts[2]) == pytest.approx(TEST_PER_TRAINING * len(parts[0]), abs=2)
    assert parts[0] != set(SETTINGS[name].splits(1).train["row"].tolist())


def row(seed: int, values: list[float], arm: str = "individual") -> dict:
    named = {"setting": "joined halves", "family": "linear", "arm": arm, "seed": seed, "seconds": 1.0}
    return {**named, "units": list(range(len(values))), "values": values, "validation": 0.5}


def test_better_and_worse_need_both_intervals() -> None:
    random = np.random.default_rng(0)
    theirs = [row(seed, (random.random(40) < 0.7).astype(float).tolist()) for seed in range(20)]
    ours = [row(seed, (random.random(40) < 0.8).astype(float).tolist()) for seed in range(20)]
    found = compared(ours, theirs, True)
    per_split = [np.mean(a["values"]) - np.mean(b["values"]) for a, b in zip(ours, theirs, strict=True)]
    half = 2.093 * np.std(per_split, ddof=1) * (1 / 20 + TEST_PER_TRAINING) ** 0.5  # t of 19 degrees of freedom
    assert found.anew.high - found.anew.low == pytest.approx(2 * half, rel=1e-3)
    assert found.rows.better()
    assert not found.anew.better()
    assert found.verdict(0.01) == "better on these rows"
    assert compared(theirs, ours, True).verdict(0.01) == "worse on these rows"
    assert compared(ours, ours, True).verdict(0.01) == "no difference, not worse by 0.01"


def test_what_loses_is_said_to_lose() -> None:
    rows = [row(seed, [1.0] * 9 + [0.0]) for seed in range(20)]
    rows += [row(seed, [1.0] * 5 + [0.0] * 5, "partial end-loss") for seed in range(20)]
    (sentence,) = Results(rows).words()
    assert "partial end-loss -0.400" in sentence
    assert sentence.endswith("worse.")


def test_a_trial_that_chooses_a_tempo_does_not_see_the_test_data() -> None:
    found = run(Job("change of units", "linear", "partial end-loss", "fast", 0, 1, 120), test=False)
    assert "values" not in found
    assert found["validation"] < 0


@pytest.mark.slow
def test_a_quick_comparison_runs_resumes_and_names_every_arm(tmp_path: Path) -> None:
    named = ("cultivar of a wine", "change of units")
    command = [sys.executable, "-m", "benchmarks.scikit_learn", "--quick", "--json", "--workers", "1"]
    command += [part for name in named for part in ("--only", name)] + ["--out", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": "src"}

    def printed() -> dict:
        ended = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
        return json.loads(ended.stdout)

    first = printed()
    rows = (tmp_path / "rows.jsonl").read_text()
    assert printed() == first
    assert (tmp_path / "rows.jsonl").read_text() == rows
    cells = {(cell["system"], cell["family"], cell["arm"]) for cell in first["cells"]}
    wanted = {
        (name, family, arm) for name in named for family in ("forest", "linear", "svm") for arm in ARMS
        if applies(SETTINGS[name], family, arm)
    }  # fmt: skip
    assert cells == wanted
    assert set(END_LOSS) < {arm for *_, arm in cells}
    page = (tmp_path / "RESULTS.md").read_text()
    for words in ("nothing to be gained", "| stacking |", "Nadeau and Bengio (2003)", *named):
        assert words in page
