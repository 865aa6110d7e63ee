"""The code between detector and encoder: cut the utterance out of the recording, as mel powers; and its relaxation."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from drivetrain import component, relaxed
from drivetrain.graph.component import Component

from .clips import RATE
from .recordings import WINDOW, WINDOWS

HOP, SIZE = 160, 400  # samples: 10 ms from frame to frame, 25 ms long
MELS = 40
FRAMES = 64  # of an utterance, .64 s
THRESHOLD = 0.5


def segment(threshold: float = THRESHOLD) -> Component:
    """The component: ordinary code in evaluation, its relaxation in training (value and gradient alike)."""

    @component("speech, recording -> utterance")
    def segment(speech: Tensor, recording: Tensor) -> Tensor:
        return cut(speech, recording, threshold)

    return relaxed(segment, soft_cut, changes="value")


def cut(speech: Tensor, recording: Tensor, threshold: float = THRESHOLD) -> Tensor:
    """The longest stretch of windows over the threshold, centred; silence outside it. [batch, 64 frames, 40 mels]."""
    found = (speech.sigmoid() > threshold).float()
    length = torch.zeros_like(found)
    run = torch.zeros(len(found))
    for place in range(WINDOWS):
        run = (run + 1) * found[:, place]
        length[:, place] = run
    longest, end = length.max(1)
    places = torch.arange(WINDOWS)
    kept = ((places <= end[:, None]) & (places > (end - longest)[:, None])).float()
    centre = torch.where(longest > 0, end - (longest - 1) / 2, torch.tensor((WINDOWS - 1) / 2))
    return _around(centre, kept, recording)


def soft_cut(speech: Tensor, recording: Tensor) -> Tensor:
    """The relaxation: every window counts as much as it is believed to be speech; the centre is their mean place."""
    kept = speech.sigmoid()
    weight = kept.square() + 1e-6
    centre = (weight * torch.arange(WINDOWS)).sum(1) / weight.sum(1)
    return _around(centre, kept, recording)


def _around(centre: Tensor, kept: Tensor, recording: Tensor) -> Tensor:
    """Frames around a centre (in windows), each as loud as its window is kept; between frames by interpolation."""
    mels = mel_powers(recording)
    frames = mels.shape[1]
    at = torch.arange(frames) * HOP / WINDOW
    lower = at.long().clamp(max=WINDOWS - 1)
    mels = mels * kept[:, lower, None]
    places = (centre * WINDOW / HOP)[:, None] + torch.arange(FRAMES) - FRAMES / 2
    places = places.clamp(0, frames - 1.001)
    below = places.floor().detach()
    share = (places - below)[..., None]
    index = below.long()[..., None].expand(-1, -1, MELS)
    return (1 - share) * mels.gather(1, index) + share * mels.gather(1, index + 1)


def mel_powers(recording: Tensor) -> Tensor:
    """Powers in 40 mel bands, [batch, frames, 40], as the voice encoder was trained on."""
    window = torch.hann_window(SIZE, device=recording.device)
    spectrum = torch.stft(recording, SIZE, HOP, window=window, return_complex=True, pad_mode="constant")
    return (spectrum.abs().square().transpose(1, 2)) @ mel_filters().to(recording)


@lru_cache(maxsize=1)
def mel_filters() -> Tensor:
    """Triangles of equal area on Slaney's mel scale (Auditory Toolbox, 1998), [frequencies, 40]."""
    step, edge = 200 / 3, 1000.0  # Hz a mel below the edge; logarithmic above it
    ratio = torch.log(torch.tensor(6.4)) / 27
    top = edge / step + torch.log(torch.tensor(RATE / 2 / edge)) / ratio
    mels = torch.linspace(0, float(top), MELS + 2)
    corners = torch.where(mels < edge / step, mels * step, edge * torch.exp(ratio * (mels - edge / step)))
    frequencies = torch.linspace(0, RATE / 2, SIZE // 2 + 1)[:, None]
    rising = (frequencies - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - frequencies) / (corners[2:] - corners[1:-1])
    return torch.minimum(rising, falling).clamp(min=0) * 2 / (corners[2:] - corners[:-2])
