"""Spoken digits: recorded ones where they are on the disk, else generated ones that only sound like speech."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.io import wavfile
from scipy.signal import lfilter, resample_poly

from drivetrain.errors import DataError

RATE = 16_000  # samples a second
SPEAKERS = 6
TEST_TAKES = range(
    5
)  # the official split of the recorded digits: takes 0 to 4 of each speaker and digit are for testing
TAKES = 50

Wave = npt.NDArray[np.float32]


class Clip(NamedTuple):
    """One digit, spoken once; `take` counts how often this speaker has said it."""

    digit: int
    speaker: int
    take: int
    wave: Wave


@lru_cache(maxsize=1)
def clips(path: str | None = None) -> tuple[list[Clip], str]:
    """All clips, at 16 kHz and a loudness of one, and a sentence that says where they are from.

    The folder is looked for in this order: the argument, ``$DRIVETRAIN_DATA/fsdd``, ``../shared/data/fsdd`` beside the
    repository. Without it the clips are generated.
    """
    folder = _folder(path)
    if folder is None:
        return generated(), "Generated sounds, no speech: the Free Spoken Digit Dataset was not found."
    return recorded(folder), "Free Spoken Digit Dataset (CC BY-SA 4.0), six speakers, its official split."


def recorded(folder: Path) -> list[Clip]:
    """The clips in ``recordings/{digit}_{speaker}_{take}.wav``.

    Raises:
        DataError: a file cannot be read, or there is none.
    """
    found = sorted((folder / "recordings").glob("*_*_*.wav"))
    names = sorted({path.stem.split("_")[1] for path in found})
    if not found:
        raise DataError(
            f"{folder / 'recordings'} holds no files such as 7_theo_0.wav; it is the folder of the data set"
        )
    read = []
    for path in found:
        digit, name, take = path.stem.split("_")
        try:
            rate, wave = wavfile.read(path)
        except (ValueError, OSError) as reason:
            raise DataError(f"{path} is no readable WAV file: {reason}") from None
        read.append(
            Clip(int(digit), names.index(name), int(take), _level(resample_poly(wave.astype(float), RATE, rate)))
        )
    return read


def generated(takes: int = 12, seed: int = 0) -> list[Clip]:
    """Two vowels a digit, glided between, by a source and two resonances (Fant 1960); the speaker is pitch and size."""
    drawing = np.random.default_rng(seed)
    vowels = drawing.uniform([300, 900], [800, 2400], (10, 2, 2))  # Hz: digit, begin and end, first and second formant
    voices = np.column_stack(
        [np.linspace(90, 220, SPEAKERS), np.linspace(0.9, 1.15, SPEAKERS)]
    )  # Hz, factor of formants
    return [
        Clip(digit, speaker, take, _spoken(vowels[digit] * voices[speaker, 1], voices[speaker, 0], drawing))
        for digit in range(10)
        for speaker in range(SPEAKERS)
        for take in range(takes)
    ]


def _spoken(formants: npt.NDArray[np.float64], pitch: float, drawing: np.random.Generator) -> Wave:
    count = int(RATE * drawing.uniform(0.3, 0.6))
    time = np.arange(count) / RATE
    phase = np.cumsum(pitch * drawing.uniform(0.95, 1.05) * (1 + 0.1 * np.sin(2 * np.pi * 3 * time)) / RATE)
    pulses = np.diff(np.floor(phase), prepend=0.0) + 0.02 * drawing.standard_normal(count)
    halves = []
    for part, formant in zip(np.array_split(pulses, 2), formants, strict=True):
        for frequency in formant * drawing.uniform(0.97, 1.03, 2):
            radius = np.exp(-np.pi * 90 / RATE)  # 90 Hz wide
            part = lfilter([1.0], [1.0, -2 * radius * np.cos(2 * np.pi * frequency / RATE), radius**2], part)
        halves.append(part)
    return _level(np.concatenate(halves) * np.hanning(count) ** 0.3)


def _level(wave: npt.NDArray[np.float64]) -> Wave:
    return (wave / (np.sqrt(np.mean(wave**2)) + 1e-9)).astype(np.float32)


def _folder(path: str | None) -> Path | None:
    if path is not None:
        return Path(path)
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("DRIVETRAIN_DATA", beside)) / "fsdd"
    return folder if folder.is_dir() else None
