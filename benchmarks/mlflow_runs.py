"""The peer of the store: a combination as an MLflow run that says all that one of our rows says."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")


class MlflowRuns:
    """Records combinations as runs with model inputs, a data set input and metrics, in as few calls as MLflow has.

    Args:
        path: of its SQLite file.
        slots: how many models a combination has.
        versions: how many each slot has.
        waits: as MLflow ships, every transaction waits for the disk; else it has our settings: a write-ahead log, and
            no waiting.
    """

    def __init__(self, path: Path, slots: int, versions: int, *, waits: bool) -> None:
        from mlflow.tracking import MlflowClient
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        if not waits:
            sqlite3.connect(path).execute("PRAGMA journal_mode = WAL")

            @event.listens_for(Engine, "connect")
            def _hurry(connection: Any, record: Any) -> None:
                if isinstance(connection, sqlite3.Connection) and _file_of(connection) == str(path):
                    connection.execute("PRAGMA synchronous = NORMAL")

        import mlflow

        mlflow.set_tracking_uri(f"sqlite:///{path}")
        self.client: Any = MlflowClient()
        self.experiment = self.client.create_experiment("race-car")
        self.models = [
            [
                self.client.create_logged_model(self.experiment, name=f"slot{slot}-{one}").model_id
                for one in range(versions)
            ]
            for slot in range(slots)
        ]

    def record(self, combination: Sequence[int], value: float) -> None:
        """One combination: which models, on which data, what came out and within which interval, and that it ended."""
        from mlflow.entities import Dataset, DatasetInput, LoggedModelInput, Metric, RunTag

        run = self.client.create_run(self.experiment, run_name="evaluation").info.run_id
        chosen = [LoggedModelInput(self.models[slot][one]) for slot, one in enumerate(combination)]
        data = DatasetInput(Dataset("scenes", "d" * 36, "local", "scenes"), tags=[])
        self.client.log_inputs(run, models=chosen, datasets=[data])
        found = {"f1": value, "f1 low": value - 0.1, "f1 high": value + 0.1, "n": 100.0}
        self.client.log_batch(
            run, metrics=[Metric(name, each, 0, 0) for name, each in found.items()], tags=[RunTag("glue", "g" * 64)]
        )
        self.client.set_terminated(run)

    def table(self) -> Any:
        """All of them as most programs ask for them: a table of pandas."""
        import mlflow

        return mlflow.search_runs([self.experiment], max_results=50_000)

    def matrix(self) -> list[tuple[list[str], float]]:
        """All of them: the models of each and its value."""
        found, token = [], None
        while True:
            page = self.client.search_runs([self.experiment], max_results=5000, page_token=token)
            found += [([one.model_id for one in run.inputs.model_inputs], run.data.metrics["f1"]) for run in page]
            token = page.token
            if not token:
                return found


def _file_of(connection: sqlite3.Connection) -> str:
    return str(connection.execute("PRAGMA database_list").fetchone()[2])
