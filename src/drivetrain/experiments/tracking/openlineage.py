"""Lineage for other tools: each run as the two events of OpenLineage, one that it began and one how it ended.

OpenLineage knows jobs, runs of jobs, and data sets that go in and come out. A job is a system under a training pattern;
model versions and system versions are data sets beside the data, each with its kind and its digest as the version.
Events are plain dicts; send each as JSON to ``/api/v1/lineage`` of any server that takes OpenLineage.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from drivetrain.experiments.store.runs import RunRecord
from drivetrain.experiments.versions.version import SystemVersion

if TYPE_CHECKING:
    from drivetrain.experiments.store import Store

PRODUCER = "https://pypi.org/project/drivetrain/"
SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS = "https://openlineage.io/spec/facets"
ENDED = {"finished": "COMPLETE", "failed": "FAIL", "killed": "ABORT"}


def events(store: Store, *, run: str | None = None, namespace: str = "drivetrain") -> Iterator[dict[str, Any]]:
    """The events of every run, or of one, in the order in which they happened.

    Args:
        store: where the runs are.
        run: the key of one of them.
        namespace: under which everything is named.

    Raises:
        UnknownVersionError: there is no such run.
    """
    for each in store.runs.all() if run is None else [store.runs.get(run)]:
        inputs, outputs = _inputs(store, each, namespace), _outputs(store, each, namespace)
        yield _event(each, "START", each.started, inputs, [], namespace)
        if each.status in ENDED:
            yield _event(each, ENDED[each.status], each.ended or each.started, inputs, outputs, namespace)


def _event(
    run: RunRecord,
    kind: str,
    moment: float,
    inputs: list[dict[str, Any]],
    outputs: list[dict[str, Any]],
    namespace: str,
) -> dict[str, Any]:
    facets: dict[str, Any] = {
        "processing_engine": _facet("1-1-1/ProcessingEngineRunFacet", name="drivetrain", version=_version(run)),
    }
    if run.error:
        facets["errorMessage"] = _facet("1-0-1/ErrorMessageRunFacet", message=run.error, programmingLanguage="Python")
    job: dict[str, Any] = {
        "jobType": _facet(
            "2-0-4/JobTypeJobFacet", processingType="BATCH", integration="DRIVETRAIN", jobType="TRAINING"
        ),
        "documentation": _facet("1-1-0/DocumentationJobFacet", description=f"{run.system} trained by {run.pattern}"),
    }
    return {
        "eventType": kind,
        "eventTime": _time(moment),
        "run": {"runId": str(uuid.UUID(run.key)), "facets": facets},
        "job": {"namespace": namespace, "name": f"{run.experiment}/{run.system}: {run.pattern}", "facets": job},
        "inputs": inputs,
        "outputs": outputs,
        "producer": PRODUCER,
        "schemaURL": SPEC,
    }


def _inputs(store: Store, run: RunRecord, namespace: str) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for use in store.runs.data(run.key):
        data = store.data.get(use.data)
        found[use.data] = _data_set(namespace, f"data/{data.name or data.digest[:12]}", "DATA", use.data)
    for context in store.contexts.all(run=run.key):
        for member in context.members:
            if member.role != "trained":
                version = store.components.get(member.component)
                found[version.digest] = _data_set(namespace, f"model/{version.name}", "MODEL", version.digest)
    return list(found.values())


def _outputs(store: Store, run: RunRecord, namespace: str) -> list[dict[str, Any]]:
    trained = {
        member.component for context in store.contexts.all(run=run.key)
        for member in context.members if member.role == "trained"
    }  # fmt: skip
    versions = sorted((store.components.get(each) for each in trained), key=lambda one: (one.name, one.number))
    found = [_data_set(namespace, f"model/{each.name}", "MODEL", each.digest) for each in versions]
    if run.result is not None:
        made: SystemVersion = store.systems.get(run.system, run.result)
        found.append(_data_set(namespace, f"system/{made.system}", "SYSTEM", made.digest))
    return found


def _data_set(namespace: str, name: str, kind: str, digest: str) -> dict[str, Any]:
    facets = {
        "datasetType": _facet("1-0-1/DatasetTypeDatasetFacet", datasetType=kind),
        "version": _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=digest),
    }
    return {"namespace": namespace, "name": name, "facets": facets}


def _facet(schema: str, **values: Any) -> dict[str, Any]:
    name = schema.rpartition("/")[2]
    return {"_producer": PRODUCER, "_schemaURL": f"{FACETS}/{schema}.json#/$defs/{name}", **values}


def _version(run: RunRecord) -> str:
    return str((run.environment.get("packages") or {}).get("drivetrain", "unknown"))


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
