"""Where to run, as a user says it: so many processes, Ray, an address, or an engine of the user's own."""

from __future__ import annotations

from typing import Any

from drivetrain.errors import DeclarationError
from drivetrain.experiments.selecting.over_machines import over_machines
from drivetrain.processes import over_processes


def engine_of(executor: Any) -> Any:
    """The engine that an option names; None where it is left open.

    Args:
        executor: None; a number of processes; ``"processes"``; ``"ray"`` for the cluster that this machine belongs to,
            or a new one of its cores where there is none; the address of a cluster; or an engine.

    Raises:
        DeclarationError: it is none of these.
    """
    if executor is None or callable(executor):
        return executor
    if isinstance(executor, int) and not isinstance(executor, bool) and executor > 0:
        return over_processes(executor)
    if executor == "processes":
        return over_processes()
    if isinstance(executor, str) and executor:
        return over_machines(None if executor == "ray" else executor)
    raise DeclarationError(
        f'executor={executor!r}: what fits: a number of processes, "ray", the address of a Ray cluster such as '
        f'"ray://HOST:10001", or an engine: a function of (function, tasks) that yields answers'
    )
