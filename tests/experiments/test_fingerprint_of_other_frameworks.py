"""A model of another framework is the same version in every process: its weights and settings count, its object not."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from drivetrain import component
from drivetrain.experiments.fingerprint import component_fingerprint, fingerprint


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
