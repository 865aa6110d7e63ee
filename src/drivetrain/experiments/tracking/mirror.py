"""A readable summary of each run in MLflow: a run for the system, below it one with a LoggedModel per trained model."""

from __future__ import annotations

import functools
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from drivetrain.experiments.store import Store
from drivetrain.experiments.store.runs import RunRecord
from drivetrain.experiments.tracking.one_transaction import one_transaction
from drivetrain.report import plain

VARIABLE = "MLFLOW_TRACKING_URI"
CURVE = 100  # points of a curve that MLflow is shown; the store has all of them
BATCH = 1000  # metrics a call; single calls are forty times slower


def mirror(store: Store, key: str, where: bool | str = True) -> str | None:
    """Show a finished run in MLflow; answers MLflow's run id.

    Args:
        store: that holds the run.
        key: of the run.
        where: True for $MLFLOW_TRACKING_URI if that is set, else the store's own database; a tracking URI for
            elsewhere, False for nowhere.
    """
    if where is False:
        return None
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # a server that is gone is not waited for
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")  # seconds
    try:
        with _without_news_of_tables():
            return _mirror(store, key, (os.environ.get(VARIABLE) or store.url) if where is True else where)
    except Exception as error:  # whatever MLflow raises: the run is recorded, and its training is done
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        warnings.warn(
            f"run {key[:8]} is recorded in {store.database.place}, but MLflow does not show it: {reason}; "
            f"again: drivetrain.experiments.tracking.mirror.mirror(store, '{key[:8]}', where)",
            stacklevel=3,
        )
        return None


@contextmanager
def _without_news_of_tables() -> Iterator[None]:
    """MLflow tells of the tables that it makes in a new database; nobody asked."""
    logger = logging.getLogger("mlflow.store.db.utils")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _mirror(store: Store, key: str, where: str) -> str:
    from mlflow.tracking import MlflowClient

    run = store.runs.get(key)
    client: Any = MlflowClient(tracking_uri=where)
    found = client.get_experiment_by_name(run.experiment)
    experiment = found.experiment_id if found is not None else client.create_experiment(run.experiment)
    made = "failed" if run.result is None else run.result
    with one_transaction(client):
        top = client.create_run(
            experiment, start_time=int(run.started * 1000), tags=_tags(run),
            run_name=f"{run.system} {made}: {run.pattern}"[:250],
        ).info.run_id  # fmt: skip
        _log(client, top, _parameters(run), store.runs.measures(run.key, at_most=CURVE), run)
        inputs = _component_runs(client, store, run, experiment, top)
        if inputs:
            client.log_inputs(top, models=inputs)
        status = "FINISHED" if run.status == "finished" else "FAILED"
        client.set_terminated(top, status, end_time=int((run.ended or run.started) * 1000))
    store.runs.mirrored(run.key, top)
    return str(top)


def _component_runs(client: Any, store: Store, run: RunRecord, experiment: str, top: str) -> list[Any]:
    """One run and one LoggedModel for each model that was trained; answers them as inputs of the system's run."""
    from mlflow.entities import LoggedModelInput, LoggedModelOutput

    inputs = []
    named = functools.cache(lambda digest: store.components.get(digest))
    for context in store.contexts.all(run=run.key):
        for member in context.members:
            if member.role != "trained":
                continue
            version = named(member.component)
            tags = {"mlflow.parentRunId": top, "drivetrain.slot": member.slot, "drivetrain.component": version.digest}
            child = client.create_run(
                experiment, start_time=int(run.started * 1000), tags=tags, run_name=f"{member.slot}: {version}"
            ).info.run_id
            report = run.report or {}
            measured = {
                f"{change['edge']} {change['metric']}": [(0, change["before"]), (1, change["after"])]
                for change in (report.get("edges") or {}).values()
                if version.facts.get("signature", "").endswith(change["edge"])
            }
            facts = {"slot": member.slot, "version": str(version), "parameters": version.parameters}
            facts |= {f"{other.slot} was {role}": str(named(other.component))
                      for _, other, role in store.contexts.partners(version.digest)}  # fmt: skip
            _log(client, child, facts, measured, run)
            model = client.create_logged_model(
                experiment, name=f"{version}".replace(" ", "-").replace(".", "-"), source_run_id=child,
                tags={"drivetrain.digest": version.digest, "drivetrain.store": store.database.place},
                params={"slot": member.slot, "kind": version.kind}, model_type="drivetrain",
            )  # fmt: skip
            client.finalize_logged_model(model.model_id, "READY")
            client.log_outputs(child, [LoggedModelOutput(model.model_id, 0)])
            client.set_terminated(child, end_time=int((run.ended or run.started) * 1000))
            inputs.append(LoggedModelInput(model.model_id))
    return inputs


def _tags(run: RunRecord) -> dict[str, str]:
    tags = {
        "drivetrain.run": run.key, "drivetrain.system": run.system, "drivetrain.version": str(run.result or ""),
        "drivetrain.started from": str(run.start),
        "drivetrain.verdict": str((run.report or {}).get("verdict", ""))[:5000],
    }  # fmt: skip
    if run.error:
        tags["drivetrain.error"] = run.error[:5000]
    if commit := run.code.get("commit"):
        tags["mlflow.source.git.commit"] = str(commit)
    return tags


def _parameters(run: RunRecord) -> dict[str, Any]:
    return {"pattern": run.pattern, "seed": run.seed, **plain(run.settings)}


def _log(client: Any, where: str, parameters: dict[str, Any], values: dict[str, Any], run: RunRecord) -> None:
    from mlflow.entities import Metric, Param

    moment = int((run.ended or run.started) * 1000)
    numbers = {
        (_name(name), int(step)): float(value)
        for name, steps in values.items() for step, value in steps if value is not None
    }  # of two names that are one to MLflow, the last: it refuses both otherwise  # fmt: skip
    metrics = [Metric(name, value, moment, step) for (name, step), value in numbers.items()]
    if not metrics and not parameters:
        return
    named = [Param(_name(name), str(value)[:5000]) for name, value in parameters.items() if value is not None]
    first = BATCH - 100  # MLflow takes a thousand things a call, a hundred parameters among them
    client.log_batch(where, params=named[:100], metrics=metrics[:first])
    for start in range(first, len(metrics), BATCH):
        client.log_batch(where, metrics=metrics[start : start + BATCH])


def _name(name: str) -> str:
    """As MLflow lets things be called."""
    return "".join(letter if letter.isalnum() or letter in "_-. :/" else "_" for letter in name)[:250]
