"""Every block about frameworks runs in a process of its own: Keras has one backend a process, for one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"## (.*?)\n|```python\n(.*?)```", (ROOT / "docs" / "frameworks.md").read_text("utf8"), flags=re.S)
CODE = [code for _, code in BLOCKS if code]


@pytest.mark.slow
@pytest.mark.parametrize(
    "block", CODE, ids=[re.search(r"import (\w+)", code).group(1) + f"-{i}" for i, code in enumerate(CODE)]
)
def test_the_block_runs(block: str) -> None:
    paths = os.pathsep.join([str(ROOT / "src"), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
    run = subprocess.run([sys.executable, "-c", block], env=environment, capture_output=True, text=True, timeout=110)
    assert run.returncode == 0, run.stderr[-3000:]
