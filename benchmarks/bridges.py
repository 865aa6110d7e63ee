"""Claim: a bridge to another framework costs less than half a millisecond a call above the framework's own call.

Run with the environment that has the frameworks: `.venv-full/bin/python -m benchmarks.bridges`. Each is measured
in a process of its own; its own compiled call and ours take turns. What counts is the difference within a round.

Tesseract (in process, its `apply` and `vector_jacobian_product`) takes its turns around the very same JAX function. It
asks for older packages than MLflow, so it runs in an environment of its own, whose interpreter `--tesseract` names:
`python -m venv peer && peer/bin/pip install "tesseract-core[runtime]" jax`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.measure import RESULTS, in_turns
from benchmarks.tesseract_peer import Peer
from drivetrain import component

LIMIT = 0.5e-3  # seconds
CALLS = 10
ROWS, WIDE, NARROW = 32, 16, 8
LAYERS = 30  # of the models of many weights
OURS, OWN, TESSERACT = "drivetrain", "own", "tesseract"
FRAMEWORKS = (
    "keras on tensorflow",
    "tf.Module",
    "keras on jax",
    "jax",
    "tf.Module, 60 weights",
    "jax, 60 weights",
    "scikit-learn",
    "onnx",
)
Call = Callable[[], object]


def main(arguments: list[str] | None = None) -> int:
    """Measure every framework, print, write; 0 when the claim holds for all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the rounds")
    parser.add_argument(
        "--tesseract", metavar="PYTHON", default="", help="an interpreter that has tesseract-core[runtime]"
    )
    parser.add_argument("--only", choices=FRAMEWORKS, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.only:
        print(json.dumps(measured(asked.only, 40 if asked.quick else 200, asked.tesseract)))
        return 0
    table = Table(title="What a bridge costs a call, above the framework's own", caption=CAPTION)
    for column in ("framework", "call", "own ms", "drivetrain above it, ms", "tesseract above it, ms"):
        table.add_column(column, justify="left" if column in ("framework", "call") else "right")
    found, missed = {}, []
    for name in FRAMEWORKS:
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.bridges", "--only", name]
        command += ["--tesseract", asked.tesseract]
        run = subprocess.run([*command, "--quick"] if asked.quick else command, capture_output=True, text=True)
        if run.returncode:
            table.add_row(name, "not measured", run.stderr.strip().splitlines()[-1][:80], "", "")
            missed.append(f"{name}: not measured")
            continue
        found[name] = json.loads(run.stdout.splitlines()[-1])
        for call, seconds in found[name].items():
            cost = above(seconds, OURS)
            peer = told(above(seconds, TESSERACT)) if TESSERACT in seconds else "-"
            table.add_row(name, call, f"{1e3 * float(np.median(seconds[OWN])):.3f}", told(cost), peer)
            if cost[0] > LIMIT:
                missed.append(f"{name}, {call}")
    console = Console(width=120)
    console.print(table)
    verdict = f"[red]MISSED[/]: {'; '.join(missed)}" if missed else "[green]met[/]"
    console.print(f"{verdict}; claimed: at most {1e3 * LIMIT:.1f} ms above the framework's own call")
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "bridges.json").write_text(json.dumps({"limit": LIMIT, "seconds": found, "missed": missed}))
    return 1 if missed else 0


CAPTION = "medians of paired rounds [95 % by bootstrap]; 32 rows, 16 numbers to 8, float32, one thread"


def above(seconds: dict[str, list[float]], who: str) -> tuple[float, float, float]:
    """The median over rounds of what somebody takes more than the framework itself, with the bootstrap's interval."""
    more = np.asarray(seconds[who]) - np.asarray(seconds[OWN])
    draws = np.median(np.random.default_rng(0).choice(more, size=(2000, len(more))), axis=1)
    return float(np.median(more)), *(float(end) for end in np.quantile(draws, [0.025, 0.975]))


def told(cost: tuple[float, float, float]) -> str:
    """Milliseconds with their interval."""
    return f"{1e3 * cost[0]:.3f} [{1e3 * cost[1]:.3f}, {1e3 * cost[2]:.3f}]"


