"""Killing a worker, or the driver, loses no finished evaluation, and a restart goes on."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drivetrain.experiments import Store, select
from drivetrain.processes import Pool
from tests.experiments.versions import closeness, data_of_join, of_join

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = """
import os, sys, time
from pathlib import Path
import torch
from torch import nn
from drivetrain import component, system
from drivetrain.experiments import Candidates, Experiment, select

folder = Path(sys.argv[1])

class Slow(nn.Module):
    def __init__(self, by, seconds=0.0, fatal=False):
        super().__init__()
        self.by, self.seconds, self.fatal = nn.Parameter(torch.tensor(by)), seconds, fatal
    def forward(self, value):
        time.sleep(self.seconds)
        if self.fatal and not (folder / "died").exists():
            (folder / "died").touch()
            os.kill(os.getpid(), 9)
        return value + self.by

@component("near -> far")
def slowly(near):
    time.sleep(0.02)
    return near

def candidates(fatal=False):
    first = component("first", Slow(0.0), "signal -> near")
    second = component("second", Slow(0.0), "far -> word")
    @system
    def chain(signal):
        return second(slowly(first(signal)))
    versions = {"first": [Slow(float(i)) for i in range(8)], "second": [Slow(float(i)) for i in range(7)]}
    versions["second"].append(Slow(7.0, fatal=fatal))
    return Candidates(chain, versions)

def closeness(prediction, truth):
    return -(prediction - truth).abs().flatten(1).mean(1)

signal = torch.rand(32, 2, generator=torch.Generator().manual_seed(0))
data = {"signal": signal, "word": signal + 6.0}
how = dict(show_progress=False, batch_size=8)
"""
DRIVER = """
where = dict(store=folder / "kept") if sys.argv[2] == "folder" else \\
    dict(experiment=Experiment("killing", folder / "drivetrain.db", mlflow=False))
report = select(candidates(), data, closeness, **where, **how)
print(report.evaluations, report.remembered, report.value.value)
"""
WORKER = """
report = select(candidates(fatal=True), data, closeness, executor=2, store=folder / "kept", **how)
print(report.evaluations, report.remembered, report.value.value, (folder / "died").exists())
"""

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kept", ["folder", "database"])
def test_a_killed_driver_goes_on_where_it_stood(tmp_path: Path, kept: str) -> None:
    program = _program(tmp_path, DRIVER)
    running = subprocess.Popen([*program, kept], env=_environment())
    _wait_until(lambda: _finished(tmp_path, kept) >= 16, running)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    before = _finished(tmp_path, kept)
    assert 16 <= before < 64, "it was killed half-way"
    evaluations, remembered, value = _said(subprocess.run([*program, kept], capture_output=True, env=_environment()))
    assert remembered == before, "a finished evaluation was lost"
    assert evaluations == 64 - before
    assert value == pytest.approx(0.0, abs=1e-6)


def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    run = subprocess.run(_program(tmp_path, WORKER), capture_output=True, env=_environment())
    evaluations, remembered, value, died = _said(run)
    assert died, "the worker was killed in the middle of its task"
    assert (evaluations, remembered) == (64, 0)
    assert value == pytest.approx(0.0, abs=1e-6)


def test_workers_find_what_one_process_finds(tmp_path: Path) -> None:
    here = select(of_join(), data_of_join(), closeness, show_progress=False)
    there = select(of_join(), data_of_join(), closeness, executor=2, store=tmp_path, show_progress=False)
    assert [one.versions for one in there.tried] == [one.versions for one in here.tried]
    for one, other in zip(there.tried, here.tried, strict=True):
        assert one.values == pytest.approx(other.values)


def test_workers_leave_with_the_engine_that_hired_them() -> None:
    pool = Pool(2)
    assert sorted(pool.run(lambda value: 2 * value, [1, 2, 3, 4])) == [2, 4, 6, 8]
    _wait_for(lambda: len(pool.idle) == len(pool._hired))  # its threads let go of it
    processes = [worker.process for worker in pool._hired]
    assert processes
    assert all(process.poll() is None for process in processes), "they wait for the next call"
    del pool
    gc.collect()
    _wait_for(lambda: all(process.returncode is not None for process in processes))


def _program(folder: Path, ending: str) -> list[str]:
    (folder / "program.py").write_text(PROGRAM + ending)
    return [sys.executable, str(folder / "program.py"), str(folder)]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{REPOSITORY}"}


def _finished(folder: Path, kept: str) -> int:
    """How many evaluations are kept."""
    if kept == "folder":
        path = folder / "kept" / "evaluations.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0
    if not (folder / "drivetrain.db").exists():
        return 0
    with Store(folder / "drivetrain.db") as store:
        if "chain" not in store.systems.names():
            return 0
        return sum(row.value == row.value for row in store.evaluations.matrix("chain", "closeness", edge="word").rows)


def _wait_until(done: Callable[[], bool], running: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        if done():
            return
        assert running.poll() is None, "it ended before it could be killed"
        time.sleep(0.05)
    raise AssertionError("it took too long to begin")


def _wait_for(done: Callable[[], bool]) -> None:
    for _ in range(200):
        if done():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen within four seconds")


def _said(run: subprocess.CompletedProcess[bytes]) -> list[Any]:
    assert run.returncode == 0, run.stderr.decode()
    return [json.loads(word.lower()) for word in run.stdout.decode().split()[-4:]]
