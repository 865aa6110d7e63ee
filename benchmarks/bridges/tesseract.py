"""Tesseract in the process of another interpreter: its runtime asks for older packages than MLflow."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path


class Peer:
    """Tesseract in the process of another interpreter, which times as many calls whenever it is asked."""

    def __init__(self, python: str, kind: str, calls: int, shape: tuple[int, int, int]) -> None:
        folder = Path(tempfile.mkdtemp())
        (folder / "tesseract_api.py").write_text(TESSERACT_API)
        (folder / "peer.py").write_text(TESSERACT_PEER)
        command = [python, "-W", "ignore", str(folder / "peer.py"), kind, *map(str, (calls, *shape))]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.seconds()  # the first call compiles

    def seconds(self) -> float:
        """Seconds a call, of the next round."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        seconds = self.process.stdout.readline()
        if not seconds:
            raise RuntimeError("the Python of --tesseract ended; it needs tesseract-core, jax and numpy")
        return float(seconds)


TESSERACT_API = """
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import BaseModel
from tesseract_core.runtime import Array, Differentiable, Float32

class InputSchema(BaseModel):
    x: Differentiable[Array[(None, None), Float32]]
    w: Differentiable[Array[(None, None), Float32]]
    b: Differentiable[Array[(None,), Float32]]

class OutputSchema(BaseModel):
    y: Differentiable[Array[(None, None), Float32]]

run = jax.jit(lambda x, w, b: jnp.tanh(x @ w + b))
back = jax.jit(lambda x, w, b, g: jax.vjp(lambda *a: jnp.tanh(a[0] @ a[1] + a[2]), x, w, b)[1](g))

def apply(inputs: InputSchema) -> OutputSchema:
    return OutputSchema(y=np.asarray(run(inputs.x, inputs.w, inputs.b)))

def vector_jacobian_product(
    inputs: InputSchema, vjp_inputs: set[str], vjp_outputs: set[str], cotangent_vector: dict[str, Any]
):
    found = dict(zip("xwb", back(inputs.x, inputs.w, inputs.b, cotangent_vector["y"])))
    return {name: np.asarray(found[name]) for name in vjp_inputs}
"""


TESSERACT_PEER = """
import sys, time
from pathlib import Path
import numpy as np
from tesseract_core import Tesseract

kind, calls, rows, wide, narrow = sys.argv[1], *map(int, sys.argv[2:])
draws = np.random.default_rng(0)
given = {"x": draws.normal(size=(rows, wide)).astype(np.float32),
         "w": np.ones((wide, narrow), np.float32) / wide, "b": np.zeros(narrow, np.float32)}
cotangent = {"y": np.ones((rows, narrow), np.float32)}
with Tesseract.from_tesseract_api(str(Path(__file__).parent / "tesseract_api.py")) as model:
    def call():
        model.apply(given)
        if kind != "forward":
            model.vector_jacobian_product(given, ["x", "w", "b"], ["y"], cotangent)
    for _ in sys.stdin:
        begin = time.perf_counter()
        for _ in range(calls):
            call()
        print((time.perf_counter() - begin) / calls, flush=True)
"""
