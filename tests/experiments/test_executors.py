"""What a user may say for where to run."""

from __future__ import annotations

import pytest

from drivetrain.errors import DeclarationError
from drivetrain.experiments.selecting.executors import engine_of


def doubled(value: int) -> int:
    return 2 * value


def test_an_engine_of_the_users_own_is_taken_as_it_is() -> None:
    assert engine_of(doubled) is doubled
    assert engine_of(None) is None


@pytest.mark.parametrize("nonsense", [0, -1, True, "", 1.5])
def test_what_is_no_place_to_run_is_refused_with_what_fits(nonsense: object) -> None:
    with pytest.raises(DeclarationError, match='a number of processes, "ray"'):
        engine_of(nonsense)


@pytest.mark.slow
def test_ray_answers_every_task_without_a_cluster_of_the_users() -> None:
    import subprocess
    import sys

    program = (
        "from drivetrain.experiments.selecting.executors import engine_of\n"
        "print(sorted(engine_of('ray')(lambda value: 2 * value, [1, 2, 3])))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert run.stdout.strip().endswith("[2, 4, 6]"), run.stderr
