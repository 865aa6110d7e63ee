"""The three models: a detector of speech, an encoder of voices, and a reader of digit and speaker."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .clips import SPEAKERS
from .pretrained import detector_weights, encoder_weights
from .recordings import WINDOW

CONTEXT = 64  # samples before a window that the detector hears too
MELS = 40


class SpeechDetector(nn.Module):
    """Silero VAD's network: is there speech in each window of 32 ms.

    recording [batch, samples] at 16 kHz -> logits [batch, windows]. The window's spectrum is fixed, the rest learns.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("spectrum", torch.randn(258, 1, 256))
        sizes = ((129, 128, 1), (128, 64, 2), (64, 64, 2), (64, 128, 1))
        self.convolutions = nn.ModuleList(nn.Conv1d(a, b, 3, stride=s, padding=1) for a, b, s in sizes)
        self.memory = nn.LSTM(128, 128, batch_first=True)
        self.head = nn.Linear(128, 1)
        if (weights := detector_weights()) is not None:
            self.load_state_dict(_detector_names(weights))

    def forward(self, recording: Tensor) -> Tensor:
        """Logits of speech."""
        windows = F.pad(recording, (CONTEXT, 0)).unfold(1, WINDOW + CONTEXT, WINDOW)
        heard = F.pad(windows.flatten(0, 1), (0, CONTEXT), mode="reflect").unsqueeze(1)
        parts = F.conv1d(heard, self.spectrum, stride=128)
        found = (parts[:, :129].square() + parts[:, 129:].square() + 1e-12).sqrt()
        for convolution in self.convolutions:
            found = convolution(found).relu()
        told, _ = self.memory(found.squeeze(-1).unflatten(0, windows.shape[:2]))
        logits: Tensor = self.head(told.relu()).squeeze(-1)
        return logits


class VoiceEncoder(nn.Module):
    """Resemblyzer's network: utterance, mel powers [batch, frames of 10 ms, 40] -> voice, unit vectors [batch, 256]."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(MELS, 256, 3, batch_first=True)
        self.linear = nn.Linear(256, 256)
        if (weights := encoder_weights()) is not None:
            self.load_state_dict(weights)

    def forward(self, utterance: Tensor) -> Tensor:
        """Embeddings."""
        _, (hidden, _) = self.lstm(utterance)
        return F.normalize(self.linear(hidden[-1]).relu() + 1e-6, dim=1)


class Reader(nn.Module):
    """voice [batch, 256] -> answer: logits of the digit [batch, 10] and of the speaker [batch, 6]."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(256, 128)
        self.digit = nn.Linear(128, 10)
        self.speaker = nn.Linear(128, SPEAKERS)

    def forward(self, voice: Tensor) -> dict[str, Tensor]:
        """Logits by name."""
        found = self.hidden(16 * voice).relu()  # the 256 numbers of a unit vector are small
        return {"digit": self.digit(found), "speaker": self.speaker(found)}


def _detector_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The package's weights under this network's names."""
    named = {"spectrum": weights["stft_conv.weight"]}
    for place in range(4):
        for kind in ("weight", "bias"):
            named[f"convolutions.{place}.{kind}"] = weights[f"conv{place + 1}.{kind}"]
    for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        named[f"memory.{kind}_l0"] = weights[f"lstm_cell.{kind}"]
    named["head.weight"] = weights["final_conv.weight"].squeeze(-1)
    named["head.bias"] = weights["final_conv.bias"]
    return named
