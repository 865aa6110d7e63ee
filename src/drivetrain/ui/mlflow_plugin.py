"""The same pages below MLflow's own: ``mlflow server --app-name drivetrain`` serves them at ``/drivetrain``."""

from __future__ import annotations

import os
from typing import Any

from drivetrain.experiments import Store
from drivetrain.ui.app import create_app

BELOW = "/drivetrain"


def create_mlflow_app() -> Any:
    """MLflow's application with the pages of the same database mounted below it.

    MLflow's server says by an environment variable which database it keeps; who may ask is MLflow's to decide.
    """
    from mlflow.server.constants import BACKEND_STORE_URI_ENV_VAR
    from mlflow.server.fastapi_app import app

    place = os.environ.get(BACKEND_STORE_URI_ENV_VAR)
    if not any(getattr(route, "path", "") == BELOW for route in app.routes):
        app.mount(BELOW, create_app(Store(place), hosts=("*",)), name="drivetrain")
        app.router.routes.insert(0, app.router.routes.pop())  # before the routes that answer everything
    return app
