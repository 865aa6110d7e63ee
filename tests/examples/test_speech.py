"""The listener: recordings that say where speech is, weights read as data, gradients through the cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from drivetrain import evaluate, fit
from drivetrain.training import AlternatingEndLoss, PartialEndLoss, SimultaneousEndLoss
from examples.speech import build
from examples.speech.case import ARMS, THRESHOLDS, tune
from examples.speech.clips import TEST_TAKES, generated, recorded
from examples.speech.losses import END, OWN, answer_loss, voice_loss
from examples.speech.pretrained import detector_weights, encoder_weights
from examples.speech.recordings import SAMPLES, WINDOWS, lay, louder, priced, recordings
from examples.speech.segment import FRAMES, cut, mel_filters, soft_cut


@pytest.fixture(scope="module")
def few() -> dict[str, Any]:
    return lay(generated(takes=1)[::4], np.random.default_rng(3))


def test_the_truth_of_speech_lies_where_the_clip_was_laid(few: dict[str, Any]) -> None:
    assert few["recording"].shape == (len(few["key"]), SAMPLES)
    assert few["speech"].shape == (len(few["key"]), WINDOWS)
    silent = lay(generated(takes=1)[:6], np.random.default_rng(3), noise=1e-6)
    loud = silent["recording"].reshape(6, WINDOWS, -1).square().mean(2) > 1e-6
    assert ((loud == silent["speech"].bool()).float().mean(1) > 0.9).all()


def test_recordings_are_ruled_by_their_seed_and_no_take_is_in_two_parts() -> None:
    one, other = recordings(0), recordings(0)
    assert torch.equal(one[0].data["recording"], other[0].data["recording"])
    keys = [set(part["key"].tolist()) for part in (one[0].data, one[1].data, one[2])]
    assert len(keys[0] | keys[1] | keys[2]) == sum(map(len, keys))


def test_the_recorded_digits_are_read_with_their_official_split(recorded_data: Any) -> None:
    clips = recorded(recorded_data("fsdd"))
    assert len(clips) == 3000
    assert sum(clip.take in TEST_TAKES for clip in clips) == 300


def test_the_cut_keeps_the_longest_stretch_in_the_middle_and_nothing_else() -> None:
    speech = torch.full((1, WINDOWS), -9.0)
    speech[0, 5:7] = speech[0, 30:40] = 9.0
    hiss = torch.randn(1, SAMPLES)
    utterance = cut(speech, hiss)
    assert utterance.shape == (1, FRAMES, 40)
    inside = utterance[0].sum(1) > 0
    assert inside[FRAMES // 2 - 10 : FRAMES // 2 + 10].all()
    assert 28 <= inside.sum() <= 36  # ten windows of 32 ms in frames of 10 ms
    assert torch.count_nonzero(cut(torch.full((1, WINDOWS), -9.0), hiss)) == 0
    torch.testing.assert_close(soft_cut(2 * speech, hiss).shape, utterance.shape)


def test_a_mel_filter_has_one_peak_and_the_same_area_as_the_next() -> None:
    areas = mel_filters().sum(0) * (8000 / 200)
    assert (mel_filters() >= 0).all()
    torch.testing.assert_close(areas[10:], torch.ones(30), rtol=0.1, atol=0.0)


def test_the_voice_loss_is_small_when_speakers_stand_apart() -> None:
    speaker = torch.tensor([0, 0, 1, 1, 2, 2])
    apart = torch.eye(8)[speaker]
    assert voice_loss(apart, speaker) < 0.01 < voice_loss(torch.eye(8)[torch.zeros(6).long()], speaker)


@pytest.mark.parametrize("pattern", [SimultaneousEndLoss(answer_loss), AlternatingEndLoss(answer_loss)])
def test_the_end_loss_reaches_every_model_through_the_cut(pattern: Any, few: dict[str, Any]) -> None:
    listener = build(0)
    before = {name: value.clone() for name, value in listener.named_parameters()}
    fit(listener, priced(few), pattern, epochs=2, batch_size=8, seed=0, device="cpu")
    moved = {name.split(".")[0] for name, value in listener.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {"detector", "encoder", "reader"}


def test_the_threshold_is_tuned_on_validation_and_leaves_the_system_alone(few: dict[str, Any]) -> None:
    listener = build(0)
    tuned, chosen = tune(listener, priced(few))
    assert chosen["threshold"] in THRESHOLDS
    assert tuned.component("detector") is listener.component("detector")
    assert evaluate(tuned, few, END, show_progress=False)["answer"].n == len(few["key"])


def test_more_hiss_changes_the_recording_alone(few: dict[str, Any]) -> None:
    damaged = louder(few, 0)
    assert not torch.equal(damaged["recording"], few["recording"])
    assert damaged["answer"] is few["answer"]


def test_pretrained_weights_hear_speech_in_recordings(recorded_data: Any) -> None:
    if detector_weights() is None or encoder_weights() is None:
        pytest.skip(
            "the packages that carry weights are not installed: pip install --no-deps -r constraints/weights.txt"
        )
    clips = [clip for clip in recorded(recorded_data("fsdd")) if clip.take == 0]
    data = lay(clips, np.random.default_rng(0), noise=0.1)
    heard = evaluate(build(0), data, OWN, show_progress=False)
    assert heard["speech"].low > 0.8
    assert heard["voice"].low > 0.4  # by chance one of six


def test_every_arm_starts_from_the_same_weights_and_can_be_declared() -> None:
    listener = build(0)
    for arm in ARMS.values():
        assert arm.pattern.tracks(listener)
    for name, value in build(0).state_dict().items():
        assert torch.equal(value, listener.state_dict()[name])


def test_partial_training_of_the_reader_leaves_the_rest_alone(few: dict[str, Any]) -> None:
    listener = build(0)
    before = {name: value.clone() for name, value in listener.state_dict().items()}
    fit(listener, priced(few), PartialEndLoss("reader", answer_loss), epochs=1, batch_size=8, seed=0)
    changed = {
        name.split(".")[0] for name, value in listener.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"reader"}
