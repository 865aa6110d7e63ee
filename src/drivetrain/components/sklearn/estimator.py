"""``Estimator``: a scikit-learn estimator, which output of it a system uses, and how far a fit moves it."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator, is_regressor

from drivetrain.errors import DeclarationError, listed

OUTPUTS = ("predict_proba", "decision_function", "predict", "transform")


class Estimator:
    """An estimator, and which output a system uses: ``component("light", Estimator(svm, ...), "crop -> state")``.

    Args:
        estimator: a scikit-learn estimator or pipeline, fitted or not.
        output: one of ``predict_proba``, ``decision_function``, ``predict``, ``transform``; None: the first of these
            that it has, where ``predict`` counts for regressors alone, since classes have no gradient.
        step: how far one fit follows the end loss where there is no exact gradient: the root mean square of the moves,
            in probability for classifiers and in standard deviations of the output for regressors.
        exact: whether weights that have an exact gradient are stepped by it; False refits these too.
        unseen: whether a refit follows the gradient at what the estimator would answer for rows that it had not seen,
            out of bag or cross-fitted, in place of what it answers for rows that it was fitted to.
        upstream: how the gradient for what lies before is estimated where there is no exact one, such as
            ``Perturbed(samples=32)`` of ``drivetrain.gradients``; None: ``Perturbed()``.
    """

    def __init__(
        self,
        estimator: Any,
        *,
        output: str | None = None,
        step: float = 0.5,
        exact: bool = True,
        unseen: bool = False,
        upstream: Any = None,
    ) -> None:
        if not isinstance(estimator, BaseEstimator):
            raise DeclarationError(
                f"Estimator takes a scikit-learn estimator, an instance such as RandomForestClassifier(), found "
                f"{estimator!r}"
            )
        able = [name for name in OUTPUTS if hasattr(estimator, name)]
        if output is None:
            smooth = [name for name in able if name != "predict" or is_regressor(estimator)]
            output = next(iter(smooth or able), None)
        if output is None or output not in able:
            raise DeclarationError(
                f"{type(estimator).__name__} has no output {output or 'that a system could use'}; "
                f"it has: {listed(able)}"
            )
        if not step > 0:
            raise DeclarationError(f"Estimator: step is a positive number, found {step!r}")
        if upstream is not None and not hasattr(upstream, "pull_back"):
            raise DeclarationError(
                f"Estimator: upstream is a gradient estimator such as Perturbed(samples=32) of drivetrain.gradients, "
                f"found {upstream!r}"
            )
        self.estimator, self.output, self.step, self.exact = estimator, output, step, exact
        self.unseen, self.upstream = unseen, upstream
