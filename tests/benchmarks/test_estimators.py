"""Estimators beside exact gradients: the table is complete, and those that claim no bias have none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import estimators


@pytest.mark.slow
def test_faithful_estimators_point_where_the_exact_gradient_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimators, "RESULTS", tmp_path)
    monkeypatch.setattr(estimators, "LESSONS", 20)
    assert estimators.main(["--quick"]) == 0
    rows = json.loads((tmp_path / "gradients_beside_the_exact_ones.json").read_text())
    assert len(rows) == 3 * len(estimators.NUMBERS) + len(estimators.SYMBOLS)
    silent = {(row["code"], row["estimator"]): row["silent"] for row in rows}
    assert silent["arg-max", "FiniteDifferences()"] == 1
    assert silent["smooth code", "FiniteDifferences()"] == 0


def test_an_estimator_with_bias_is_named_as_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(estimators, "RESULTS", tmp_path)
    row = estimators.Row("smooth code", "SPSA()", 0.9, 0.99, 1.0, 0.0, 16)
    assert not estimators._report([row], 40)
    assert "MISSED: SPSA() on smooth code: 0.900, not 0.990" in capsys.readouterr().out
