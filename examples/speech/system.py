"""The system: detector, code that cuts, encoder, reader."""

from __future__ import annotations

from typing import Any

import torch

from drivetrain import System, component, system

from .models import Reader, SpeechDetector, VoiceEncoder
from .segment import segment as cutting


def encode_speech(speech: torch.Tensor) -> torch.Tensor:
    """0/1 labels of windows to the detector's logits."""
    return (2 * speech - 1) * 6


def build(seed: int = 0) -> System:
    """The listener; detector and encoder start pretrained where their packages are installed, the reader at random."""
    torch.manual_seed(seed)
    detector = component("detector", SpeechDetector(), "recording -> speech", from_truth=encode_speech)
    encoder = component("encoder", VoiceEncoder(), "utterance -> voice")
    reader = component("reader", Reader(), "voice -> answer")
    segment = cutting()

    @system
    def listener(recording: Any) -> Any:
        return reader(encoder(segment(detector(recording), recording)))

    return listener
