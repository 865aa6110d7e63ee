"""ONNX models as they are: run by ONNX Runtime, without learning and without a way back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from drivetrain.components.onnx.file import damaged, described, in_pieces, read
from drivetrain.errors import NoGradientError
from drivetrain.graph.signature import Signature


class OnnxFile(nn.Module):
    """A model that ONNX Runtime runs as it is: it does not learn, and has no gradient.

    ``component`` makes it of a path to an .onnx file or of a ``ModelProto``. Where a file fixes its batch size, larger
    batches run in pieces.

    Attributes:
        source: the path or the ``ModelProto``.
        description: what it takes and answers.
    """

    def __init__(self, source: Path | onnx.ModelProto) -> None:
        super().__init__()
        self.source, self.description = source, described(source)
        self._wanted: tuple[int, ...] = ()
        self._session = _session(source)

    def check_signature(self, component: str, signature: Signature) -> None:
        """Refuse a signature that does not fit, and note which outputs it wants."""
        self._wanted = self.description.check(component, signature, self._wanted)

    def forward(self, *values: Any) -> Any:
        """Run the model; what needs its gradient gets an error on the way back."""
        own = [slot.fitted(v, self.description.name) for slot, v in zip(self.description.inputs, values, strict=True)]
        device = own[0].device if own else torch.device("cpu")
        arrays = [value.detach().cpu().contiguous() for value in own]
        answers = in_pieces(self._run, arrays, self.description)
        wanted = [answers[place].to(device) for place in self._wanted or range(len(answers))]
        moved = [v for v in values if isinstance(v, Tensor) and v.requires_grad] if torch.is_grad_enabled() else []
        if moved:
            wanted = list(_NoWayBack.apply(self.description.name, len(moved), *moved, *wanted))  # type: ignore[no-untyped-call]
        return wanted[0] if len(wanted) == 1 else tuple(wanted)

    def file_identity(self) -> bytes:
        """What tells it from other files: all that stands in it, wherever it lies."""
        return hashlib.sha256(read(self.source, weights=True).SerializeToString(deterministic=True)).digest()

    def _run(self, arrays: Sequence[Tensor]) -> list[Tensor]:
        feed = {slot.name: array.numpy() for slot, array in zip(self.description.inputs, arrays, strict=True)}
        return [torch.from_numpy(answer) for answer in self._session.run(None, feed)]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None}  # a session neither copies nor pickles

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._session = _session(self.source)


class _NoWayBack(torch.autograd.Function):
    """Answers as it is told; whoever wants the gradient is told that there is none."""

    @staticmethod
    def forward(ctx: Any, name: str, inputs: int, *values: Tensor) -> tuple[Tensor, ...]:
        ctx.name = name
        answers = values[inputs:]
        ctx.mark_non_differentiable(*(answer for answer in answers if not answer.is_floating_point()))
        return tuple(answer.view_as(answer) for answer in answers)

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise NoGradientError(
            f"what lies before {ctx.name} needs its gradient, and ONNX Runtime computes none. Estimate it: "
            f"differentiable(component(..., {ctx.name!r}, ...)); or convert it: "
            f"component(..., trainable({ctx.name!r}), ...), from drivetrain.components.onnx"
        )


def _session(source: Path | onnx.ModelProto) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # its warnings speak of the exporter, not to the user
    held = str(source) if isinstance(source, Path) else read(source).SerializeToString()
    try:
        return onnxruntime.InferenceSession(held, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no public base
        raise damaged(source, error) from error
