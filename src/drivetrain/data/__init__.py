"""A batch is a dict keyed by edge; data sets are related by key; labels are counted as a person would pay for them."""

from drivetrain.data.batch import Batch, take, to_device
from drivetrain.data.drawing import draw_anew, drawing_from
from drivetrain.data.labels import Annotated, Labels, Ledger, annotated
from drivetrain.data.opening import Opened, open_data
from drivetrain.data.source import Source

__all__ = [
    "Annotated",
    "Batch",
    "Labels",
    "Ledger",
    "Opened",
    "Source",
    "annotated",
    "draw_anew",
    "drawing_from",
    "open_data",
    "take",
    "to_device",
]
