"""The three models, each from another framework: PyTorch finds, scikit-learn reads lights, Keras reads signs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .crops import CANDIDATES, CROP, GRID
from .picture import LIGHTS, SIGNS, SIZE

NO_LIGHT, NO_SIGN = len(LIGHTS), len(SIGNS)  # the class of a candidate that shows none


class Detector(nn.Module):
    """picture uint8 [batch, 3, 320, 320] -> map [batch, 2, 5, 20, 20]: lights and signs by cell; see ``targets``.

    It looks at half the resolution, down to cells of 64 pixels and back up to cells of 16 (Lin et al. 2017, feature
    pyramids), so that a sign as wide as the picture and one of twenty pixels are found on one map. Convolutions run in
    bfloat16 where that takes half the time; processors without wide vectors imitate it and take many times as long.
    """

    def __init__(self, widths: tuple[int, int, int, int, int] = (16, 24, 48, 64, 96)) -> None:
        super().__init__()
        first, second, fine, middle, coarse = widths
        self.stem = nn.Sequential(layer(3, first, 2), layer(first, second, 2))
        self.fine = nn.Sequential(layer(second, fine, 2), layer(fine, fine))
        self.middle = nn.Sequential(layer(fine, middle, 2), layer(middle, middle))
        self.coarse = nn.Sequential(layer(middle, coarse, 2), layer(coarse, coarse))
        self.to_middle, self.to_fine = nn.Conv2d(coarse, middle, 1), nn.Conv2d(middle, fine, 1)
        self.after_middle, self.after_fine = layer(middle, middle), layer(fine, fine)
        self.head = nn.Conv2d(fine, 10, 1)
        with torch.no_grad():
            self.head.bias.copy_(torch.tensor([-4.0, 0.5, 0.5, 1.0, 1.0] * 2))  # few cells hold an object

    def forward(self, picture: Tensor) -> Tensor:
        """The map."""
        half = F.interpolate(
            picture.contiguous(memory_format=torch.channels_last), size=(SIZE // 2, SIZE // 2), mode="bilinear",
            antialias=True,
        )  # fmt: skip
        with torch.autocast(picture.device.type, torch.bfloat16, enabled=_has_bfloat16(picture)):
            fine = self.fine(self.stem(half.float() / 127.5 - 1))
            middle = self.middle(fine)
            coarse = self.coarse(middle)
            middle = self.after_middle(middle + F.interpolate(self.to_middle(coarse), size=middle.shape[2:]))
            fine = self.after_fine(fine + F.interpolate(self.to_fine(middle), size=fine.shape[2:]))
        found: Tensor = self.head(fine.float())
        return found.reshape(-1, 2, 5, GRID, GRID)


def _has_bfloat16(picture: Tensor) -> bool:
    return picture.device.type != "cpu" or torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def layer(before: int, after: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, rectifier."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


def lamp_reader(seed: int) -> Any:
    """A forest from the colours of a crop to green, red or no light."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(40, min_samples_leaf=2, max_features=12, random_state=seed)


def plate_reader(seed: int) -> Any:
    """A small convolutional network in Keras: plates [batch, 4, 32, 32, 3] -> logits [batch, 4, 14]."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    each = keras.Sequential(
        [
            keras.Input((CROP, CROP, 3)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(48, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(NO_SIGN + 1),
        ]
    )
    return keras.Sequential([keras.Input((CANDIDATES, CROP, CROP, 3)), layers.TimeDistributed(each)])
