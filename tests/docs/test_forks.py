"""The page on forks runs from its first block to its last."""

import re
from pathlib import Path

import torch
from torch import nn

from drivetrain import component, fit, system
from drivetrain.training.conformance import examine

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "forks.md").read_text(encoding="utf8")

WRITTEN = ["fork/RESULTS.md", "fork/OVERFITTING.md", "fork/RETRAINING.md", "matrix/RESULTS.md"]


def test_every_block_runs_after_the_one_before_it():
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    assert len(blocks) == 4
    names = {"__name__": "forks"}
    for number, block in enumerate(blocks):
        exec(compile(block, f"docs/forks.md, block {number}", "exec"), names)


def test_the_pattern_that_the_page_on_extending_writes_passes_the_exam():
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf8")
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", page, flags=re.S) if "moment" in block]
    names = {"__name__": "extending"}
    exec(compile(code, "docs/extending.md", "exec"), names)
    torch.manual_seed(0)
    first, second = (
        component(*part) for part in (("first", nn.Linear(3, 4), "x -> z"), ("second", nn.Linear(4, 1), "z -> y"))
    )

    @system
    def chain(x):
        return second(first(x))

    data = {"x": torch.randn(12, 3), "y": torch.randn(12, 1)}
    pattern = names["Rounded"](nn.functional.mse_loss)
    examine(chain, data, pattern)
    report = fit(chain, data, pattern, epochs=2, validation=data, seed=0)
    assert "lost by rounding" in report.history[-1]
    assert all(torch.equal(value, value.bfloat16().float()) for value in chain.parameters())


def test_every_figure_that_is_quoted_stands_in_a_file_that_its_command_wrote():
    written = "\n".join((ROOT / "examples" / name).read_text(encoding="utf8") for name in WRITTEN)
    columns = [[cell.strip() for cell in line.split("|")] for line in written.splitlines() if line.startswith("|")]
    quoted = re.findall(r"^\| (.*\[[-+]?\d.*) \|$", PAGE, flags=re.M)
    assert len(quoted) > 5
    for line in quoted:
        cells = [cell.strip() for cell in line.split("|")]
        assert any(set(cells) <= set(row) for row in columns), line
