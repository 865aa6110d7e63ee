"""The engine of many machines: independent tasks over a Ray cluster, answered as they are done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from drivetrain.errors import DrivetrainError

Task = TypeVar("Task")
Answer = TypeVar("Answer")


def over_machines(address: str | None) -> Callable[[Callable[[Task], Answer], Sequence[Task]], Iterator[Answer]]:
    """An engine that runs one task per core of a Ray cluster; a machine that is lost has its tasks done by another.

    Args:
        address: ``"auto"`` for the cluster that this machine belongs to, ``"ray://HOST:10001"`` for one far away,
            ``"local"`` for a new one of this machine's cores; None for the first if there is one, else the last.

    Raises:
        DrivetrainError: Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise DrivetrainError("running over machines needs Ray: pip install 'drivetrain[ray]'") from None

    def run(function: Callable[[Task], Answer], tasks: Sequence[Task]) -> Iterator[Answer]:
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, include_dashboard=False)
        remote: Any = ray.remote(max_retries=2)(lambda task: function(task))
        waiting = [remote.remote(task) for task in tasks]
        while waiting:
            done, waiting = ray.wait(waiting, num_returns=1)
            yield from ray.get(done)

    return run
