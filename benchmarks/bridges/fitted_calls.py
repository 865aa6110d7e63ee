"""Models that another library has fitted or exported, called by themselves and over the bridge."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.bridges.turns import NARROW, ROWS, WIDE, Call, against


def scikit_learn() -> dict[str, dict[str, Call]]:
    """A forest that is frozen and asked; on the way back a logistic regression by its formula, against torch's own."""
    from sklearn.linear_model import LogisticRegression

    draws = np.random.default_rng(0)
    model = LogisticRegression().fit(draws.normal(size=(200, WIDE)), np.arange(200) % 3)
    x = draws.normal(size=(ROWS, WIDE)).astype(np.float32)
    twin = torch.nn.Sequential(torch.nn.Linear(WIDE, 3, dtype=torch.float64), torch.nn.Softmax(1))
    moved = torch.randn(ROWS, WIDE, dtype=torch.float64, requires_grad=True)

    def back() -> object:
        moved.grad = None
        twin.zero_grad(set_to_none=True)
        twin(moved).sum().backward()
        return moved.grad

    return against({"forward": lambda: model.predict_proba(x), "there and back": back}, model)


def onnx_file() -> dict[str, dict[str, Call]]:
    """A dense layer in a file, run by ONNX Runtime; it has no way back."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(size=(WIDE, NARROW)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["product"]), helper.make_node("Tanh", ["product"], ["y"])]
    graph = helper.make_graph(
        nodes, "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", WIDE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", NARROW])],
        [numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).normal(size=(ROWS, WIDE)).astype(np.float32)
    return against({"forward": lambda: session.run(None, {"x": x})}, model)
