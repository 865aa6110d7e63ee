"""The tour runs from its first block to its last."""

import re
from pathlib import Path

TOUR = (Path(__file__).parents[2] / "docs" / "tour.md").read_text(encoding="utf8")


def test_every_block_runs_after_the_one_before_it():
    blocks = re.findall(r"```python\n(.*?)```", TOUR, flags=re.S)
    assert len(blocks) > 5
    names = {"__name__": "tour"}
    for number, block in enumerate(blocks):
        exec(compile(block, f"docs/tour.md, block {number}", "exec"), names)