def measured(framework: str, rounds: int, tesseract: str) -> dict[str, dict[str, list[float]]]:
    """Seconds of every contestant in every round, by kind of call."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    calls = BY_FRAMEWORK[framework]()
    found = {}
    for kind, contestants in calls.items():
        peer = Peer(tesseract, kind, CALLS, (ROWS, WIDE, NARROW)) if tesseract and framework == "jax" else None
        found[kind] = turns(contestants, peer, rounds)
    return found


def turns(contestants: dict[str, Call], peer: Peer | None, rounds: int) -> dict[str, list[float]]:
    """Seconds a call, one value a round, in a new random order each; a peer of another process times itself."""
    if peer is None:
        return in_turns(contestants, rounds, CALLS)
    seconds: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, values in in_turns(contestants, 1, CALLS).items():
            seconds.setdefault(name, []).extend(values)
        seconds.setdefault(TESSERACT, []).append(peer.seconds())
    return seconds


def ours(thing: Any) -> dict[str, Call]:
    """A component called on a tensor: forward in evaluation mode, and there and back in training mode."""
    part = component("model", thing, "x -> y")
    x, moved = torch.randn(ROWS, WIDE), torch.randn(ROWS, WIDE, requires_grad=True)

    def forward() -> object:
        if part.training:
            part.eval()
        with torch.no_grad():
            return part(x)

    weights = list(part.parameters())

    def there_and_back() -> object:
        if not part.training:
            part.train()
        moved.grad = None
        for weight in weights:
            weight.grad = None
        part(moved).sum().backward()
        return moved.grad

    return {"forward": forward, "there and back": there_and_back}


def against(own: dict[str, Call], thing: Any) -> dict[str, dict[str, Call]]:
    """Contestants by kind of call."""
    mine = ours(thing)
    return {kind: {OWN: call, OURS: mine[kind]} for kind, call in own.items()}


def tensorflow_calls(model: Any) -> dict[str, Call]:
    """What TensorFlow itself offers: the compiled call; and its tape, for a cotangent that comes from outside."""
    import tensorflow as tf

    x, cotangent = tf.random.normal((ROWS, WIDE)), tf.ones((ROWS, NARROW))
    run = tf.function(lambda values: model(values))
    weights = [each.value if hasattr(each, "path") else each for each in model.trainable_variables]
    sources = [x, *weights]

    def there_and_back() -> object:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for source in sources:
                tape.watch(source)
            answer = run(x)
        return [g.numpy() for g in tape.gradient(answer, sources, output_gradients=cotangent)]

    return {"forward": lambda: run(x).numpy(), "there and back": there_and_back}


def keras_on_tensorflow() -> dict[str, dict[str, Call]]:
    """A dense layer."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    model = keras.Sequential([keras.Input((WIDE,)), keras.layers.Dense(NARROW, activation="tanh")])
    return against(tensorflow_calls(model), model)


def tf_module() -> dict[str, dict[str, Call]]:
    """The same, written by hand."""
    import tensorflow as tf

    class Dense(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w, self.b = tf.Variable(tf.random.normal((WIDE, NARROW))), tf.Variable(tf.zeros(NARROW))

        def __call__(self, x: Any) -> Any:
            return tf.tanh(x @ self.w + self.b)

    model = Dense()
    return against(tensorflow_calls(model), model)


def jax_calls(function: Callable[[Any, Any], Any], weights: Any) -> dict[str, Call]:
    """What JAX itself offers: the compiled call; and its compiled pull-back for a cotangent from outside."""
    import jax

    x = jax.random.normal(jax.random.key(0), (ROWS, WIDE))
    run = jax.jit(function)
    there, back = jax.jit(lambda w, values: jax.vjp(function, w, values)), jax.jit(lambda pull, given: pull(given))
    cotangent = jax.numpy.ones((ROWS, NARROW))

    def there_and_back() -> object:
        answer, pull = there(weights, x)
        return jax.block_until_ready((answer, back(pull, cotangent)))

    return {"forward": lambda: jax.block_until_ready(run(weights, x)), "there and back": there_and_back}


def jax_function() -> dict[str, dict[str, Call]]:
    """A function with parameters; Tesseract wraps the same one."""
    import jax.numpy as jnp

    from drivetrain.components.jax import JaxModel

    weights = {"w": jnp.ones((WIDE, NARROW)) / WIDE, "b": jnp.zeros(NARROW)}

    def dense(w: Any, x: Any) -> Any:
        return jnp.tanh(x @ w["w"] + w["b"])

    return against(jax_calls(dense, weights), JaxModel(dense, weights))


def keras_on_jax() -> dict[str, dict[str, Call]]:
    """A dense layer, against Keras' stateless call compiled."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    model = keras.Sequential([keras.Input((WIDE,)), keras.layers.Dense(NARROW, activation="tanh")])
    weights = [variable.value for variable in model.trainable_variables]
    return against(jax_calls(lambda w, x: model.stateless_call(w, [], x)[0], weights), model)


def tf_module_of_many_weights() -> dict[str, dict[str, Call]]:
    """Thirty layers written by hand, each with a matrix and a bias."""
    import tensorflow as tf

    class Deep(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = [tf.Variable(tf.random.normal(shape) / WIDE) for shape in shapes()]
            self.b = [tf.Variable(tf.zeros(columns)) for _, columns in shapes()]

        def __call__(self, x: Any) -> Any:
            for w, b in zip(self.w, self.b, strict=True):
                x = tf.tanh(x @ w + b)
            return x

    model = Deep()
    return against(tensorflow_calls(model), model)


def jax_function_of_many_weights() -> dict[str, dict[str, Call]]:
    """The same thirty layers as a function of JAX."""
    import jax.numpy as jnp

    from drivetrain.components.jax import JaxModel

    weights = [{"w": jnp.ones(shape) / WIDE, "b": jnp.zeros(shape[1])} for shape in shapes()]

    def deep(weights: Any, x: Any) -> Any:
        for layer in weights:
            x = jnp.tanh(x @ layer["w"] + layer["b"])
        return x

    return against(jax_calls(deep, weights), JaxModel(deep, weights))


def shapes() -> list[tuple[int, int]]:
    """Rows and columns of each layer's matrix."""
    return [(WIDE, WIDE)] * (LAYERS - 1) + [(WIDE, NARROW)]


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


BY_FRAMEWORK: dict[str, Callable[[], dict[str, dict[str, Call]]]] = {
    "keras on tensorflow": keras_on_tensorflow, "tf.Module": tf_module, "keras on jax": keras_on_jax,
    "jax": jax_function, "tf.Module, 60 weights": tf_module_of_many_weights,
    "jax, 60 weights": jax_function_of_many_weights, "scikit-learn": scikit_learn, "onnx": onnx_file,
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
