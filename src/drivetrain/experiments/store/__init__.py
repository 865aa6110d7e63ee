"""The store: every version, what was measured on it and where it comes from, in one database beside MLflow's."""

from drivetrain.experiments.store.store import Store

__all__ = ["Store"]
