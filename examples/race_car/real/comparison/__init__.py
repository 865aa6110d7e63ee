"""The comparison of training patterns on the real race car: ``python -m examples.race_car.comparison --real``."""

from .running import main

__all__ = ["main"]
