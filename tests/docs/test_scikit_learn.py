"""The page on scikit-learn runs from its first block to its last, and its figures are those of the comparison."""

import re
from pathlib import Path

import pytest

pytest.importorskip("sklearn")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scikit-learn.md").read_text(encoding="utf8")


@pytest.mark.slow
def test_every_block_runs_after_the_one_before_it():
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    assert len(blocks) == 2
    names = {"__name__": "scikit_learn"}
    for number, block in enumerate(blocks):
        exec(compile(block, f"docs/scikit-learn.md, block {number}", "exec"), names)


def test_its_figures_are_those_that_the_comparison_wrote():
    results = (ROOT / "benchmarks" / "scikit_learn" / "RESULTS.md").read_text(encoding="utf8")
    quoted = [line for line in PAGE.splitlines() if re.match(r"- (restored|joined|cultivar|two|order|change)", line)]
    assert len(quoted) == 18
    for line in quoted:
        assert f"\n{line}\n" in results
