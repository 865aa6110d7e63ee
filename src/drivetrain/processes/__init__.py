"""Independent tasks over processes that may die without losing one."""

from drivetrain.processes.engine import Pool, over_processes

__all__ = ["Pool", "over_processes"]
