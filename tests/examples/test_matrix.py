"""The matrix: twenty-seven systems, cells that are judged by pairs, refusals in the tool's own words, one page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("sklearn")
pytest.importorskip("torchjd")

from drivetrain.page import Toned, table
from examples.matrix.cases import MARGIN, arms, case, name, systems
from examples.matrix.cells import EVEN, LOSS, NONE, OPEN, WIN, cell, words
from examples.matrix.pages import about, in_words, markdown, matrix, page
from examples.matrix.running import Trial, identity, run_missing, trial_row, trials
from examples.matrix.systems import FOREIGN, MIXES, build
from examples.matrix.worlds import INTEGRATIONS, KINDS, world
from examples.protocol.case import load
from examples.protocol.store import Store


def test_every_cell_has_three_systems_and_every_mix_has_foreign_models_in_each() -> None:
    assert len({name(*found) for found in systems()}) == 27
    for mix in MIXES[1:]:
        assert {(i, k) for m, i, k in FOREIGN if m == mix} == {(i, k) for i in INTEGRATIONS for k in KINDS}


@pytest.mark.parametrize("integration", INTEGRATIONS)
def test_a_world_is_ruled_by_its_seed_and_only_the_inner_truth_differs_between_kinds(integration: Any) -> None:
    one, again, other = (world(integration, "exact", seed) for seed in (0, 0, 1))
    for edge, value in one.splits.test.items():
        assert torch.equal(value, again.splits.test[edge])
        assert not torch.equal(value, other.splits.test[edge])
    lossy = world(integration, "lossy", 0).start
    inner = lossy["u"] if integration == "join" else lossy["z"]
    assert (inner[:, inner.shape[1] // 2 :] == 0).all()


def test_arms_start_from_the_same_weights_and_leave_the_start_alone() -> None:
    first, second = (build("fork", "torch + scikit-learn", "exact", 3) for _ in range(2))
    for key, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[key])
    with torch.no_grad():
        next(first.parameters()).add_(1.0)
    for key, value in build("fork", "torch + scikit-learn", "exact", 3).state_dict().items():
        assert torch.equal(value, second.state_dict()[key])


def test_a_system_is_found_by_its_word() -> None:
    assert load("examples.matrix.cases:join__torch__noisy").name == case("join", "torch", "noisy").name
    with pytest.raises(AttributeError, match="no system 'mesh__torch__exact'; there are: sequential__torch__exact"):
        load("examples.matrix.cases:mesh__torch__exact")


def test_what_does_not_apply_is_told_in_the_words_of_the_tool() -> None:
    row = trial_row(Trial("sequential__torch__exact", "federated merge, 5 rounds", 0, 1))
    assert row["refused"].startswith("DeclarationError: FederatedMerge: a fork has at least two branches")
    assert "end" not in row


def rows(ours: float, base: float, count: int = 8, arm: str = "simultaneous") -> list[dict[str, Any]]:
    drawing = torch.Generator().manual_seed(0)
    found = []
    for seed in range(count):
        noise = float(torch.randn((), generator=drawing)) / 100
        for who, value in ((arm, ours + noise / 2), ("individual", base)):
            found.append({"system": "s", "arm": who, "seed": seed, "epochs": 1, "end": value})
    return found


@pytest.mark.parametrize(
    ("ours", "base", "count", "outcome"),
    [(0.9, 0.7, 8, WIN), (0.7, 0.9, 8, LOSS), (0.8, 0.8, 8, EVEN), (0.9, 0.7, 3, OPEN)],
)
def test_a_cell_is_judged_by_its_pairs(ours: float, base: float, count: int, outcome: str) -> None:
    found = cell(rows(ours, base, count), ["s"], "simultaneous", MARGIN)
    assert found.outcome == outcome
    assert found.systems == (1, 1)


def test_a_cell_without_a_trained_system_does_not_apply_and_says_why() -> None:
    refused = [{"system": "s", "arm": "federated merge", "seed": 0, "epochs": 1, "refused": "there is no fork"}]
    found = cell(rows(0.9, 0.7) + refused, ["s"], "federated merge", MARGIN)
    assert (found.outcome, found.refusals, words(found, "federated merge")) == (
        NONE, ("there is no fork",), "does not apply",
    )  # fmt: skip


def test_a_page_colours_cells_and_escapes_their_notes() -> None:
    found = table(["", "merged"], [["fork", Toned("+0.05", "good", 'said "<b>"')]])
    from drivetrain.page import Page

    html = Page("m").add(found).html()
    assert '<td class="tone good" title="said &#34;&lt;b&gt;&#34;">+0.05</td>' in html


def test_what_is_finished_is_not_run_again_and_the_page_says_all(tmp_path: Path) -> None:
    store = Store(tmp_path / "rows.jsonl")
    asked = trials(["sequential__torch__exact"], ["individual", "simultaneous", "merged loss, UPGrad"], 1, 1)
    for trial in asked:
        store.append(trial_row(trial))
    before = store.path.read_text()
    assert run_missing(asked, store, workers=1, deadline=None) == 0
    assert store.path.read_text() == before
    assert [identity(row) for row in store.rows()] == asked
    found = matrix(store.rows(), list(arms("fork")), KINDS)
    introduction = about("somewhere", 1, 1, KINDS)
    written = markdown(found, list(arms("fork")), introduction, {"exact": found}, 2)
    for said in ("does not apply", "2 trials were not run yet", "Why patterns do not apply", "Not of torch:"):
        assert said in written
    html = page(found, list(arms("fork")), introduction, {"exact": found}).html()
    assert html.count("tone none") >= 2
    assert len(in_words(found, list(arms("fork")))) == len(arms("fork")) - 1


@pytest.mark.slow
def test_the_quick_matrix_runs_one_mix_and_resumes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.matrix", "--quick", "--only", "join__torch_sci", "--out", str(tmp_path)]
    first = subprocess.run([*command, "--workers", "1"], capture_output=True, text=True, timeout=110)
    assert first.returncode == 0, first.stderr
    stored = (tmp_path / "rows.jsonl").read_text()
    assert len(stored.splitlines()) == 2 * len(arms("join"))
    again = subprocess.run([*command, "--workers", "1"], capture_output=True, text=True, timeout=110)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "rows.jsonl").read_text() == stored
    assert "does not apply" in (tmp_path / "RESULTS.md").read_text()
    assert (tmp_path / "index.html").exists()
