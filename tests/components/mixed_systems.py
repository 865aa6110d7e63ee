"""Run by the tests in a process of its own: systems of PyTorch, Keras on TensorFlow, scikit-learn and ONNX models."""

from __future__ import annotations

import copy
import os
import pickle
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch.nn import functional as F

from drivetrain import System, component, evaluate, fit, system
from drivetrain.components.onnx import trainable
from drivetrain.components.sklearn import Estimator
from drivetrain.errors import ComponentError, DrivetrainError, NoGradientError
from drivetrain.gradients import SPSA
from drivetrain.training import (
    AlternatingEndLoss,
    FederatedMerge,
    Individual,
    MergedLoss,
    PartialEndLoss,
    SimultaneousEndLoss,
    Stages,
)
from drivetrain.training.conformance import examine
from tests.components.onnx_models import model as onnx_model
from tests.components.onnx_models import numbers

GENERATOR = torch.Generator().manual_seed(0)
IMAGE, SCAN = torch.randn(72, 8, generator=GENERATOR), torch.randn(72, 6, generator=GENERATOR)
STATE = (IMAGE[:, 0] + SCAN[:, 0] > 0).long() + (IMAGE[:, 1] > 0.8).long()
PLACE = torch.stack([IMAGE[:, 0], IMAGE[:, 1] * IMAGE[:, 2]], 1)


