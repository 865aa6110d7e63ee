"""scikit-learn as components: how estimators answer, learn from the end loss, are stored, are merged."""

from drivetrain.components.sklearn.estimator import Estimator
from drivetrain.components.sklearn.module import EstimatorModule, wrap

__all__ = ["Estimator", "EstimatorModule", "wrap"]
