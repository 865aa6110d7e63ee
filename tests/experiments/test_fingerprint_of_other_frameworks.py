"""A model of another framework is the same version in every process: its weights and settings count, its object not."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from drivetrain import component
from drivetrain.experiments.versions.fingerprint import component_fingerprint, fingerprint


def test_a_keras_model_is_told_by_its_weights_and_settings_and_not_by_its_names() -> None:
    keras = pytest.importorskip("keras")

    def digest(activation: str = "relu", shift: float = 0.0) -> str:
        keras.utils.set_random_seed(1)
        inputs = keras.Input((3,))
        hidden = keras.layers.Dense(4, activation=activation)(inputs)
        model = keras.Model(inputs, keras.layers.Dense(2)(hidden))
        model.set_weights([weight + shift for weight in model.get_weights()])
        return component_fingerprint(component("camera", model, "image -> boxes"))

    assert digest() == digest()
    assert len({digest(), digest(activation="tanh"), digest(shift=0.1)}) == 3


def test_a_layer_of_the_users_own_counts_with_its_code() -> None:
    keras = pytest.importorskip("keras")

    def digest(factor: float) -> str:
        class Scale(keras.layers.Layer):
            def call(self, value: Any) -> Any:
                return value * factor

        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((3,)), Scale(), keras.layers.Dense(2)])
        return component_fingerprint(component("camera", model, "image -> boxes"))

    assert digest(2.0) == digest(2.0)
    assert digest(2.0) != digest(3.0)


def test_an_estimator_is_told_by_what_it_has_learned_and_its_settings() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    scan = torch.randn(30, 2, generator=torch.Generator().manual_seed(1)).numpy()

    def forest(trees: int, seed: int) -> Any:
        return ensemble.RandomForestRegressor(trees, random_state=seed).fit(scan, scan)

    def digest(estimator: Any) -> str:
        return component_fingerprint(component("lidar", estimator, "scan -> hits"))

    once = forest(3, 0)
    assert digest(once) == digest(forest(3, 0)) == digest(copy.deepcopy(once))
    assert len({digest(once), digest(forest(3, 1)), digest(forest(4, 0))}) == 3


def test_a_class_is_told_by_its_code_wherever_it_is_met() -> None:
    def digest(factor: float) -> tuple[str, str]:
        class Scale:
            def call(self, value: Any) -> Any:
                return value * factor

        return fingerprint(Scale), fingerprint([Scale, Scale])

    assert digest(2.0) == digest(2.0)
    assert not set(digest(2.0)) & set(digest(3.0))


def test_an_onnx_file_is_told_by_what_stands_in_it_wherever_it_lies(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from tests.components.onnx_models import dense

    first, second, other = dense(), dense(), dense()
    other.graph.initializer[1].raw_data = bytes(b"\1" * len(other.graph.initializer[1].raw_data))
    digests = []
    for place, model in {"a.onnx": first, "b.onnx": second, "c.onnx": other}.items():
        onnx.save(model, tmp_path / place)
        digests.append(component_fingerprint(component("lidar", str(tmp_path / place), "scan -> hits")))
    assert digests[0] == digests[1] != digests[2]


def test_an_onnx_model_that_learned_is_another_version_and_its_file_stays_the_same_one() -> None:
    pytest.importorskip("onnx2torch")
    from drivetrain.components.onnx import trainable
    from tests.components.onnx_models import dense

    lidar = component("lidar", trainable(dense()), "scan -> hits")
    before, code = component_fingerprint(lidar), lidar.thing.file_identity()
    weight = next(iter(lidar.parameters()))
    with torch.no_grad():
        weight.add_(1.0)
    lidar.thing.hand_back()
    assert component_fingerprint(lidar) != before
    assert lidar.thing.file_identity() == code
    with torch.no_grad():
        weight.sub_(1.0)
    assert component_fingerprint(component("radar", trainable(dense()), "scan -> hits")) == before


def test_a_dataclass_is_told_by_its_code_and_what_makes_its_defaults() -> None:
    def digest(make: Any, shift: float) -> str:
        @dataclass
        class Settings:
            shift: float = 0.0
            names: Any = field(default_factory=make)

        Settings.shift = shift
        return fingerprint(Settings)

    assert digest(list, 1.0) == digest(list, 1.0)
    assert len({digest(list, 1.0), digest(dict, 1.0), digest(list, 2.0)}) == 3
