"""ONNX models in a system: frozen by ONNX Runtime or learning by conversion, and every refusal by name."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

from drivetrain import component, fit, system  # noqa: E402
from drivetrain.components.conformance import examine  # noqa: E402
from drivetrain.components.onnx import trainable  # noqa: E402
from drivetrain.errors import ComponentError, DataError, NoGradientError, SignatureError  # noqa: E402
from drivetrain.gradients import SPSA, differentiable  # noqa: E402
from drivetrain.training import AlternatingEndLoss, FederatedMerge, PartialEndLoss, SimultaneousEndLoss  # noqa: E402
from tests.components import onnx_models as models  # noqa: E402

LOSS = torch.nn.functional.mse_loss
X = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
PICTURES = torch.randn(6, 1, 5, 5, generator=torch.Generator().manual_seed(2))


def by_onnx_runtime(model: Any, *values: torch.Tensor) -> list[torch.Tensor]:
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feed = {slot.name: value.numpy() for slot, value in zip(session.get_inputs(), values, strict=True)}
    return [torch.from_numpy(answer) for answer in session.run(None, feed)]


@pytest.mark.parametrize(
    ("model", "value"),
    [
        (models.dense(), X),
        (models.convolution(), PICTURES),
        (models.two_outputs(), X),
        (models.embedding(), torch.tensor([3, 0, 4])),
        (models.tied(), X),
        (models.dense(batch=1), X),
    ],
)
def test_frozen_and_trainable_models_answer_what_onnx_runtime_answers(model: Any, value: torch.Tensor) -> None:
    if model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1:
        expected = [torch.cat([by_onnx_runtime(model, row[None])[0] for row in value])]
    else:
        expected = by_onnx_runtime(model, value)
    outputs = ", ".join(output.name for output in model.graph.output)
    for thing in (model, trainable(model)):
        answer = component("lidar", thing, f"scan -> {outputs}").eval()(value)
        for one, other in zip(answer if isinstance(answer, tuple) else (answer,), expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("make", "value"), [(models.dense, X), (models.convolution, PICTURES), (models.tied, X)])
def test_a_trainable_model_passes_the_exam_of_adapters(make: Any, value: torch.Tensor) -> None:
    examine(lambda: component("lidar", trainable(make()), "scan -> hits"), value)


def test_a_path_is_taken_as_text_or_as_a_path(tmp_path: Path) -> None:
    onnx.save(models.dense(), tmp_path / "lidar.onnx")
    for path in (str(tmp_path / "lidar.onnx"), tmp_path / "lidar.onnx"):
        lidar = component("lidar", path, "scan -> hits")
        assert not lidar.learns
        torch.testing.assert_close(lidar(X), by_onnx_runtime(models.dense(), X)[0])
        for twin in (copy.deepcopy(lidar), pickle.loads(pickle.dumps(lidar))):
            assert torch.equal(twin(X), lidar(X))


def perception(thing: Any) -> Any:
    torch.manual_seed(0)
    lidar = component("lidar", thing, "scan -> hits")
    head = component("head", torch.nn.Linear(2, 1), "hits -> cones")

    @system
    def car(scan: Any) -> Any:
        return head(lidar(scan))

    return car


@pytest.mark.parametrize(
    "pattern", [SimultaneousEndLoss(LOSS), AlternatingEndLoss(LOSS), PartialEndLoss("lidar", LOSS)]
)
def test_the_users_model_and_a_written_file_hold_what_was_learned(pattern: Any, tmp_path: Path) -> None:
    own, before = models.dense(), models.dense()
    thing = trainable(own)
    car = perception(thing)
    data = {"scan": X, "cones": X.sum(1, keepdim=True)}
    fit(car, data, pattern, epochs=5, seed=0)
    thing.save(tmp_path / "learned.onnx")
    with torch.no_grad():
        answer = car.component("lidar").eval()(X)
    assert not torch.allclose(answer, by_onnx_runtime(before, X)[0])
    torch.testing.assert_close(answer, by_onnx_runtime(own, X)[0], rtol=1e-5, atol=1e-5)
    again = component("lidar", tmp_path / "learned.onnx", "scan -> hits")
    torch.testing.assert_close(answer, again(X), rtol=1e-5, atol=1e-5)


def test_batch_statistics_move_in_training_and_are_written_back() -> None:
    own = models.convolution()
    sign = component("sign", trainable(own), "picture -> sign").train()
    sign(PICTURES)
    sign.module.hand_back()
    means = next(onnx.numpy_helper.to_array(t) for t in own.graph.initializer if t.name == "mean")
    assert abs(means).max() > 0


def test_only_what_was_named_learns() -> None:
    thing = trainable(models.dense(), weights=["last.weight"])
    assert list(thing.weights) == ["last.weight"]
    assert sum(weight.requires_grad for weight in thing.parameters()) == 1
    with pytest.raises(ComponentError, match=r"'middle' is no initializer .* there are: first.weight, first.bias"):
        trainable(models.dense(), weights=["middle"])


def test_a_table_of_words_learns() -> None:
    words = component("words", trainable(models.embedding()), "word -> vector")
    words(torch.tensor([1, 1])).sum().backward()
    (table,) = words.parameters()
    assert table.grad[1].tolist() == [2, 2]
    assert table.grad[0].tolist() == [0, 0]


def test_a_frozen_model_has_no_gradient_unless_it_is_estimated() -> None:
    lidar = component("lidar", models.dense(), "scan -> hits")
    scan = X.clone().requires_grad_()
    with pytest.raises(NoGradientError, match=r"before scanner needs its gradient.*differentiable.*trainable"):
        lidar(scan).sum().backward()
    torch.manual_seed(0)
    differentiable(lidar, SPSA(samples=2000))(scan).sum().backward()
    exact = X.clone().requires_grad_()
    component("lidar", trainable(models.dense()), "scan -> hits")(exact).sum().backward()
    torch.testing.assert_close(scan.grad, exact.grad, atol=0.1, rtol=0.1)


def test_a_frozen_model_behind_which_others_learn_needs_no_gradient() -> None:
    car = perception(models.dense())
    assert car.models == ("head",)
    report = fit(car, {"scan": X, "cones": X.sum(1, keepdim=True)}, SimultaneousEndLoss(LOSS), epochs=2, seed=0)
    assert report.updates == {"head": 2}


def test_a_trainable_trunk_is_merged_by_federated_merge() -> None:
    own = models.dense()
    trunk = component("trunk", trainable(own), "scan -> hits")
    left, right = (component(n, torch.nn.Linear(2, 1), f"hits -> {n}_cones") for n in ("left", "right"))

    @system
    def fork(scan: Any) -> Any:
        hits = trunk(scan)
        return left(hits), right(hits)

    data = {"scan": X, "left_cones": X[:, :1], "right_cones": X[:, 1:2]}
    fit(fork, data, FederatedMerge({"left_cones": LOSS, "right_cones": LOSS}), epochs=2, seed=0)
    torch.testing.assert_close(trunk.eval()(X).detach(), by_onnx_runtime(own, X)[0], rtol=1e-5, atol=1e-5)


def test_what_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    lidar = component("lidar", models.dense(), "scan -> hits")
    with pytest.raises(DataError, match=r"scanner takes 'scan' float32 \[batch, 3\], of 2 dimensions; .* of 3"):
        lidar(X[None])
    with pytest.raises(DataError, match=r"dimension 1 is 3 in the file"):
        lidar(torch.ones(2, 4))
    with pytest.raises(DataError, match=r"convert it, `.to\(torch.float32\)`"):
        lidar(torch.ones(2, 3, dtype=torch.int64))
    with pytest.raises(SignatureError, match=r"hands it 2 value\(s\), but scanner takes 1: 'scan' float32"):
        component("lidar", models.dense(), "scan, pose -> hits")
    with pytest.raises(
        SignatureError, match=r"1 output\(s\), but scanner answers 2: 'label' int64 \[batch\], 'scores'"
    ):
        component("lidar", models.two_outputs(), "scan -> hits")
    assert component("lidar", models.two_outputs(), "scan -> scores")(X).shape == (6, 2)
    with pytest.raises(DataError, match=r"takes 4 samples at once.*choose a batch size that 4 divides"):
        component("lidar", models.dense(batch=4), "scan -> hits")(X)


def test_files_that_cannot_be_used_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ComponentError, match=r"no file .*absent.onnx; there is no .onnx file in"):
        component("lidar", tmp_path / "absent.onnx", "scan -> hits")
    whole = models.dense().SerializeToString()
    for content in (b"no protobuf at all", whole[: len(whole) // 2], b""):
        (tmp_path / "damaged.onnx").write_bytes(content)
        with pytest.raises(ComponentError, match=r"damaged.onnx is damaged or no ONNX model"):
            component("lidar", str(tmp_path / "damaged.onnx"), "scan -> hits")
        with pytest.raises(ComponentError, match=r"damaged.onnx is damaged or no ONNX model"):
            trainable(tmp_path / "damaged.onnx")
    with pytest.raises(SignatureError, match="takes a name, the thing and its signature"):
        component("lidar", "scan -> hits", "model.onnx")


def newer(opset: int) -> Any:
    """Operators whose latest versions onnx2torch does not know, weights in an Einsum among them."""
    nodes = [
        ("Einsum", ["scan", "first"], ["middle"], {"equation": "bi,ij->bj"}),
        ("HardSwish", ["middle"], ["bent"]),
        ("Reshape", ["bent", "square"], ["picture"]),
        ("Transpose", ["picture"], ["turned"], {"perm": [0, 2, 1]}),
        ("Split", ["turned"], ["left", "right"], {"axis": 2, "num_outputs": 2}),
        ("Mul", ["left", "right"], ["product"]),
        ("Flatten", ["product"], ["flat"]),
        ("Gelu", ["flat"], ["hits"], {"approximate": "tanh"}),
    ]
    weights = {"first": models.numbers(3, 8), "square": np.array([0, 2, 4])}
    return models.model(nodes, {"scan": ("batch", 3)}, {"hits": ("batch", 4)}, weights, opset=opset)


@pytest.mark.parametrize("opset", [20, 21, 23])
def test_operators_newer_than_the_converter_knows_learn_all_the_same(opset: int) -> None:
    thing = trainable(newer(opset))
    assert list(thing.weights) == ["first"]
    lidar = component("lidar", thing, "scan -> hits")
    torch.testing.assert_close(lidar(X).detach(), by_onnx_runtime(newer(opset), X)[0], rtol=1e-5, atol=1e-5)
    examine(lambda: component("lidar", trainable(newer(opset)), "scan -> hits"), X)


def test_operators_that_do_not_convert_are_named() -> None:
    with pytest.raises(ComponentError, match=r"onnx2torch converts no Det \(ai.onnx 17\)\. Use it as it is"):
        trainable(models.inconvertible())


def test_missing_numbers_in_a_first_batch_do_not_accuse_the_conversion() -> None:
    lidar = component("lidar", trainable(models.dense()), "scan -> hits").eval()
    assert lidar(torch.full((2, 3), float("nan"))).isnan().all()
    assert not lidar.module._compared  # the first batch of finite numbers is compared
    lidar(X)
    assert lidar.module._compared
