"""What the page on experiments says of MLflow is so in the installed release; once it is not, the page is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A client, an experiment, a camera and a LiDAR, and a run that is made of both."""
    from mlflow.entities import LoggedModelInput
    from mlflow.tracking import MlflowClient

    folder = tmp_path_factory.mktemp("mlflow")
    url = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=url, registry_uri=url)
    experiment = client.create_experiment("race-car", artifact_location=str(folder))
    models = [client.create_logged_model(experiment, name=name) for name in ("camera", "lidar")]
    run = client.create_run(experiment).info.run_id
    client.log_inputs(run, models=[LoggedModelInput(model.model_id) for model in models])
    return {"client": client, "experiment": experiment, "models": models, "folder": folder}


def test_the_same_tuple_registered_twice_becomes_versions_1_and_2(mlflow: dict[str, Any]) -> None:
    client, models = mlflow["client"], mlflow["models"]
    client.create_registered_model("perception")
    tuple_of_models = {model.name: model.model_id for model in models}
    source = str(_folder(mlflow["folder"] / "perception"))
    versions = [client.create_model_version("perception", source=source, tags=tuple_of_models) for _ in range(2)]
    assert [str(each.version) for each in versions] == ["1", "2"]


def test_runs_cannot_be_asked_for_by_the_models_that_went_into_them(mlflow: dict[str, Any]) -> None:
    from mlflow.exceptions import MlflowException

    camera = mlflow["models"][0].model_id
    with pytest.raises(MlflowException, match="Invalid entity type"):
        mlflow["client"].search_runs([mlflow["experiment"]], filter_string=f"model_inputs.model_id = '{camera}'")


def test_what_is_in_production_and_what_a_run_is_made_of_can_be_deleted(mlflow: dict[str, Any]) -> None:
    from mlflow.exceptions import MlflowException

    client = mlflow["client"]
    client.create_registered_model("alone")
    client.create_model_version("alone", source=str(_folder(mlflow["folder"] / "alone")))
    client.set_registered_model_alias("alone", "production", "1")
    client.delete_model_version("alone", "1")
    lidar = mlflow["models"][1].model_id
    client.delete_logged_model(lidar)
    with pytest.raises(MlflowException, match="not found"):
        client.get_logged_model(lidar)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
