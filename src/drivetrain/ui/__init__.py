"""``drivetrain ui``: local pages over a store of experiments. The system is what they show; its models stand in it."""

from drivetrain.ui.app import create_app
from drivetrain.ui.serving import serve

__all__ = ["create_app", "serve"]
