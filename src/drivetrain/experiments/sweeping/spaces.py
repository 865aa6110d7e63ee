"""What is swept of one model: its hyper-parameters, how it is built with them, and how it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from drivetrain.errors import DeclarationError, DrivetrainError

FITS = "a list of choices, (low, high), (low, high, 'log'), or a distribution of Optuna"


@dataclass(frozen=True)
class Swept:
    """One model's part of a sweep.

    Attributes:
        space: by hyper-parameter what it may be: a list of choices; ``(low, high)`` of two integers or two floats;
            ``(low, high, "log")``; or a distribution of Optuna.
        build: ``build(**parameters)`` answers the untrained model, or all of it where nothing is trained.
        train: ``train(system, seed, **parameters)`` trains the model in its slot, in place. The other slots hold the
            best partners so far: a model may learn in their context, ``fit(system, ..., PartialEndLoss(...))``, or
            ignore them; what is done to them is thrown away. None where building is all.

    Example:
        >>> swept = Swept({"width": [8, 16], "rate": (1e-4, 1e-1, "log")}, build=lambda width, rate: None)
        >>> sorted(distributions("camera", swept))
        ['rate', 'width']
    """

    space: Mapping[str, Any]
    build: Callable[..., Any]
    train: Callable[..., Any] | None = None


def distributions(model: str, swept: Swept) -> dict[str, Any]:
    """The space of a model as Optuna takes it.

    Raises:
        DeclarationError: a hyper-parameter's values are none.
        DrivetrainError: Optuna is not installed.
    """
    optuna = engine()
    found = {}
    for name, values in swept.space.items():
        try:
            found[name] = _distribution(optuna.distributions, values)
        except (ValueError, TypeError) as error:
            raise DeclarationError(f"{model}: '{name}' cannot be {values!r}; what fits: {FITS} ({error})") from error
    return found


def engine() -> Any:
    """Optuna.

    Raises:
        DrivetrainError: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise DrivetrainError("sweeps are run by Optuna: pip install 'drivetrain[optuna]'") from None
    return optuna


def _distribution(known: Any, values: Any) -> Any:
    if isinstance(values, known.BaseDistribution):
        return values
    if isinstance(values, list):
        return known.CategoricalDistribution(values)
    if isinstance(values, tuple) and len(values) in (2, 3) and values[2:] in ((), ("log",)):
        low, high = values[:2]
        kind = known.IntDistribution if isinstance(low, int) and isinstance(high, int) else known.FloatDistribution
        return kind(low, high, log=len(values) == 3)
    raise ValueError("that is none of these")
