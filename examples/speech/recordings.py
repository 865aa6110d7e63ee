"""Digits laid into longer, noisy recordings, which also gives the truth of where speech is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.signal import lfilter

from drivetrain import Labels, annotated
from drivetrain.data.labels import Annotated

from .clips import RATE, SPEAKERS, TAKES, TEST_TAKES, Clip, clips

WINDOW = 512  # samples, 32 ms: what the detector judges at once
WINDOWS = 75  # 2.4 s
SAMPLES = WINDOW * WINDOWS
SIGNAL_TO_NOISE = (0.0, 15.0)  # dB
TRAIN_TAKES, VALIDATION_TAKES = 4, 2  # of each digit and speaker


def recordings(seed: int, path: str | None = None) -> tuple[Annotated, Annotated, dict[str, Any]]:
    """Training, validation and test recordings of a seed: which takes, where they lie, which noise.

    recording: float32 [batch, samples] at 16 kHz. speech: 0/1 [batch, windows], is a window of 32 ms spoken into.
    voice, speaker: int64 [batch]. answer: digit and speaker, int64 [batch] each.
    Test recordings hold every test take of the official split once.
    """
    found, _ = clips(path)
    drawing = np.random.default_rng(seed)
    train, validation = [], []
    for digit in range(10):
        for speaker in range(SPEAKERS):
            takes = [clip for clip in found if clip[:2] == (digit, speaker) and clip.take not in TEST_TAKES]
            order = drawing.permutation(len(takes))[: TRAIN_TAKES + VALIDATION_TAKES]
            train += [takes[i] for i in order[:TRAIN_TAKES]]
            validation += [takes[i] for i in order[TRAIN_TAKES:]]
    test = [clip for clip in found if clip.take in TEST_TAKES]
    laid = [lay(part, np.random.default_rng([seed, place])) for place, part in enumerate((train, validation, test))]
    return priced(laid[0]), priced(laid[1]), laid[2]


def priced(data: dict[str, Any]) -> Annotated:
    """With what a person would annotate: begin and end of speech; digit and speaker, also the truth of a voice."""
    return annotated(
        data,
        speech=Labels(count=lambda speech: 2),
        voice=Labels(count=lambda voice: 2, origin="derived", derived_from="answer"),
    )


def lay(spoken: Sequence[Clip], drawing: np.random.Generator, *, noise: float = 1.0) -> dict[str, Any]:
    """Each clip somewhere in a recording of its own, with hum, hiss and a burst that is no speech."""
    waves, speech = np.zeros((len(spoken), SAMPLES), np.float32), np.zeros((len(spoken), WINDOWS), np.float32)
    for i, clip in enumerate(spoken):
        wave = clip.wave[: SAMPLES // 2]
        begin = int(drawing.integers(0, SAMPLES - len(wave)))
        level = 10 ** (-drawing.uniform(*SIGNAL_TO_NOISE) / 20) * noise
        waves[i] = level * _noise(drawing)
        waves[i, begin : begin + len(wave)] += wave
        covered = np.zeros(SAMPLES)
        covered[begin : begin + len(wave)] = 1
        speech[i] = covered.reshape(WINDOWS, WINDOW).mean(1) > 0.5
        waves[i] *= 10 ** (-30 / 20) / np.sqrt(np.mean(waves[i] ** 2))  # -30 dBFS, as the voice encoder was trained
    speaker = torch.tensor([clip.speaker for clip in spoken])
    return {
        "recording": torch.from_numpy(waves), "speech": torch.from_numpy(speech), "voice": speaker, "speaker": speaker,
        "answer": {"digit": torch.tensor([clip.digit for clip in spoken]), "speaker": speaker},
        "key": torch.tensor([(clip.digit * SPEAKERS + clip.speaker) * TAKES + clip.take for clip in spoken]),
    }  # fmt: skip


def louder(data: dict[str, Any], seed: int) -> dict[str, Any]:
    """The corruption: six more decibels of hiss."""
    drawing = np.random.default_rng([seed, 77])
    waves = data["recording"].numpy()
    hiss = drawing.standard_normal(waves.shape).astype(np.float32) * waves.std(1, keepdims=True)
    return {**data, "recording": torch.from_numpy((waves + hiss) / np.float32(np.sqrt(2)))}


def _noise(drawing: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Pink-like noise of loudness one with a hum, and a burst of filtered noise as long as a word."""
    wave = lfilter([1.0], [1.0, -drawing.uniform(0.0, 0.95)], drawing.standard_normal(SAMPLES))
    wave = wave / wave.std() + 0.5 * np.sin(2 * np.pi * drawing.uniform(50, 400) * np.arange(SAMPLES) / RATE)
    count, begin = int(RATE * drawing.uniform(0.1, 0.5)), int(drawing.integers(0, SAMPLES // 2))
    burst = lfilter([1.0], [1.0, -1.6, 0.9], drawing.standard_normal(count))
    wave[begin : begin + count] += 1.5 * burst / burst.std() * np.hanning(count)
    return (wave / wave.std()).astype(np.float32)
