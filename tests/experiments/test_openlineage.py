"""Runs as events of OpenLineage: its own classes read them and write the same again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openlineage.client import event_v2 as their
from openlineage.client.generated import (
    dataset_type_dataset,
    dataset_version_dataset,
    documentation_job,
    error_message_run,
    job_type_job,
    processing_engine_run,
)
from openlineage.client.serde import Serde
from torch.nn import functional as F

from drivetrain import fit
from drivetrain.experiments import Experiment
from drivetrain.experiments.tracking.openlineage import events
from drivetrain.training import PartialEndLoss
from tests.training.systems import join

FACETS = {
    "processing_engine": processing_engine_run.ProcessingEngineRunFacet,
    "errorMessage": error_message_run.ErrorMessageRunFacet,
    "jobType": job_type_job.JobTypeJobFacet,
    "documentation": documentation_job.DocumentationJobFacet,
    "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet,
    "version": dataset_version_dataset.DatasetVersionDatasetFacet,
}


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    """Of two runs, one that ended well and one that failed."""
    car = join()
    experiment = Experiment("race-car", tmp_path / "drivetrain.db", mlflow=False)
    with experiment.run(car.system, data="scenes") as run:
        fit(car.system, car.data, PartialEndLoss("lidar", F.mse_loss), epochs=1, callbacks=[run])
    with pytest.raises(OSError, match="unplugged"), experiment.run(car.system) as run:
        fit(car.system, car.data, PartialEndLoss("lidar", F.mse_loss), epochs=1, callbacks=[run, _stumble])
    return experiment


def test_their_classes_read_every_event_and_write_the_same(experiment: Experiment) -> None:
    found = list(events(experiment.store))
    assert [each["eventType"] for each in found] == ["START", "COMPLETE", "START", "FAIL"]
    for event in found:
        written = json.loads(Serde.to_json(_read(event)))
        for data in written["inputs"] + written["outputs"]:
            assert not data.pop("inputFacets", None)
            assert not data.pop("outputFacets", None)
        assert written == event


def test_a_training_reads_data_and_frozen_models_and_makes_models_and_a_system(experiment: Experiment) -> None:
    _, done, *_ = events(experiment.store)
    assert {each["name"] for each in done["inputs"]} == {"data/scenes", "model/camera", "model/judge", "model/lidar"}
    assert [each["name"] for each in done["outputs"]] == ["model/lidar", "system/perception"]
    version = experiment.store.systems.get("perception", 2)
    assert done["outputs"][1]["facets"]["version"]["datasetVersion"] == version.digest
    started, trained = (
        next(each for each in some if each["name"] == "model/lidar") for some in (done["inputs"], done["outputs"])
    )
    assert started["facets"]["version"] != trained["facets"]["version"]


def test_a_run_that_failed_says_why_and_made_nothing(experiment: Experiment) -> None:
    *_, failed = events(experiment.store)
    assert failed["run"]["facets"]["errorMessage"]["message"] == "OSError: the camera was unplugged"
    assert failed["outputs"] == []


def _read(event: dict[str, Any]) -> their.RunEvent:
    """By their classes, which check times, identifiers, addresses and which fields there are."""
    return their.RunEvent(
        eventType=their.RunState(event["eventType"]),
        eventTime=event["eventTime"],
        run=their.Run(event["run"]["runId"], facets=_facets(event["run"])),
        job=their.Job(event["job"]["namespace"], event["job"]["name"], facets=_facets(event["job"])),
        inputs=[their.InputDataset(each["namespace"], each["name"], facets=_facets(each)) for each in event["inputs"]],
        outputs=[
            their.OutputDataset(each["namespace"], each["name"], facets=_facets(each)) for each in event["outputs"]
        ],
        producer=event["producer"],
    )


def _facets(of: dict[str, Any]) -> dict[str, Any]:
    made = {}
    for name, facet in of["facets"].items():
        values = {key: value for key, value in facet.items() if not key.startswith("_")}
        made[name] = FACETS[name](**values, producer=facet["_producer"])
    return made


def _stumble(state: object) -> None:
    raise OSError("the camera was unplugged")
