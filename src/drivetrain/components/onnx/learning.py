"""ONNX models that learn: converted to PyTorch by onnx2torch, and written back into the model they came from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from drivetrain.components.onnx.conversion import converted, learnable
from drivetrain.components.onnx.file import described, in_pieces, name_of, read
from drivetrain.components.onnx.runtime import OnnxFile
from drivetrain.errors import ComponentError, listed
from drivetrain.graph.signature import Signature
from drivetrain.graph.weights import write_whole

CLOSE = 1e-4
"""How far the conversion may be from ONNX Runtime at its first batch, relative to the largest number answered."""


class TrainableOnnx(nn.Module):
    """An ONNX model as a torch module; its weights are those of the file, and go back into one.

    Its first call on finite numbers is compared with ONNX Runtime's answer, where that is installed.

    Attributes:
        source: the path or the ``ModelProto`` that it came from.
        description: what it takes and answers.
    """

    def __init__(self, source: Path | onnx.ModelProto, weights: Sequence[str] | None = None) -> None:
        super().__init__()
        self.source, self.description = source, described(source)
        model = read(source, weights=True)
        own = learnable(model) if weights is None else tuple(weights)
        self.network, self._places = converted(model, own, name_of(source))
        self._wanted: tuple[int, ...] = ()
        self._compared = False

    @property
    def weights(self) -> dict[str, nn.Parameter]:
        """What learns, by its name in the file; a linear layer's weight may stand transposed."""
        parameters = dict(self.network.named_parameters())
        return {name: parameters[place] for name, (place, _) in self._places.items() if place in parameters}

    def check_signature(self, component: str, signature: Signature) -> None:
        """Refuse a signature that does not fit, and note which outputs it wants."""
        self._wanted = self.description.check(component, signature, self._wanted)

    def forward(self, *values: Any) -> Any:
        """Run the converted model."""
        own = [slot.fitted(v, self.description.name) for slot, v in zip(self.description.inputs, values, strict=True)]
        if not self._compared and all(bool(value.isfinite().all()) for value in own):  # NaN equals nothing
            self._compared = True
            self._compare(own)
        answers = in_pieces(self._run, own, self.description)
        wanted = [answers[place] for place in self._wanted or range(len(answers))]
        return wanted[0] if len(wanted) == 1 else tuple(wanted)

    def proto(self) -> onnx.ModelProto:
        """The model with what was learned, as a new ``ModelProto``."""
        model = onnx.ModelProto()
        model.CopyFrom(read(self.source, weights=True))
        return self._written(model)

    def file_identity(self) -> bytes:
        """What tells it from other files besides the weights, which learn."""
        model = onnx.ModelProto()
        model.CopyFrom(read(self.source, weights=True))
        constants = [node.attribute[0].t for node in model.graph.node if _is_constant(node)]
        names = [node.output[0] for node in model.graph.node if _is_constant(node)]
        for name, tensor in (*((i.name, i) for i in model.graph.initializer), *zip(names, constants, strict=True)):
            if name in self._places:
                tensor.CopyFrom(onnx.TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type))
        return hashlib.sha256(model.SerializeToString(deterministic=True)).digest()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an .onnx file with what was learned, whole or not at all.

        Raises:
            CheckpointError: it cannot be written; what stood there before still stands.
        """
        write_whole(Path(path), self.proto().SerializeToString())

    def hand_back(self) -> None:
        """Write what was learned into the user's own ``ModelProto``; a file changes by ``save`` alone."""
        if not isinstance(self.source, Path):
            self._written(self.source)

    def _run(self, values: Sequence[Tensor]) -> Sequence[Tensor]:
        answers: Sequence[Tensor] = self.network(*values)
        return answers

    def _written(self, model: onnx.ModelProto) -> onnx.ModelProto:
        held: Mapping[str, Tensor] = dict(self.network.state_dict())
        constants = [node.attribute[0].t for node in model.graph.node if _is_constant(node)]
        names = [node.output[0] for node in model.graph.node if _is_constant(node)]
        for name, tensor in (*((i.name, i) for i in model.graph.initializer), *zip(names, constants, strict=True)):
            if name in self._places:
                place, turned = self._places[name]
                value = held[place].detach().cpu()
                array = np.ascontiguousarray((value.mT if turned else value).numpy())
                own = numpy_helper.from_array(array.reshape(tuple(tensor.dims)), tensor.name)
                if own.raw_data != tensor.raw_data or not tensor.raw_data:
                    tensor.CopyFrom(own)
        return model

    def _compare(self, values: Sequence[Tensor]) -> None:
        try:
            original = OnnxFile(self.proto())
        except ImportError:  # ONNX Runtime is not installed
            return
        modes = [(module, module.training) for module in self.network.modules()]
        plain = [value.detach() for value in values]
        try:
            with torch.no_grad():
                self.network.eval()
                found = in_pieces(self._run, plain, self.description)
                expected = in_pieces(original._run, [value.cpu().contiguous() for value in plain], self.description)
        finally:
            for module, training in modes:
                module.training = training
        for slot, one, other in zip(self.description.outputs, found, expected, strict=True):
            one = one.cpu()
            if one.shape != other.shape or not torch.allclose(
                one.double(), other.double(), rtol=0, atol=CLOSE * max(1.0, float(other.double().abs().max()))
            ):
                away = (
                    f"is up to {float((one - other).abs().max()):.3g} away" if one.shape == other.shape else "differs"
                )
                raise ComponentError(
                    f"{self.description.name}, converted to PyTorch, answers something else than ONNX Runtime: {slot} "
                    f"{away}. One of its operators is converted wrongly: "
                    f"{listed(sorted({node.op_type for node in read(self.source).graph.node}))}. Use it as it is: "
                    f"component(name, {self.description.name!r}, signature)"
                )


def _is_constant(node: onnx.NodeProto) -> bool:
    return node.op_type == "Constant" and len(node.attribute) == 1 and node.attribute[0].name == "value"
