"""Every error that Drivetrain raises, drawn as a tree.

DrivetrainError
├── DeclarationError            a component or system was declared wrongly
│   ├── SignatureError          a signature cannot be read, or does not fit the thing
│   ├── NameTakenError          a component or edge name is reserved or used twice
│   ├── TracingError            the body of a system did something a diagram cannot
│   └── UnknownNameError        a component or edge was named that the system does not have
├── DataError                   a data set or batch cannot be used
│   ├── MissingEdgeError        an input or truth is not in the data
│   └── ShapeError              a value does not look like its edge
├── ComponentError              a component failed, or answered something its signature does not declare
├── TrainingError               training cannot start or go on
│   ├── NoGradientError         the loss cannot reach a model that should learn
│   ├── NonFiniteLossError      the loss became NaN or infinite
│   └── CheckpointError         a checkpoint cannot be read, belongs to another system, or cannot be written
└── StoreError                  experiments cannot be read or written
    ├── UnknownVersionError     the store has no version, run or data set of that name
    └── PinnedError             something cannot be deleted, because something else is made of it
"""

from __future__ import annotations

from collections.abc import Iterable


class DrivetrainError(Exception):
    """Anything that Drivetrain refuses or cannot do."""


class DeclarationError(DrivetrainError, ValueError):
    """A component or system was declared wrongly."""


class SignatureError(DeclarationError):
    """A signature cannot be read, or does not fit the thing that it describes."""


class NameTakenError(DeclarationError):
    """A component or edge name is reserved or used twice."""


class TracingError(DeclarationError, TypeError):
    """The body of a system did something that a diagram cannot hold."""


class UnknownNameError(DeclarationError, LookupError):
    """A component or edge was named that the system does not have."""


class DataError(DrivetrainError, ValueError):
    """A data set or batch cannot be used."""


class MissingEdgeError(DataError, LookupError):
    """An input or a truth that is needed is not in the data."""


class ShapeError(DataError):
    """A value does not look like what its edge carries."""


class ComponentError(DrivetrainError, RuntimeError):
    """A component failed, or answered something that its signature does not declare."""


class TrainingError(DrivetrainError, RuntimeError):
    """Training cannot start or cannot go on."""


class NoGradientError(TrainingError):
    """The loss cannot reach a model that should learn."""


class NonFiniteLossError(TrainingError, ArithmeticError):
    """The loss became NaN or infinite."""


class CheckpointError(TrainingError, OSError):
    """A checkpoint cannot be read, belongs to another system, or cannot be written."""


class StoreError(DrivetrainError, RuntimeError):
    """The record of experiments cannot be read or written."""


class MisfitError(StoreError):
    """Stored weights are another model's than the one that they should be put into."""


class UnknownVersionError(StoreError, LookupError):
    """The store has no version, run or data set of that name."""


class PinnedError(StoreError):
    """Something cannot be deleted, because a system, a run or another version is made of it."""


def listed(names: Iterable[object], nothing: str = "nothing") -> str:
    """The names as an error message lists them: ``camera, lidar, fusion``."""
    return ", ".join(str(name) for name in names) or nothing