def likelihood(shares: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Of a model that answers probabilities."""
    return F.nll_loss(shares.clamp_min(1e-6).log(), truth)


def accuracy(answer: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    return (answer.argmax(1) == truth).float()


def closeness(answer: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    return -(answer - truth).abs().mean(1)


def torch_net(inputs: int, outputs: int) -> torch.nn.Module:
    torch.manual_seed(0)
    bent = torch.nn.Sequential(torch.nn.Linear(inputs, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU())
    return torch.nn.Sequential(bent, torch.nn.Dropout(0.1), torch.nn.Linear(8, outputs))


def sequential(inputs: int, outputs: int) -> Any:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(8), keras.layers.BatchNormalization(), keras.layers.Dropout(0.2)]
    return keras.Sequential([keras.Input((inputs,)), *layers, keras.layers.Dense(outputs)])


def functional(inputs: int, outputs: int) -> Any:
    keras.utils.set_random_seed(0)
    given = keras.Input((inputs,))
    bent = keras.layers.BatchNormalization()(keras.layers.Dense(8, activation="tanh")(given))
    return keras.Model(given, keras.layers.Dense(outputs)(keras.layers.Dropout(0.2)(bent)))


class Subclassed(keras.Model):
    """As tutorials write them: without ``get_config``, so that Keras itself cannot copy it."""

    def __init__(self, outputs: int, bend: Any) -> None:
        super().__init__()
        self.blocks = [keras.layers.Dense(8), keras.layers.BatchNormalization()]
        self.bend, self.drop, self.last = bend, keras.layers.Dropout(0.2), keras.layers.Dense(outputs)

    def call(self, x: Any, training: bool = False) -> Any:
        for block in self.blocks:
            x = block(x, training=training) if isinstance(block, keras.layers.BatchNormalization) else block(x)
        return self.last(self.drop(self.bend(x), training=training))


def subclassed(inputs: int, outputs: int) -> Any:
    keras.utils.set_random_seed(0)
    made = Subclassed(outputs, tf.nn.relu)
    made(np.zeros((1, inputs), np.float32))
    return made


def onnx_net(inputs: int, outputs: int) -> Any:
    nodes = [
        ("MatMul", ["x", "first"], ["product"]),
        ("Add", ["product", "shift"], ["sum"]),
        ("Relu", ["sum"], ["bent"]),
        ("Gemm", ["bent", "last", "end"], ["y"]),
    ]
    weights = {
        "first": numbers(inputs, 8), "shift": np.zeros(8, np.float32),
        "last": numbers(8, outputs), "end": np.zeros(outputs, np.float32),
    }  # fmt: skip
    return onnx_model(nodes, {"x": ("batch", inputs)}, {"y": ("batch", outputs)}, weights)


def fitted(estimator: Any, features: int, classes: int = 3) -> Any:
    """Fitted to noise, so that what it knows later comes from end labels."""
    draws = np.random.default_rng(0)
    return estimator.fit(draws.normal(size=(60, features)), np.arange(60) % classes)


def chain(keras_model: Any = None, onnx_thing: Any = None, estimator: Any = None) -> System:
    camera = component("camera", torch_net(8, 6), "image -> boxes")
    lens = component("lens", keras_model or sequential(6, 5), "boxes -> marks")
    gauge = component("gauge", onnx_thing or trainable(onnx_net(5, 4)), "marks -> hits")
    ours = estimator or fitted(make_pipeline(StandardScaler(), LogisticRegression()), 4)
    judge = component("judge", ours, "hits -> state")

    @system
    def driver(image: Any) -> Any:
        return judge(gauge(lens(camera(image))))

    return driver


def fused(boxes: Any, hits: Any, marks: Any) -> Any:
    return boxes * torch.sigmoid(hits) + marks


def join() -> System:
    """A subclassed Keras model, a frozen ONNX file, and a forest that learns and is seen through by an estimate."""
    camera = component("camera", torch_net(8, 4), "image -> boxes")
    lidar = component("lidar", subclassed(6, 4), "scan -> hits")
    old = component("old", onnx_net(6, 4), "scan -> marks")
    fusion = component("fusion", fused, "boxes, hits, marks -> evidence")
    forest = fitted(RandomForestClassifier(5, random_state=0), 4)
    judge = component("judge", Estimator(forest, upstream=SPSA(samples=2, step=0.5)), "evidence -> state")

    @system
    def perception(image: Any, scan: Any) -> Any:
        return judge(fusion(camera(image), lidar(scan), old(scan)))

    return perception


def fork() -> System:
    trunk = component("trunk", functional(8, 5), "image -> features")
    light = component("light", torch_net(5, 3), "features -> colour")
    sign = component("sign", fitted(LogisticRegression(), 5), "features -> kind")
    road = component("road", trainable(onnx_net(5, 2)), "features -> place")

    @system
    def traffic(image: Any) -> Any:
        features = trunk(image)
        return {"colour": light(features), "kind": sign(features), "place": road(features)}

    return traffic


BRANCHES = {"colour": F.cross_entropy, "kind": likelihood, "place": F.mse_loss}
SYSTEMS = {"chain": chain, "join": join, "fork": fork}
DATA = {
    "chain": {"image": IMAGE, "state": STATE},
    "join": {"image": IMAGE, "scan": SCAN, "state": STATE},
    "fork": {"image": IMAGE, "colour": STATE, "kind": 2 - STATE, "place": PLACE},
}
END = {"chain": likelihood, "join": likelihood, "fork": BRANCHES}
METRICS = {
    "chain": {"state": accuracy}, "join": {"state": accuracy},
    "fork": {"colour": accuracy, "kind": accuracy, "place": closeness},
}  # fmt: skip


def patterns(name: str) -> dict[str, Any]:
    """All that need no other labels than those of the end."""
    losses = END[name] if name == "fork" else {"state": likelihood}
    every = {
        "individual": Individual(losses, inputs="system"),
        "simultaneous": SimultaneousEndLoss(END[name]),
        "alternating": AlternatingEndLoss(END[name]),
    }
    if name != "fork":
        return every | {f"partial {model}": PartialEndLoss(model, END[name]) for model in SYSTEMS[name]().models}
    return every | {
        "merged": MergedLoss(BRANCHES, weights={"place": 0.5}),
        "merged by an aggregator": MergedLoss(BRANCHES, aggregator=lambda gradients: gradients.mean(0)),
        "federated": FederatedMerge(BRANCHES, rounds=2),
    }


def every_pattern_sits_its_exam(name: str) -> None:
    """Same seed, same weights; frozen models bitwise still; a resumed training goes on bitwise."""
    made = SYSTEMS[name]()
    for pattern in patterns(name).values():
        examine(made, DATA[name], pattern)


def the_users_own_objects_hold_the_best_weights(name: str) -> None:
    """And what is saved, copied or pickled answers the same."""
    data, made = DATA[name], SYSTEMS[name]()
    own = {model: made.component(model).thing for model in made.models}
    losses = END[name] if name == "fork" else {"state": likelihood}
    stages = Stages(Individual(losses, inputs="system"), SimultaneousEndLoss(END[name]))
    pattern, epochs = (
        (SimultaneousEndLoss(END[name]), 8) if name == "join" else (stages, (1, 24))
    )  # a forest knows it all
    report = fit(
        made, data, pattern, epochs=epochs, batch_size=24, seed=1, validation=data, metric=METRICS[name],
        optimizer=lambda weights: torch.optim.Adam(weights, lr=0.02),
    )  # fmt: skip
    assert {model for chosen in report.kept for model in chosen} == set(made.models)
    assert any(epoch for epoch in report.kept[-1].values()), f"no epoch was better than the start: {report.verdict}"
    made.eval()
    with torch.no_grad():
        values = made.trace(data)
    for node in made.nodes:
        if node.name in own:
            found, expected = own_answer(own[node.name], values[node.inputs[0]]), values[node.makes[0]]
            torch.testing.assert_close(found.double(), expected.double(), rtol=1e-4, atol=1e-5)
    end = [values[edge] for edge in made.outputs]
    with tempfile.TemporaryDirectory() as folder:
        made.save(Path(folder) / "weights")
        loaded = SYSTEMS[name]()
        loaded.load(Path(folder) / "weights")
    copies = {"loaded": loaded, "copied": copy.deepcopy(made), "pickled": pickle.loads(pickle.dumps(made))}
    for how, twin in copies.items():
        with torch.no_grad():
            others = twin.eval().trace(data)
        for edge, value in zip(made.outputs, end, strict=True):
            assert torch.equal(others[edge], value), f"{how}: {edge}"
    for edge, score in METRICS[name].items():
        assert evaluate(made, data, METRICS[name])[edge].value == pytest.approx(
            float(score(values[edge], data[edge]).mean())
        )


def own_answer(thing: Any, value: torch.Tensor) -> torch.Tensor:
    """What the user's object answers without Drivetrain."""
    if isinstance(thing, keras.Model):
        return torch.from_numpy(keras.ops.convert_to_numpy(thing(value.numpy(), training=False)))
    if isinstance(thing, torch.nn.Module) and hasattr(thing, "proto"):
        session = onnxruntime.InferenceSession(thing.source.SerializeToString(), providers=["CPUExecutionProvider"])
        return torch.from_numpy(session.run(None, {"x": value.numpy()})[0])
    if isinstance(thing, torch.nn.Module):
        return thing.eval()(value).detach()
    return torch.from_numpy(thing.predict_proba(value.numpy()))


def the_end_loss_falls_and_until_stops_it(name: str) -> None:
    data, made = DATA[name], SYSTEMS[name]()
    report = fit(made, data, SimultaneousEndLoss(END[name]), epochs=12, batch_size=24, seed=0,
                 optimizer=lambda weights: torch.optim.Adam(weights, lr=0.02))  # fmt: skip
    losses = [row["loss"] for row in report.history if "loss" in row]
    assert losses[-1] < 0.9 * losses[0], losses
    edge = made.outputs[0]
    stopped = fit(SYSTEMS[name](), data, SimultaneousEndLoss(END[name]), epochs=50, batch_size=24, seed=0,
                  validation=data, metric=METRICS[name], until={edge: 0.0})  # fmt: skip
    assert stopped.reached
    assert stopped.iterations == 0


def one_system(name: str) -> None:
    every_pattern_sits_its_exam(name)
    the_users_own_objects_hold_the_best_weights(name)
    the_end_loss_falls_and_until_stops_it(name)


def declarations() -> None:
    what_cannot_learn_is_said_by_name()
    every_way_to_declare_a_model_fits()
    double_numbers_and_whole_numbers_reach_every_framework()


def every_way_to_declare_a_model_fits() -> None:
    data = {"image": IMAGE.numpy(), "state": STATE.numpy()}  # as arrays of numpy, too
    kinds = {"functional": functional(6, 5), "subclassed": subclassed(6, 5), "compiled": sequential(6, 5)}
    kinds["compiled"].compile("adam", "mse")
    kinds["compiled"].fit(np.zeros((4, 6)), np.zeros((4, 5)), verbose=0)
    kinds["subclassed, compiled"] = subclassed(6, 5)
    kinds["subclassed, compiled"].compile("adam", "mse")
    kinds["subclassed, compiled"].fit(np.zeros((4, 6)), np.zeros((4, 5)), verbose=0)
    for name, made in kinds.items():
        driver = copy.deepcopy(chain(made))
        report = fit(driver, data, SimultaneousEndLoss(likelihood), epochs=1, seed=0)
        assert report.updates == dict.fromkeys(("camera", "lens", "gauge", "judge"), 3), name
    margins = {"state": F.cross_entropy}
    for estimator, loss in (
        (fitted(SVC(), 4), margins),
        (fitted(make_pipeline(StandardScaler(), SVC(decision_function_shape="ovo")), 4), margins),
        (Estimator(fitted(LogisticRegression(), 4), exact=False), likelihood),
        (Estimator(fitted(make_pipeline(StandardScaler(), RandomForestClassifier(5)), 4)), likelihood),
    ):
        driver = chain(estimator=estimator)
        report = fit(driver, data, PartialEndLoss("judge", loss), epochs=2, seed=0)
        assert report.updates["judge"] > 0
        report = fit(driver, data, AlternatingEndLoss(loss), epochs=3, seed=0)
        assert min(report.updates.values()) > 0, report.updates


def double_numbers_and_whole_numbers_reach_every_framework() -> None:
    def first(name: str, thing: Any, width: int) -> System:
        eye = component(name, thing, "image -> seen")
        head = component("head", sequential(width, 3), "seen -> state")

        @system
        def short(image: Any) -> Any:
            return head(eye(image))

        return short

    for image in (IMAGE.double(), IMAGE.double().numpy(), IMAGE):
        for thing in (functional(8, 4), trainable(onnx_net(8, 4)), onnx_net(8, 4), fitted(Ridge(), 8)):
            made = first("eye", thing, 1 if isinstance(thing, Ridge) else 4)
            fit(made, {"image": image, "state": STATE}, SimultaneousEndLoss(F.cross_entropy), epochs=1, seed=0)
    for start in range(1, 4):  # rows that do not begin where TensorFlow's kernels want them
        lens = component("lens", functional(8, 4), "image -> seen")
        assert torch.equal(lens.eval()(IMAGE.double()[start:]), lens(IMAGE.double()[start:].clone()))
    labels = Estimator(fitted(RandomForestClassifier(5), 8), output="predict")
    column = component("column", lambda seen: seen[:, None].float(), "label -> seen")
    eye, head = component("eye", labels, "image -> label"), component("head", sequential(1, 3), "seen -> state")

    @system
    def by_label(image: Any) -> Any:
        return head(column(eye(image)))

    report = fit(by_label, {"image": IMAGE, "state": STATE}, PartialEndLoss("head", F.cross_entropy), epochs=1, seed=0)
    assert report.updates["head"] == 3


def what_cannot_learn_is_said_by_name() -> None:
    data = DATA["chain"]
    hollow = Subclassed(5, tf.nn.relu)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras, too, says that this builds nothing
        hollow.build((None, 6))
    with pytest.raises(ComponentError, match=r"its layers '.*' are not.*Call it once on an example"):
        component("lens", hollow, "boxes -> marks")
    with pytest.raises(
        ComponentError, match=r"is not built.*Call it once on an example.*or give a Sequential model an"
    ):
        component("lens", keras.Sequential([keras.layers.Dense(5)]), "boxes -> marks")
    labels = Estimator(fitted(RandomForestClassifier(5), 4), output="predict")
    with pytest.raises(
        DrivetrainError, match=r"RandomForestClassifier.predict answers classes, which have no gradient"
    ):
        fit(chain(estimator=labels), data, SimultaneousEndLoss(likelihood), epochs=2, seed=0)
    with pytest.raises(NoGradientError, match=r"ONNX Runtime computes none.*trainable"):
        fit(chain(onnx_thing=onnx_net(5, 4)), data, SimultaneousEndLoss(likelihood), epochs=1, seed=0)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
