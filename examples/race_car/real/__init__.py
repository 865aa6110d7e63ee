"""The real race car: recorded sessions, read, split, modelled and scored by rules that were fixed beforehand."""

from examples.race_car.real.augmentation import augment
from examples.race_car.real.calibration import calibrate
from examples.race_car.real.dataset import ORIGINS, layout_of, leave_one_layout_out, load, rig_of, sessions_at
from examples.race_car.real.losses import cone_loss, foot_loss, hit_loss, tint_loss
from examples.race_car.real.scoring import cone_f1, detection_f1, position_error, precision, recall
from examples.race_car.real.sessions import RecordingError, read_session, recordings_path, session_names
from examples.race_car.real.system import build, hard_fusion, labels, soft_fusion

__all__ = [
    "ORIGINS",
    "RecordingError",
    "augment",
    "build",
    "calibrate",
    "cone_f1",
    "cone_loss",
    "detection_f1",
    "foot_loss",
    "hard_fusion",
    "hit_loss",
    "labels",
    "layout_of",
    "leave_one_layout_out",
    "load",
    "position_error",
    "precision",
    "read_session",
    "recall",
    "recordings_path",
    "rig_of",
    "session_names",
    "sessions_at",
    "soft_fusion",
    "tint_loss",
]
